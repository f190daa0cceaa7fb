/** @file One base per lineage: what is trained from an adapter is an adapter over the same base, found by its id. */
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adapterWeightsFile, loraShapeOf } from "@/model/checkpoint/adapter-config";
import { openCheckpoint, readManifest } from "@/model/checkpoint/checkpoint";
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import { BaseMissingError } from "@/model/checkpoint/lineage-base";
import { openSafetensors } from "@/model/checkpoint/safetensors-reader";
import { layOutBatch } from "@/model/data/packing";
import { loadModel } from "@/model/runtime/generator";
import { GraphSession } from "@/model/runtime/graph-session";
import { buildLanguageModelGraph } from "@/model/train/language-model-graph";
import { mergeCheckpoint } from "@/model/train/merge-checkpoint";
import { ConfigError, parseConfig } from "@/model/train/run-config";
import { runSft } from "@/model/train/sft";
import { sftConfigSchema } from "@/model/train/sft-config";
import { toFeeds } from "@/model/train/token-batch";

const tiny = path.resolve(import.meta.dirname, "../../../model/tiny/sft");
const lora = { rank: 4, alpha: 12, targets: ["q_proj", "v_proj", "down_proj"] };
let folder = "";
let data = "";
let first: Awaited<ReturnType<typeof runSft>>;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "attune-lineage-"));
  data = path.join(folder, "demonstrations.jsonl");
  const lines = Array.from({ length: 24 }, (_, i) =>
    JSON.stringify({ prompt: `Say ${i}`, response: `IT IS ${i}` }),
  );
  await writeFile(data, lines.join("\n"));
  first = await run("first", { lora });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function run(output: string, more: object, stopAfter = Number.POSITIVE_INFINITY) {
  const settings = { rowLength: 32, rowsPerBatch: 2, validationShare: 0.25, threads: 1, lr: 3e-3 };
  const place = { model: tiny, data: [data], output: path.join(folder, output) };
  const config = parseConfig(sftConfigSchema, { ...place, ...settings, sampleTokens: 0, ...more });
  const controller = new AbortController();
  return runSft(config, {
    signal: controller.signal,
    onEvent(event) {
      if (event.type === "step" && event.step + 1 >= stopAfter) controller.abort();
    },
  });
}

const weightsOf = (checkpoint: string) => readFile(path.join(checkpoint, adapterWeightsFile));
const stepOf = (output: string, step: number) =>
  path.join(folder, output, "checkpoints", `step-${String(step).padStart(6, "0")}`);

describe("SFT of a checkpoint that is itself an adapter", () => {
  test("goes on with a copy of that adapter, over the same base", async () => {
    const before = await weightsOf(first.checkpoint);
    const second = await run("second", { model: first.checkpoint, saveEverySteps: 2 });
    const [base, start, end] = await Promise.all(
      [tiny, first.checkpoint, second.checkpoint].map((each) => readManifest(each)),
    );
    expect(start?.manifest).toMatchObject({ parent: base?.id, lineageBase: base?.id });
    expect(end?.manifest).toMatchObject({ parent: start?.id, lineageBase: base?.id });
    // The held-out examples are the same ones: where the first run ended, the second begins.
    expect(second.validationLossBefore).toBe(first.validationLoss);
    expect(second.validationLoss ?? Number.NaN).toBeLessThan(second.validationLossBefore ?? 0);
    using opened = await openCheckpoint(second.checkpoint);
    expect(opened.adapter && loraShapeOf(opened.adapter)).toEqual(lora);
    expect((await weightsOf(second.checkpoint)).equals(before)).toBe(false);
    expect((await weightsOf(first.checkpoint)).equals(before)).toBe(true);
  });

  test("begins with the very adapter, stopped and started again ends with the same bits", async () => {
    const more = { model: first.checkpoint, saveEverySteps: 2 };
    const stopped = await run("stopped", more, 3);
    expect(stopped).toMatchObject({ steps: 3, finished: false });
    const resumed = await run("stopped", more);
    expect(resumed.finished).toBe(true);
    await run("whole", { ...more, saveEverySteps: 1000, evaluateEverySteps: 1000 }, 1);
    const untrained = await weightsOf(stepOf("whole", 0));
    expect(untrained.equals(await weightsOf(first.checkpoint))).toBe(true);
    for (const file of [adapterWeightsFile, "state/optimizer.safetensors"]) {
      const [a, b] = await Promise.all(
        ["second", "stopped"].map((name) => readFile(path.join(stepOf(name, resumed.totalSteps), file))),
      );
      expect(a?.equals(b ?? Buffer.alloc(0)), file).toBe(true);
    }
  });

  test.each([
    [{ rank: 8 }, "lora.rank: 8 is asked for, but SFT is an adapter with 4"],
    [{ alpha: 8 }, "lora.alpha: 8 is asked for, but SFT is an adapter with 12"],
    [{ targets: ["q_proj"] }, 'lora.targets: ["q_proj"] is asked for'],
  ])("refuses another shape: %o", async (asked, fact) => {
    const refused = run("refused", { model: first.checkpoint, lora: asked });
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(fact);
    await expect(refused).rejects.toThrow(/start from the base for a new adapter/);
  });

  test("takes the adapter's own shape when it is named, in whatever order", async () => {
    const asked = { ...lora, targets: lora.targets.toReversed() };
    const { finished } = await run("named", { model: first.checkpoint, lora: asked, epochs: 1 });
    expect(finished).toBe(true);
  });

  test("of every weight begins a lineage of its own, with the adapter merged", async () => {
    const full = await run("full", { model: first.checkpoint, lora: null, lr: 1e-4, epochs: 1 });
    // Sums in another order.
    expect(full.validationLossBefore).toBeCloseTo(first.validationLoss ?? 0, 5);
    const { manifest } = await readManifest(full.checkpoint);
    expect(manifest.lineageBase).toBeUndefined();
    expect(manifest.parent).toBe((await readManifest(first.checkpoint)).id);
    expect(Object.keys(manifest.files)).toContain("model.safetensors");
  });
});

