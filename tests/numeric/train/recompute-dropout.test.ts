/** @file Layers computed again in the backward pass give the gradients of kept ones; dropout drops its share, and the same again. */
import { describe, expect, test } from "vitest";
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import type { Gpt2Config, LlamaConfig } from "@/model/checkpoint/model-config";
import { layOutBatch } from "@/model/data/packing";
import { Graph } from "@/model/graph/graph";
import { dropout, dropoutSites } from "@/model/nn/dropout";
import { normalTensor } from "@/model/random/normal";
import { philox } from "@/model/random/philox";
import { GraphSession, type TensorData } from "@/model/runtime/graph-session";
import { dropoutFeeds } from "@/model/train/dropout-feeds";
import { buildLanguageModelGraph, type LanguageModelOptions } from "@/model/train/language-model-graph";
import { createLora, everyLayer } from "@/model/train/lora";
import { toFeeds } from "@/model/train/token-batch";

const common = {
  vocabularySize: 23,
  contextLength: 16,
  hiddenSize: 12,
  intermediateSize: 20,
  layerCount: 3,
  headCount: 4,
  headSize: 3,
  tieEmbeddings: true,
  bosTokenId: null,
  endTokenIds: [],
};
const llama: LlamaConfig = {
  ...common,
  family: "llama",
  headSize: 4,
  keyValueHeadCount: 2,
  rmsNormEps: 1e-5,
  ropeTheta: 10_000,
  ropeScaling: null,
  attentionBias: false,
  attentionOutputBias: false,
  mlpBias: false,
};
const gpt2: Gpt2Config = { ...common, family: "gpt2", layerNormEps: 1e-5, activation: "gelu_new" };
const shape = { rows: 2, length: 8, targets: 12 };
const example = (first: number) => {
  const tokens = Array.from({ length: 6 }, (_, i) => (first + i * 5) % common.vocabularySize);
  return { tokens, counted: tokens.map(() => true) };
};
const batch = layOutBatch([[example(1)], [example(2)]], shape.length);
const place = { seed: 7, step: 3, batch: 1 };

async function gradients(config: LlamaConfig | Gpt2Config, options: Omit<LanguageModelOptions, "backward">) {
  const { lora } = options;
  const model = buildLanguageModelGraph(config, shape, { ...options, backward: true });
  const weights: Record<string, Float32Array> = {};
  for (const [i, [name, dims]] of [...expectedTensors(config)].entries()) {
    const size = dims.reduce((product, dim) => product * dim, 1);
    weights[name] = normalTensor(5, i, size, dims.length > 1 ? 0.3 : 1);
  }
  if (lora) {
    for (const [i, [name, { values }]] of [...createLora(config, lora, 1)].entries())
      weights[name] = normalTensor(6, i, values.length, 0.3);
  }
  await using session = await GraphSession.create(model.graph, { threads: 1 });
  const dropped = options.dropout ? dropoutFeeds(config, shape, place) : {};
  const outputs = await session.run({
    ...toFeeds(batch, shape, batch.countedTokens),
    ...dropped,
    ...weights,
  });
  return { outputs, names: [...model.weights.trained.keys()].map(model.gradientName), graph: model.graph };
}

const floats = (x: TensorData | undefined): number[] => (x instanceof Float32Array ? [...x] : []);
const largest = (x: readonly number[]) => Math.max(...x.map(Math.abs));

