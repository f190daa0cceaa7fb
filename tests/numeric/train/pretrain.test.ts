/** @file Pretraining from scratch, both families: it learns a small text, and the result opens as a checkpoint. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { writeProse } from "@/model/data/tiny-prose";
import { createRandom } from "@/model/random/random";
import { runPretrain } from "@/model/train/pretrain";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { parseConfig } from "@/model/train/run-config";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-pretrain-"));
  const random = createRandom(1);
  const lines = Array.from({ length: 120 }, () => JSON.stringify({ text: writeProse(random) }));
  await writeFile(path.join(folder, "prose.jsonl"), lines.join("\n"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test.each(["llama", "gpt2"] as const)("a new %s learns from text", async (family) => {
  const config = parseConfig(pretrainConfigSchema, {
    data: [path.join(folder, "prose.jsonl")],
    tokenizer: tiny,
    output: path.join(folder, family),
    architecture: { family, hiddenSize: 32, intermediateSize: 64, layerCount: 2, contextLength: 64 },
    rowLength: 64,
    rowsPerBatch: 4,
    epochs: 3,
    lr: 1e-2,
    threads: 1,
    validationShare: 0.1,
    evaluateEverySteps: 1000,
  });
  const summary = await runPretrain(config, { onEvent: () => {} });
  // Before, every token of the vocabulary is about as likely: ln 1536 = 7.34.
  expect(Math.abs((summary.validationLossBefore ?? 0) - Math.log(1536))).toBeLessThan(0.1);
  expect(summary.validationLoss ?? Number.NaN).toBeLessThan(4);
  expect(summary.bitsPerByte ?? Number.NaN).toBeLessThan(2);
  using checkpoint = await openCheckpoint(summary.checkpoint);
  expect(checkpoint.config).toMatchObject({ family, hiddenSize: 32, layerCount: 2, contextLength: 64 });
  expect(checkpoint.manifest).toMatchObject({ stage: "pretrain", parent: null });
});
