/**
 * @file Brings a model from outside into a checkpoint folder: a Hugging Face folder or a GGUF file in, Hugging Face
 * layout with attune.json out.
 *
 *   importModel(source, targetFolder, { name, revision?, onProgress?, signal? }): Promise<{ id, manifest }>
 */
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { ChatTemplate } from "@/model/tokenizer/chat-template";
import { loadTokenizer } from "@/model/tokenizer/load-tokenizer";
import { Tokenizer } from "@/model/tokenizer/tokenizer";
import { readManifest } from "./checkpoint";
import { type CheckpointFiles, writeCheckpoint } from "./checkpoint-writer";
import { NotAModelError } from "./errors";
import { checkTensors, expectedTensors } from "./expected-tensors";
import { digestFile } from "./file-access";
import { configFromGguf } from "./gguf-config";
import { openGguf } from "./gguf-file";
import { GgufAsHuggingFace } from "./gguf-tensors";
import { tokenizerFromGguf } from "./gguf-tokenizer";
import type { Manifest } from "./manifest";
import { type ModelConfig, parseModelConfig } from "./model-config";
import { findSafetensors, openSafetensors, parseJson } from "./safetensors-reader";
import type { OutgoingTensor } from "./safetensors-writer";
import type { TensorSource } from "./tensor-source";

export type ImportOptions = {
  /** Shown to people: "SmolLM2-135M-Instruct". */
  name: string;
  /** Hub revision of a Hugging Face folder. A GGUF file is known by its sha256. */
  revision?: string;
  /** Called after each tensor; `done` counts up to `total` parameters. */
  onProgress?: (progress: { done: number; total: number }) => void;
  signal?: AbortSignal;
};

type Imported = { id: string; manifest: Manifest };

/**
 * Weights keep their type; those of quantised GGUF tensors become F16. One tensor or less is in memory at a time.
 * @throws NotAModelError, CorruptFileError, UnsupportedModelError, UnsupportedTokenizerError; nothing is left behind
 */
export async function importModel(
  source: string,
  targetFolder: string,
  options: ImportOptions,
): Promise<Imported> {
  const found = await stat(source).catch(() => null);
  if (!found) throw new NotAModelError(source, "there is no such file or folder", "Check the path.");
  if (found.isDirectory()) await importFolder(source, targetFolder, options);
  else await importGguf(source, targetFolder, options);
  return readManifest(targetFolder);
}

async function importGguf(source: string, targetFolder: string, options: ImportOptions): Promise<void> {
  using file = await openGguf(source);
  const configJson = configFromGguf(file);
  const config = parseModelConfig(configJson);
  const weights = new GgufAsHuggingFace(file, config);
  checkTensors(config, weights, source);
  const tokenizer = tokenizerFromGguf(file);
  // Read back at once: a tokenizer or template that Attune cannot use is refused before any weight is written.
  new Tokenizer(tokenizer.tokenizer);
  if (typeof tokenizer.config.chat_template === "string") new ChatTemplate(tokenizer.config.chat_template);
  const { sha256 } = await digestFile(source, options.signal);
  await write(targetFolder, `gguf:${sha256}`, options, async (files) => {
    await files.json("config.json", configJson);
    await files.json("tokenizer.json", tokenizer.tokenizer);
    await files.json("tokenizer_config.json", tokenizer.config);
    const names = [...expectedTensors(config).keys()];
    await files.tensors(
      "model.safetensors",
      withProgress(
        names.map((name) => weights.outgoing(name)),
        options,
      ),
    );
  });
}

/** Copied as they are where the folder has them. */
const copiedFiles = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "chat_template.jinja",
];

async function importFolder(source: string, targetFolder: string, options: ImportOptions): Promise<void> {
  const fileNames = await readdir(source);
  const configPath = path.join(source, "config.json");
  if (!fileNames.includes("config.json")) {
    throw new NotAModelError(
      source,
      "it has no config.json",
      "Choose a Hugging Face model folder or a GGUF file.",
    );
  }
  const config = parseModelConfig(parseJson(await readFile(configPath, "utf8"), configPath));
  // Read before any weight is written: a tokenizer or template that Attune cannot use is refused here.
  await loadTokenizer(source, config.endTokenIds);
  using tensors = openSafetensors(await findSafetensors(source, fileNames));
  const renamed = new CanonicalNames(tensors, config);
  checkTensors(config, renamed, source);
  const revision = options.revision ? `huggingface:${options.revision}` : null;
  await write(targetFolder, revision, options, async (files) => {
    for (const name of copiedFiles.filter((each) => fileNames.includes(each))) {
      await files.bytes(name, [await readFile(path.join(source, name))]);
    }
    const names = [...expectedTensors(config).keys()];
    await files.tensors(
      "model.safetensors",
      withProgress(
        names.map((name) => renamed.outgoing(name)),
        options,
      ),
    );
  });
}

/** GPT-2's own files leave out the "transformer." that transformers writes today. */
class CanonicalNames {
  constructor(
    readonly tensors: TensorSource,
    readonly config: ModelConfig,
  ) {}

  has(name: string): boolean {
    return this.tensors.has(this.#stored(name));
  }

  info(name: string) {
    return this.tensors.info(this.#stored(name));
  }

  outgoing(name: string): OutgoingTensor {
    const { dtype, shape } = this.info(name);
    const { tensors } = this;
    const stored = this.#stored(name);
    return {
      name,
      dtype,
      shape,
      *chunks() {
        yield tensors.readBytes(stored);
      },
    };
  }

  #stored(name: string): string {
    const short = name.replace(/^transformer\./, "");
    return this.config.family === "gpt2" && !this.tensors.has(name) ? short : name;
  }
}

async function write(
  targetFolder: string,
  sourceRevision: string | null,
  { name, signal }: ImportOptions,
  fill: (files: CheckpointFiles) => Promise<void>,
): Promise<void> {
  const facts = {
    name,
    stage: "base",
    parent: null,
    run: null,
    datasetSha256: null,
    sourceRevision,
    threadCount: null,
  } as const;
  await writeCheckpoint(targetFolder, facts, fill, signal);
}

function withProgress(tensors: OutgoingTensor[], { onProgress }: ImportOptions): OutgoingTensor[] {
  const elements = (tensor: OutgoingTensor) => tensor.shape.reduce((product, size) => product * size, 1);
  const total = tensors.reduce((sum, tensor) => sum + elements(tensor), 0);
  let done = 0;
  return tensors.map((tensor) => ({
    ...tensor,
    async *chunks() {
      yield* tensor.chunks();
      done += elements(tensor);
      onProgress?.({ done, total });
    },
  }));
}
