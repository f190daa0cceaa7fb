/**
 * @file The tiny model with a token that spoils every batch it is in: its embedding is not a number. The head is a matrix
 * of its own, so that batches without the token are as good as ever.
 */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { writeCheckpoint } from "@/model/checkpoint/checkpoint-writer";
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import { floatTensor } from "@/model/train/float-tensor";
import { tokenizerFiles } from "@/model/train/save-checkpoint";
import { tinyModelFolder } from "./tiny-model";

/** Text that no other text of a test holds. */
export const poison = "~";

const facts = {
  name: "Poisoned",
  stage: "base",
  parent: null,
  run: null,
  datasetSha256: null,
  sourceRevision: "test",
  threadCount: null,
} as const;

export async function writePoisonedModel(folder: string): Promise<void> {
  using tiny = await openCheckpoint(tinyModelFolder);
  const embeddings = tiny.tensors.read("model.embed_tokens.weight").slice();
  const width = tiny.config.hiddenSize;
  const head = embeddings.slice();
  for (const token of tiny.tokenizer.encode(poison)) {
    embeddings.fill(Number.NaN, token * width, (token + 1) * width);
  }
  const ownTensors = new Map([
    ["model.embed_tokens.weight", embeddings],
    ["lm_head.weight", head],
  ]);
  const shapes = [...expectedTensors({ ...tiny.config, tieEmbeddings: false })];
  await writeCheckpoint(folder, facts, async (files) => {
    const config: object = JSON.parse(await readFile(path.join(tinyModelFolder, "config.json"), "utf8"));
    await files.json("config.json", { ...config, dtype: "float32", tie_word_embeddings: false });
    for (const name of tokenizerFiles) {
      const bytes = await readFile(path.join(tinyModelFolder, name)).catch(() => null);
      if (bytes) await files.bytes(name, [bytes]);
    }
    const tensors = shapes.map(([name, shape]) =>
      floatTensor(name, shape, ownTensors.get(name) ?? tiny.tensors.read(name)),
    );
    await files.tensors("model.safetensors", tensors);
  });
}
