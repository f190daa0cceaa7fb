/** @file SFT on the shipped tiny model: it learns, stops and goes on bit for bit, and what it writes is a checkpoint. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openCheckpoint, verifyCheckpoint } from "@/model/checkpoint/checkpoint";
import { openSafetensors } from "@/model/checkpoint/safetensors-reader";
import { writeProse } from "@/model/data/tiny-prose";
import { animals, objects } from "@/model/data/tiny-world";
import { createRandom } from "@/model/random/random";
import { mergeCheckpoint } from "@/model/train/merge-checkpoint";
import { parseConfig } from "@/model/train/run-config";
import { RunFolderError } from "@/model/train/run-folder";
import { runSft, type SftEvent } from "@/model/train/sft";
import { type SftConfig, sftConfigSchema } from "@/model/train/sft-config";
import { UnfitDataError } from "@/model/train/unfit-data";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder = "";
let data = "";

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-sft-"));
  data = path.join(folder, "demonstrations.jsonl");
  // Something the tiny model does not do yet: it answers in capital letters.
  const nouns = [...animals.map(({ name }) => name), ...objects];
  const lines = nouns.flatMap((noun) =>
    ["Repeat", "Say"].map((verb) =>
      JSON.stringify({ prompt: `${verb} ${noun}`, response: noun.toUpperCase() }),
    ),
  );
  await writeFile(data, `${lines.join("\n")}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const configFor = (name: string, more: Partial<SftConfig> = {}) =>
  parseConfig(sftConfigSchema, {
    model: tiny,
    data: [data],
    output: path.join(folder, name),
    epochs: 4,
    rowLength: 64,
    rowsPerBatch: 2,
    validationShare: 0.15,
    threads: 1,
    lr: 3e-3,
    lora: { rank: 4, alpha: 8 },
    sampleTokens: 0,
    ...more,
  });

async function run(config: SftConfig, stopAfter = Number.POSITIVE_INFINITY) {
  const events: SftEvent[] = [];
  const controller = new AbortController();
  const onEvent = (event: SftEvent) => {
    events.push(event);
    if (event.type === "step" && event.step + 1 >= stopAfter) controller.abort();
  };
  const summary = await runSft(config, { onEvent, signal: controller.signal });
  const losses = events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
  return { summary, events, losses };
}

describe.each([
  ["an adapter", { rank: 4, alpha: 8, targets: null }, "adapter_model.safetensors"],
  ["every weight", null, "model.safetensors"],
] as const)("training %s", (_, lora, weightsFile) => {
  const kind = lora === null ? "full" : "lora";
  const more: Partial<SftConfig> = {
    lora: lora && { ...lora },
    lr: lora === null ? 1e-3 : 3e-3,
    saveEverySteps: 8,
  };

  test("lowers the validation loss, and the checkpoint is whole and opens", async () => {
    const { summary, losses } = await run(configFor(kind, more));
    expect(summary.finished).toBe(true);
    expect(losses).toHaveLength(summary.totalSteps);
    // About 9 nats before: capital letters are the last thing it would say.
    expect(summary.validationLoss ?? Number.NaN).toBeLessThan(0.5 * (summary.validationLossBefore ?? 0));
    await verifyCheckpoint(summary.checkpoint);
    using checkpoint = await openCheckpoint(summary.checkpoint);
    const { stage, parent } = checkpoint.manifest;
    using base = await openCheckpoint(tiny);
    expect({ stage, parent }).toEqual({ stage: "sft", parent: base.id });
  });

  test("stopped in the middle and started again, it ends with the same bits", async () => {
    const whole = await run(configFor(kind, more));
    // The whole run is there already and has nothing left to do.
    expect(whole.events.map(({ type }) => type)).toContain("resumed");
    const stopped = await run(configFor(`${kind}-stopped`, more), 5);
    expect(stopped.summary).toMatchObject({ steps: 5, finished: false });
    const resumed = await run(configFor(`${kind}-stopped`, more));
    expect(resumed.events).toContainEqual({ type: "resumed", step: 5 });
    expect(resumed.losses).toHaveLength(whole.summary.totalSteps - 5);
    const last = `checkpoints/step-${String(whole.summary.totalSteps).padStart(6, "0")}`;
    for (const file of [weightsFile, "state/optimizer.safetensors"]) {
      const [a, b] = [kind, `${kind}-stopped`].map((name) => readFile(path.join(folder, name, last, file)));
      expect((await a)?.equals((await b) ?? Buffer.alloc(0)), file).toBe(true);
    }
  });
});

test("each step tells where the run is, and a saved checkpoint whether it is the best so far", async () => {
  const { events } = await run(configFor("told", { epochs: 2, lora: null, lr: 1e-3 }));
  const steps = events.flatMap((event) => (event.type === "step" ? [event] : []));
  const { totalSteps } = steps[0] ?? { totalSteps: 0 };
  expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: totalSteps }, (_, i) => i));
  expect([steps[0]?.epoch, steps.at(-1)?.epoch]).toEqual([0, 1]);
  const seen = steps.map(({ tokensSeen }) => tokensSeen);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  // Each example is seen twice.
  expect((seen.at(-1) ?? 0) / 2).toBe(seen[totalSteps / 2 - 1]);
  expect(steps[0]?.memoryMb).toBeGreaterThan(50);
  const evaluated = events.flatMap((event) =>
    event.type === "evaluated" ? [event.validationLoss ?? Number.NaN] : [],
  );
  const saved = events.flatMap((event) => (event.type === "saved" ? [event.isBest] : []));
  expect(saved).toEqual(evaluated.map((loss, i) => loss === Math.min(...evaluated.slice(0, i + 1))));
});

test("an adapter's checkpoint holds the adapter alone, and merged it is a complete model", async () => {
  const { summary } = await run(
    configFor("lora", { lora: { rank: 4, alpha: 8, targets: null }, saveEverySteps: 8 }),
  );
  expect(await readdir(summary.checkpoint)).not.toContain("model.safetensors");
  const target = path.join(folder, "merged");
  await mergeCheckpoint(summary.checkpoint, target);
  using whole = await openCheckpoint(target);
  expect(whole.adapter).toBeNull();
  const merged = whole.tensors;
  using adapter = openSafetensors([path.join(summary.checkpoint, "adapter_model.safetensors")]);
  using base = await openCheckpoint(tiny);
  const layer = "model.layers.0.self_attn.q_proj";
  const [w, m] = [base.tensors.read(`${layer}.weight`), merged.read(`${layer}.weight`)];
  const a = adapter.read(`base_model.model.${layer}.lora_A.weight`); // (4, 128)
  const b = adapter.read(`base_model.model.${layer}.lora_B.weight`); // (128, 4)
  const [out, into] = [77, 50];
  const delta = [0, 1, 2, 3].reduce(
    (sum, r) => sum + 2 * (b[out * 4 + r] ?? 0) * (a[r * 128 + into] ?? 0),
    0,
  );
  expect(Math.abs(delta)).toBeGreaterThan(0);
  expect(m[out * 128 + into]).toBeCloseTo((w[out * 128 + into] ?? 0) + delta, 6);
});

test("another configuration in the same folder is refused, with what differs, instead of mixing two runs", async () => {
  await run(configFor("changed", { epochs: 1 }));
  const other = run(configFor("changed", { epochs: 1, lr: 1e-4 }));
  await expect(other).rejects.toThrow(RunFolderError);
  await expect(other).rejects.toThrow(/other settings: lr is 0.003 there and 0.0001 here\. Choose another/);
});

test("lines that are no demonstration are refused by file and line, or skipped and counted", async () => {
  const bad = path.join(folder, "bad.jsonl");
  const good = JSON.stringify({ prompt: "Say dog", response: "DOG" });
  const lines = [
    good,
    "{not json",
    '{"prompt": "x", "response": " "}',
    '{"messages": [{"role": "wizard", "content": "x"}]}',
    '{"question": "x"}',
    '{"messages": [{"role": "user", "content": "x"}]}',
    JSON.stringify({ prompt: "Say", response: "dog ".repeat(600) }),
    JSON.stringify({ prompt: "Say", response: "dog ".repeat(100) }),
    good,
  ];
  const broken = Buffer.from([...Buffer.from('\n{"prompt": "x", "response": "'), 0xff, ...Buffer.from('"}')]);
  await writeFile(bad, Buffer.concat([Buffer.from(lines.join("\n")), broken]));
  const refused = runSft(configFor("bad", { data: [bad] }), { onEvent: () => {} });
  await expect(refused).rejects.toThrow(UnfitDataError);
  await expect(refused).rejects.toThrow(`${bad}:2 is not JSON`);
  const config = configFor("skipped", { data: [bad], onBadLine: "skip", epochs: 1, validationShare: 0 });
  const { events } = await run(config);
  const found = events.find((event) => event.type === "data");
  expect(found).toMatchObject({ training: 2, validation: 0 });
  expect(found?.type === "data" && found.leftOut.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
    "2 is not JSON",
    "3 response: is empty",
    '4 messages.0.role: unknown role "wizard"; known: system, user, assistant',
    "5 has none of the fields messages, response, message_tree_id, instruction",
    "6 does not end with an assistant's message",
    "10 is not UTF-8",
    expect.stringMatching(/^7 takes \d+ tokens, more than the model's context of 512$/),
    expect.stringMatching(/^8 takes \d+ tokens, more than the rowLength of 64$/),
  ]);
});

const digest = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

test("sampled text tells how it learns, is compared at the end, and changes nothing", async () => {
  const more = { epochs: 3, lora: null, lr: 1e-3, sampleTokens: 8 };
  const sampled = await run(configFor("sampled", more));
  const silent = await run(configFor("silent", { ...more, sampleTokens: 0 }));
  const samples = sampled.events.flatMap((event) => (event.type === "sample" ? [event] : []));
  const evaluatedAt = sampled.events.flatMap((event) => (event.type === "evaluated" ? [event.step] : []));
  // Three held-out prompts each time.
  expect(samples.map(({ step }) => step)).toEqual(evaluatedAt.flatMap((step) => [step, step, step]));
  expect(sampled.summary.samples).toHaveLength(3);
  for (const [i, { prompt, before, after }] of sampled.summary.samples.entries()) {
    expect(prompt).toMatch(/^(Repeat|Say) \w+$/);
    expect(before).toBe(samples[i]?.response);
    expect(after).not.toBe(before);
  }
  // It answers in capitals now, which the base never did.
  expect(sampled.summary.samples.some(({ after }) => /^[A-Z]{2,}/.test(after))).toBe(true);
  expect(sampled.summary.samples.some(({ before }) => /^[A-Z]{2,}/.test(before))).toBe(false);
  expect(silent.events.some(({ type }) => type === "sample")).toBe(false);
  expect(silent.summary.samples).toEqual([]);
  const [a, b] = [sampled, silent].map(({ summary }) =>
    digest(path.join(summary.checkpoint, "model.safetensors")),
  );
  expect(await a).toBe(await b);
  expect((await readdir(path.join(folder, "sampled"))).toSorted()).toEqual(["checkpoints", "run.json"]);
});

test("the checkpoint with the lowest validation loss is kept, and is what the summary tells of", async () => {
  // A learning rate that rises: it improves the model first, and spoils it in the end.
  const rising = { lr: 0.3, warmupSteps: 100, schedule: "constant" } as const;
  const more = { ...rising, epochs: 6, lora: null, spikeFactor: null };
  const config = configFor("spoiled", { ...more, evaluateEverySteps: 2, saveEverySteps: 1000 });
  const { events, summary } = await run(config);
  const losses = new Map(
    events.flatMap((event) =>
      event.type === "evaluated" ? [[event.step, event.validationLoss ?? Number.NaN] as const] : [],
    ),
  );
  const [best] = [...losses].toSorted(([, a], [, b]) => a - b);
  expect(best?.[0]).toBeGreaterThan(0);
  expect(best?.[0]).toBeLessThan(summary.totalSteps);
  expect(summary.validationLoss).toBe(best?.[1]);
  expect(summary.validationLossBefore).toBe(losses.get(0));
  expect(path.basename(summary.checkpoint)).toBe(`step-${String(best?.[0]).padStart(6, "0")}`);
  await verifyCheckpoint(summary.checkpoint);
});

test("configured prompts are asked instead, and with a temperature the seed decides", async () => {
  const more = {
    epochs: 1,
    sampleTokens: 12,
    samplePrompts: ["Hello!"],
    sampleTemperature: 1,
    evaluateEverySteps: 1000,
  };
  const [first, again] = [await run(configFor("asked", more)), await run(configFor("asked-again", more))];
  expect(first.summary.samples.map(({ prompt }) => prompt)).toEqual(["Hello!"]);
  expect(again.summary.samples).toEqual(first.summary.samples);
});

test("pretraining text is mixed in, and the loss it is judged by stays that of the demonstrations", async () => {
  const prose = path.join(folder, "prose.txt");
  const random = createRandom(3);
  await writeFile(prose, Array.from({ length: 60 }, () => writeProse(random)).join("\n"));
  const mix = { data: [prose], share: 0.3 };
  const plain = await run(configFor("unmixed", { epochs: 1 }));
  const mixed = await run(configFor("mixed", { epochs: 1, pretrainMix: mix }));
  const seen = ({ events }: typeof plain) =>
    events.reduce((most, event) => (event.type === "step" ? Math.max(most, event.tokensSeen) : most), 0);
  // At most one piece of a row's length too many.
  expect(seen(mixed) * 0.7).toBeGreaterThan(seen(plain) - 64);
  expect(seen(mixed) * 0.7).toBeLessThanOrEqual(seen(plain) + 64);
  expect(mixed.summary).toMatchObject({
    training: plain.summary.training,
    validation: plain.summary.validation,
  });
  expect(mixed.summary.validationLossBefore).toBe(plain.summary.validationLossBefore);
  const again = await run(configFor("mixed-again", { epochs: 1, pretrainMix: mix }));
  expect(again.losses).toEqual(mixed.losses);
});

test("stopped between two steps, it is saved after the last one that was taken", async () => {
  const controller = new AbortController();
  const saved: number[] = [];
  const onEvent = (event: SftEvent) => {
    // Comes when the step is over and its loop lets signals in, not while it computes.
    if (event.type === "step" && event.step === 2) setImmediate(() => controller.abort());
    if (event.type === "saved") saved.push(event.step);
  };
  const config = configFor("between", { saveEverySteps: 100, evaluateEverySteps: 100 });
  const summary = await runSft(config, { onEvent, signal: controller.signal });
  expect(summary).toMatchObject({ finished: false, steps: 3 });
  expect(saved).toEqual([0, 3]);
});