test("a bare base gets a new adapter of rank 16 and alpha 32 beside every layer, as the settings say", async () => {
  await run("defaults", { epochs: 1 }, 1);
  using opened = await openCheckpoint(stepOf("defaults", 0));
  const shape = opened.adapter && loraShapeOf(opened.adapter);
  expect([shape?.rank, shape?.alpha, shape?.targets.length]).toEqual([16, 32, 7]);
});

test("served beside its base, merged, or in the trainer's graph: the same logits", async () => {
  const merged = path.join(folder, "merged");
  const manifest = await mergeCheckpoint(first.checkpoint, merged);
  expect(manifest).toMatchObject({ parent: (await readManifest(first.checkpoint)).id, stage: "sft" });
  expect(manifest.lineageBase).toBeUndefined();
  const tokens = [5, 9, 300, 41, 77, 2, 8, 100];
  const serve = async (from: string) => {
    using checkpoint = await openCheckpoint(from);
    const options = {
      precision: "fp32",
      threads: 1,
      slots: 1,
      cacheFolder: path.join(folder, "cache"),
    } as const;
    await using model = await loadModel(checkpoint, null, options);
    return await model.score(0, tokens);
  };
  const [beside, whole, bare] = [await serve(first.checkpoint), await serve(merged), await serve(tiny)];
  const trained = await trainerLogits(first.checkpoint, tokens);
  expect(difference(beside.slice(0, -1), whole.slice(0, -1))).toBeLessThan(1e-4);
  // fp32 sums in another order, on logits of some tens.
  expect(difference(trained, whole.slice(0, -1))).toBeLessThan(1e-4);
  expect(difference(beside, bare)).toBeGreaterThan(0.1);
});

/** Logits that predict each token but the first. (T - 1) of (V) */
async function trainerLogits(from: string, tokens: readonly number[]): Promise<Float32Array[]> {
  using checkpoint = await openCheckpoint(from);
  const { config, adapter } = checkpoint;
  const shape = { rows: 1, length: tokens.length, targets: tokens.length - 1 };
  const example = { tokens: [...tokens], counted: tokens.map(() => true) };
  const batch = layOutBatch([[example]], shape.length);
  const model = buildLanguageModelGraph(config, shape, {
    lora: adapter && loraShapeOf(adapter),
    backward: false,
    logits: true,
  });
  using stored = openSafetensors([path.join(from, adapterWeightsFile)]);
  const weights = [
    ...[...expectedTensors(config).keys()].map((name) => [name, checkpoint.tensors.read(name)] as const),
    ...stored.names().map((name) => [name, stored.read(name)] as const),
  ];
  await using session = await GraphSession.create(model.graph, { threads: 1 });
  const feeds = toFeeds(batch, shape, batch.countedTokens);
  const { logits } = await session.run({ ...feeds, ...Object.fromEntries(weights) });
  if (!(logits instanceof Float32Array)) throw new TypeError("no logits");
  const size = config.vocabularySize;
  return tokens.slice(1).map((_, row) => logits.subarray(row * size, (row + 1) * size));
}

function difference(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  expect(a.length).toBe(b.length);
  return Math.max(
    ...a.flatMap((row, t) => [...row.map((value, i) => Math.abs(value - (b[t]?.[i] ?? Number.NaN)))]),
  );
}

describe("the base of an adapter that lies elsewhere", () => {
  let lonely = "";
  beforeAll(async () => {
    lonely = path.join(folder, "elsewhere", "a", "lonely");
    await cp(first.checkpoint, lonely, { recursive: true });
  });

  test("is named with its id and how to get it where it is missing", async () => {
    const { id } = await readManifest(tiny);
    const name = (await readManifest(tiny)).manifest.name;
    const opening = openCheckpoint(lonely, { basePlaces: [path.join(folder, "cache")] });
    await expect(opening).rejects.toThrow(BaseMissingError);
    await expect(opening).rejects.toThrow(`${lonely} is an adapter over ${name}`);
    await expect(opening).rejects.toThrow(id);
    await expect(opening).rejects.toThrow(path.join(folder, "cache"));
    await expect(opening).rejects.toThrow(/npx attune models pull/);
  });

  test.each([
    ["in the checkpoint", () => path.join(lonely, "base"), []],
    ["beside it, under any name", () => path.join(lonely, "../whatever"), []],
    ["where the run has it", () => path.join(lonely, "../../base"), []],
    ["in a folder of models that is named", () => path.join(folder, "models", "x"), ["models"]],
  ])("is found %s", async (_, place, places) => {
    const at = place();
    await cp(tiny, at, { recursive: true });
    try {
      using opened = await openCheckpoint(lonely, {
        basePlaces: places.map((each) => path.join(folder, each)),
      });
      expect(opened.lineageBase).toMatchObject({ folder: at, id: (await readManifest(tiny)).id });
    } finally {
      await rm(at, { recursive: true });
    }
  });

  test("is not taken for another model of the same shape", async () => {
    const other = path.resolve(tiny, "../base");
    await symlink(other, path.join(lonely, "base"));
    await expect(openCheckpoint(lonely)).rejects.toThrow(BaseMissingError);
    await rm(path.join(lonely, "base"));
  });
});