describe.each([
  ["llama", llama],
  ["gpt2", gpt2],
] as const)("%s", (_, config) => {
  const lora = { rank: 3, alpha: 6, targets: everyLayer(config) };
  test.each([
    ["every weight", { lora: null }],
    ["an adapter", { lora }],
    ["every weight, with dropout", { lora: null, dropout: 0.3 }],
  ])("recomputation changes no gradient: %s", async (__, options) => {
    const kept = await gradients(config, options);
    const again = await gradients(config, { ...options, recompute: true });
    expect(again.graph.nodes.length).toBeGreaterThan(kept.graph.nodes.length);
    expect(Number(again.outputs.loss?.[0])).toBeCloseTo(Number(kept.outputs.loss?.[0]), 5);
    expect(kept.names.length).toBeGreaterThan(3);
    for (const name of kept.names) {
      const [a, b] = [floats(kept.outputs[name]), floats(again.outputs[name])];
      expect(largest(a), name).toBeGreaterThan(0);
      expect(b).toHaveLength(a.length);
      // The runtime may fuse the two graphs differently; gradients of order 1.
      const differences = a.map((value, i) => value - (b[i] ?? 0));
      expect(largest(differences), name).toBeLessThan(1e-6);
    }
  });

  test("dropout changes the loss, and depends on its place alone", async () => {
    const loss = async (rate: number) =>
      Number((await gradients(config, { lora: null, dropout: rate })).outputs.loss?.[0]);
    const dropped = await loss(0.3);
    expect(Math.abs(dropped - (await loss(0)))).toBeGreaterThan(1e-3);
    expect(await loss(0.3)).toBe(dropped);
  });
});

test("dropout zeroes its share and scales up the rest, each row and column alike", async () => {
  const [tokens, hidden, rate] = [200, 150, 0.2];
  const g = new Graph();
  const x = g.input("x", "float32", [2, 100, hidden]);
  const tables = {
    rows: g.input("rows", "int32", [tokens, 1]),
    columns: g.input("columns", "int32", [1, hidden]),
  };
  g.output("y", dropout(g, x, rate, tables));
  await using session = await GraphSession.create(g, { threads: 1 });
  const draws = (sample: number, size: number) =>
    Int32Array.from({ length: size }, (_, i) => philox(1, [3, 0, sample, i])[0] >>> 1);
  const outputs = await session.run({
    x: new Float32Array(tokens * hidden).fill(2),
    rows: draws(0, tokens),
    columns: draws(1, hidden),
  });
  const y = floats(outputs.y);
  expect(y).toHaveLength(tokens * hidden);
  const isZero = (t: number, h: number) => y[t * hidden + h] === 0;
  const share = (count: number, of: (i: number) => boolean) =>
    Array.from({ length: count }, (_, i) => of(i)).filter(Boolean).length / count;
  for (const value of new Set(y))
    expect([0, 2 / (1 - rate)].some((each) => Math.abs(value - each) < 1e-6)).toBe(true);
  expect(share(tokens * hidden, (i) => isZero(Math.floor(i / hidden), i % hidden))).toBeCloseTo(rate, 1.7);
  // Five deviations of a share of 0.2 among 150 and 200 draws.
  for (let t = 0; t < tokens; t++)
    expect(Math.abs(share(hidden, (h) => isZero(t, h)) - rate)).toBeLessThan(0.165);
  for (let h = 0; h < hidden; h++)
    expect(Math.abs(share(tokens, (t) => isZero(t, h)) - rate)).toBeLessThan(0.142);
  // Two elements of a row, or of a column, are dropped independently.
  const both = share(tokens * (hidden - 1), (i) => {
    const [t, h] = [Math.floor(i / (hidden - 1)), i % (hidden - 1)];
    return isZero(t, h) && isZero(t, h + 1);
  });
  expect(Math.abs(both - rate ** 2)).toBeLessThan(0.01);
});

test("the tables are those of docs/formats.md", () => {
  const { dropoutRows, dropoutColumns } = dropoutFeeds(llama, shape, place);
  expect([dropoutRows.length, dropoutColumns.length]).toEqual([7 * 16, 7 * 12]);
  expect(dropoutSites(llama)).toBe(7);
  expect([...dropoutRows.subarray(4, 6)]).toEqual(
    philox(7, [3, 3, 2, 1])
      .slice(0, 2)
      .map((word) => word >>> 1),
  );
  expect([...dropoutColumns.subarray(0, 2)]).toEqual(
    philox(7, [3, 3, 3, 0])
      .slice(0, 2)
      .map((word) => word >>> 1),
  );
});
