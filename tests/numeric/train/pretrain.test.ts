/** @file Pretraining from scratch, both families: it learns a small text, and the result opens as a checkpoint. */
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openCheckpoint } from "@/model/checkpoint/checkpoint";
import { conversationExample } from "@/model/data/conversation-examples";
import { writeProse } from "@/model/data/tiny-prose";
import { createRandom } from "@/model/random/random";
import { trainTokenizer } from "@/model/tokenizer/train-tokenizer";
import { heldOutPlaces } from "@/model/train/data-order";
import { runPretrain } from "@/model/train/pretrain";
import { pretrainConfigSchema } from "@/model/train/pretrain-config";
import { ConfigError, parseConfig } from "@/model/train/run-config";
import type { RunEvent } from "@/model/train/run-loop";
import type { DataEvent } from "@/model/train/unfit-data";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder = "";
let prose = "";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-pretrain-"));
  const random = createRandom(1);
  const lines = Array.from({ length: 120 }, () => JSON.stringify({ text: writeProse(random) }));
  prose = lines.join("\n");
  await writeFile(path.join(folder, "prose.jsonl"), prose);
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
    sampleTokens: 16,
  });
  const events: RunEvent[] = [];
  const onEvent = (event: RunEvent | DataEvent) => void (event.type === "data" || events.push(event));
  const summary = await runPretrain(config, { onEvent });
  // Text goes on from the beginnings of held-out documents.
  const samples = events.flatMap((event) => (event.type === "sample" ? [event] : []));
  expect(samples.map(({ step }) => step)).toEqual([0, 0, 0, ...[1, 1, 1].map(() => summary.totalSteps)]);
  for (const { prompt } of samples) expect(prose).toContain(`"text":"${prompt}`);
  // Before, every token of the vocabulary is about as likely: ln 1536 = 7.34.
  expect(Math.abs((summary.validationLossBefore ?? 0) - Math.log(1536))).toBeLessThan(0.1);
  expect(summary.validationLoss ?? Number.NaN).toBeLessThan(4);
  expect(summary.bitsPerByte ?? Number.NaN).toBeLessThan(2);
  using checkpoint = await openCheckpoint(summary.checkpoint);
  expect(checkpoint.config).toMatchObject({ family, hiddenSize: 32, layerCount: 2, contextLength: 64 });
  expect(checkpoint.manifest).toMatchObject({ stage: "pretrain", parent: null });
});

const small = (name: string, more: Record<string, unknown>) =>
  parseConfig(pretrainConfigSchema, {
    data: [path.join(folder, "prose.jsonl")],
    output: path.join(folder, name),
    architecture: { family: "llama", hiddenSize: 32, intermediateSize: 64, layerCount: 1, contextLength: 64 },
    rowsPerBatch: 4,
    epochs: 1,
    threads: 1,
    evaluateEverySteps: 1000,
    ...more,
  });

test("a tokenizer is trained on the training part alone, kept for the run, and chats with the model", async () => {
  const config = small("own", { tokenizer: { vocabularySize: 400 }, validationShare: 0.2, lr: 1e-2 });
  const { checkpoint } = await runPretrain(config, { onEvent: () => {} });
  using opened = await openCheckpoint(checkpoint);
  const { tokenizer, chatTemplate, config: model } = opened;
  expect([model.vocabularySize, tokenizer.vocabularySize]).toEqual([400, 400]);
  expect(tokenizer.decode(tokenizer.encode("Grüße, 你好 🙂\0"))).toBe("Grüße, 你好 🙂\0");
  const messages = [
    { role: "user" as const, content: "Hello" },
    { role: "assistant" as const, content: "Hi" },
  ];
  const example = conversationExample(opened, messages, { contextLength: 64, rowLength: 64 });
  expect("counted" in example && example.counted.filter(Boolean).length).toBeGreaterThan(1);
  const render = { addGenerationPrompt: true, specialTokens: tokenizer.special };
  expect(chatTemplate.render([{ role: "user", content: "Hello" }], render)).toBe(
    "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n",
  );

  const texts = prose.split("\n").map((line) => String(JSON.parse(line).text));
  const heldOut = heldOutPlaces(1, texts.length, 0.2);
  const expected = trainTokenizer(
    texts.filter((_, at) => !heldOut.has(at)),
    { vocabularySize: 400 },
  );
  const written = path.join(config.output, "tokenizer", "tokenizer.json");
  expect(JSON.parse(await readFile(written, "utf8"))).toEqual(expected);
  const { mtimeMs } = await stat(written);
  await runPretrain(config, { onEvent: () => {} });
  expect((await stat(written)).mtimeMs).toBe(mtimeMs);
});

test("a corpus too small for the vocabulary is refused with the number it reaches", async () => {
  const run = runPretrain(small("greedy", { tokenizer: { vocabularySize: 100_000 } }), { onEvent: () => {} });
  await expect(run).rejects.toThrow(/gives a vocabulary of \d+ tokens, not 100000/);
});

test("rows longer than the model's context are refused", async () => {
  const run = runPretrain(small("long", { tokenizer: tiny, rowLength: 65 }), { onEvent: () => {} });
  await expect(run).rejects.toThrow(ConfigError);
  await expect(run).rejects.toThrow("rowLength: 65 is more than architecture.contextLength, 64");
});
