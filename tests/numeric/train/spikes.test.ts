/** @file Loss spikes in a run: a hostile batch never reaches the weights, three in a row pause, and resume decides the same. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { animals, objects } from "@/model/data/tiny-world";
import { parseConfig } from "@/model/train/run-config";
import { DivergedError, type RunEvent } from "@/model/train/run-loop";
import { runSft } from "@/model/train/sft";
import { type SftConfig, sftConfigSchema } from "@/model/train/sft-config";
import type { DataEvent } from "@/model/train/unfit-data";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
let folder = "";

const line = (prompt: string, response: string) => JSON.stringify({ prompt, response });
const nouns = [...animals.map(({ name }) => name), ...objects];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-spikes-"));
  const easy = nouns.map((noun) => line(`Repeat the word: ${noun}`, noun));
  // What no model expects: it fills a row of its own.
  const hostile = line("Repeat", "ÿ9Ξq§7Þz¤".repeat(4));
  await writeFile(path.join(folder, "hostile.jsonl"), [...easy, hostile].join("\n"));
  const hard = nouns.map((noun) => line(`Say ${noun}`, noun.toUpperCase()));
  await writeFile(path.join(folder, "hard.jsonl"), hard.join("\n"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(name: string, more: Partial<SftConfig>, onEvent: (event: RunEvent) => unknown = () => {}) {
  const config = parseConfig(sftConfigSchema, {
    model: tiny,
    output: path.join(folder, name),
    rowLength: 96,
    rowsPerBatch: 1,
    validationShare: 0,
    threads: 1,
    evaluateEverySteps: 1000,
    sampleTokens: 0,
    lora: { rank: 2, alpha: 4 },
    ...more,
  });
  const events: RunEvent[] = [];
  const controller = new AbortController();
  const summary = await runSft(config, {
    onEvent: (event: RunEvent | DataEvent) => {
      if (event.type === "data") return;
      events.push(event);
      if (onEvent(event) === true) controller.abort();
    },
    signal: controller.signal,
  });
  return { summary, events };
}

const digest = (checkpoint: string, file: string) =>
  createHash("sha256")
    .update(readFileSync(path.join(checkpoint, file)))
    .digest("hex");
const weights = "adapter_model.safetensors";
const moments = "state/optimizer.safetensors";

test("a hostile batch is left out as a spike: weights and moments stay as they were", async () => {
  const digests = new Map<number, string>();
  const { events } = await run(
    "hostile",
    { data: [path.join(folder, "hostile.jsonl")], epochs: 6, saveEverySteps: 1 },
    (event) => {
      if (event.type === "saved")
        digests.set(event.step, digest(event.folder, weights) + digest(event.folder, moments));
    },
  );
  const skips = events.flatMap((event) => (event.type === "skipped" ? [event] : []));
  expect(skips.length).toBeGreaterThan(0);
  for (const { step, reason, loss } of skips) {
    expect(reason).toBe("spike");
    expect(loss).toBeGreaterThan(3);
    expect(digests.get(step + 1)).toBe(digests.get(step));
  }
  const applied = events.flatMap((event) => (event.type === "step" ? [event.step] : []));
  for (const step of applied) expect(digests.get(step + 1)).not.toBe(digests.get(step));
});

test("three in a row pause the run, and the same command goes on behind them", async () => {
  // So near the median that half of the steps count as spikes.
  const settings = { data: [path.join(folder, "hard.jsonl")], epochs: 12, lr: 1e-9, spikeFactor: 1.0001 };
  const seen: RunEvent[] = [];
  const paused = run("paused", settings, (event) => void seen.push(event));
  await expect(paused).rejects.toThrow(DivergedError);
  const skipped = seen.flatMap((event) => (event.type === "skipped" ? [event.step] : []));
  const last = skipped.at(-1) ?? Number.NaN;
  expect(skipped.slice(-3)).toEqual([last - 2, last - 1, last]);
  expect(seen.at(-1)).toMatchObject({ type: "saved", step: last + 1 });
  const again: RunEvent[] = [];
  await run("paused", settings, (event) => void again.push(event)).catch((error: unknown) => {
    if (!(error instanceof DivergedError)) throw error;
  });
  expect(again[0]).toEqual({ type: "resumed", step: last + 1 });
  expect(again[1]).toMatchObject({ step: last + 1 });
});

test("weights that have become useless pause the run as not finite, and are not made worse", async () => {
  const data = [path.join(folder, "hard.jsonl")];
  // Evaluated after its first step too, when no loss is a number any more.
  const settings = {
    data,
    lr: 1e30,
    spikeFactor: null,
    validationShare: 0.1,
    evaluateEverySteps: 1,
    sampleTokens: 4,
  };
  const seen: RunEvent[] = [];
  const paused = run("overflow", settings, (event) => void seen.push(event));
  await expect(paused).rejects.toThrow("not finite");
  const skips = seen.flatMap((event) => (event.type === "skipped" ? [event.reason] : []));
  expect(skips).toEqual(["nonFinite", "nonFinite", "nonFinite"]);
  const losses = seen.flatMap((event) => (event.type === "evaluated" ? [event.validationLoss] : []));
  expect(losses.map(Number.isFinite)).toEqual([true, false, false, false]);
  expect(seen.flatMap((event) => (event.type === "saved" ? [event.isBest] : []))[0]).toBe(true);
});

test("stopped between skips and started again, a run leaves out the same steps and ends with the same bits", async () => {
  const settings = { data: [path.join(folder, "hostile.jsonl")], epochs: 8, seed: 2 };
  const whole = await run("whole", settings);
  const skipped = whole.events.flatMap((event) => (event.type === "skipped" ? [event.step] : []));
  expect(skipped.length).toBeGreaterThan(1);
  const stopAt = (skipped[0] ?? 0) + 1;
  let stop = false;
  const first = await run("stopped", settings, (event) => {
    if (event.type === "step" && event.step >= stopAt) stop = true;
    return stop;
  });
  expect(first.summary.finished).toBe(false);
  const rest = await run("stopped", settings);
  expect(rest.events[0]).toMatchObject({ type: "resumed" });
  const skippedInParts = [...first.events, ...rest.events].flatMap((event) =>
    event.type === "skipped" ? [event.step] : [],
  );
  expect(skippedInParts).toEqual(skipped);
  for (const file of [weights, moments])
    expect(digest(rest.summary.checkpoint, file)).toBe(digest(whole.summary.checkpoint, file));
});
