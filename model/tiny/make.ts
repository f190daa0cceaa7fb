/**
 * @file Makes the tiny model that ships with Attune, by Attune's own stages, on text this project writes itself:
 * `npx tsx model/tiny/make.ts <work folder>`. About half an hour on two cores; interrupted, the same command goes on.
 */
import { createWriteStream } from "node:fs";
import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import { finished } from "node:stream/promises";
import { openCheckpoint } from "../checkpoint/checkpoint";
import { writeCheckpoint } from "../checkpoint/checkpoint-writer";
import { expectedTensors } from "../checkpoint/expected-tensors";
import { floatsToHalves } from "../checkpoint/half-floats";
import { writeProse } from "../data/tiny-prose";
import { makeTinyConversation, makeTinyTask, passesTinyRule, type TinyTask } from "../data/tiny-tasks";
import { createRandom } from "../random/random";
import { loadGenerator } from "../runtime/generator";
import { runPretrain } from "../train/pretrain";
import { pretrainConfigSchema } from "../train/pretrain-config";
import { parseConfig } from "../train/run-config";
import { runSft } from "../train/sft";
import { sftConfigSchema } from "../train/sft-config";

const [work] = process.argv.slice(2);
if (work === undefined) throw new Error("Usage: npx tsx model/tiny/make.ts <work folder>");
const shipped = (stage: "base" | "sft") => path.join(import.meta.dirname, stage);
const counts = { conversations: 45_000, prose: 9_000, tasks: 300 };
// Results repeat bit for bit at the same number of threads.
const common = { seed: 1, threads: 2, rowLength: 256, rowsPerBatch: 16, weightDecay: 0.05, validationShare: 0.02 };

// 1. Text: conversations of small tasks, plain prose, and tasks of another seed to measure with.
await mkdir(work, { recursive: true });
const writeLines = async (name: string, count: number, makeLine: () => unknown) => {
  const file = path.join(work, name);
  const stream = createWriteStream(file);
  for (let line = 0; line < count; line++) stream.write(`${JSON.stringify(makeLine())}\n`);
  stream.end();
  await finished(stream);
  return file;
};
const random = createRandom(1);
const conversations = await writeLines("conversations.jsonl", counts.conversations, () => ({
  messages: makeTinyConversation(random),
}));
const prose = await writeLines("prose.jsonl", counts.prose, () => ({ text: writeProse(random) }));
const onEvent = (event: { type: string; step?: number; totalSteps?: number; loss?: number }) => {
  if (event.type === "step" && (event.step ?? 0) % 25 !== 0) return;
  console.log(JSON.stringify(event));
};

// 2. The base: it predicts text of either kind, and its tokenizer is trained on the way.
const base = await runPretrain(
  parseConfig(pretrainConfigSchema, {
    ...common,
    name: "Tiny base",
    data: [prose, conversations],
    tokenizer: { vocabularySize: 1536 },
    output: path.join(work, "base"),
    initializerRange: 0.05,
    lr: 4e-3,
    warmupSteps: 20,
    epochs: 1,
  }),
  { onEvent },
);
await ship(base.checkpoint, shipped("base"));

// 3. The assistant: the loss counts what it says.
const sft = await runSft(
  parseConfig(sftConfigSchema, {
    ...common,
    name: "Tiny",
    model: shipped("base"),
    data: [conversations],
    pretrainMix: { data: [prose], share: 0.1 },
    output: path.join(work, "sft"),
    lora: null,
    lr: 3e-3,
    warmupSteps: 50,
    finalShare: 0.05,
    epochs: 2,
  }),
  { onEvent },
);
await ship(sft.checkpoint, shipped("sft"));

// 4. How many of the tasks it gets right, answered greedily by the runtime that serves it.
const right = new Map<string, boolean[]>();
const heldOut = createRandom(2);
const tasks = Array.from({ length: counts.tasks }, () => makeTinyTask(heldOut));
await using policy = await loadGenerator(shipped("sft"), {
  precision: "fp32",
  threads: 2,
  slots: 8,
  cacheFolder: path.join(work, "serving"),
});
for (const task of tasks) right.set(task.kind, [...(right.get(task.kind) ?? []), await isRight(task)]);
const passed = (results: readonly boolean[]) => `${results.filter(Boolean).length}/${results.length}`;
console.log(Object.fromEntries([...right].toSorted().map(([kind, results]) => [kind, passed(results)])));
console.log(`All: ${passed([...right.values()].flat())}`);

async function isRight({ prompt, rule }: TinyTask): Promise<boolean> {
  const sampling = {
    temperature: 0,
    topK: 0,
    topP: 1,
    minP: 0,
    repetitionPenalty: 1,
    maxTokens: 100,
    stop: [],
    seed: 1,
  };
  let text = "";
  for await (const event of policy.generate({ messages: [{ role: "user", content: prompt }], sampling }))
    if ("text" in event) text += event.text;
  return passesTinyRule(rule, text);
}

/** Copies a checkpoint into the repository in half precision: half the bytes for everybody who clones it. */
async function ship(from: string, to: string): Promise<void> {
  using checkpoint = await openCheckpoint(from);
  const { files: _, formatVersion: __, ...facts } = checkpoint.manifest;
  await rm(to, { recursive: true, force: true });
  await writeCheckpoint(to, facts, async (files) => {
    for (const name of await readdir(from)) {
      if (name === "attune.json" || name === "model.safetensors" || !/\.(json|jinja)$/.test(name)) continue;
      await files.bytes(name, [await readFile(path.join(from, name))]);
    }
    const tensors = [...expectedTensors(checkpoint.config)].map(([name, shape]) => ({
      name,
      dtype: "F16" as const,
      shape,
      chunks: () => [new Uint8Array(floatsToHalves(checkpoint.tensors.read(name)).buffer)],
    }));
    await files.tensors("model.safetensors", tensors);
  });
}
