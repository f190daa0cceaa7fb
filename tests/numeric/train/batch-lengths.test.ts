/** @file Batches of several lengths: padding changes nothing, and few graphs are held at once. */
import { expect, test } from "vitest";
import { expectedTensors } from "@/model/checkpoint/expected-tensors";
import { type ModelConfig, parseModelConfig } from "@/model/checkpoint/model-config";
import { layOutBatch } from "@/model/data/packing";
import { defaultAdamW } from "@/model/optim/adamw";
import { normalTensor } from "@/model/random/normal";
import { BatchSessions } from "@/model/train/batch-sessions";
import { toFeeds } from "@/model/train/token-batch";
import { Trainer } from "@/model/train/trainer";

const config = parseModelConfig({
  model_type: "llama",
  vocab_size: 23,
  max_position_embeddings: 64,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
});
const shape = { rows: 2, length: 64, targets: 40 };
const example = (size: number, first: number) => ({
  tokens: Array.from({ length: size }, (_, i) => (first + i * 7) % 23),
  counted: Array.from({ length: size }, (_, i) => i % 3 !== 0),
});
const rows = [[example(7, 1), example(9, 2)], [example(12, 3)]];

function weightsOf(model: ModelConfig) {
  return new Map(
    [...expectedTensors(model)].map(([name, dims], i) => {
      const size = dims.reduce((product, dim) => product * dim, 1);
      return [name, { values: normalTensor(5, i, size, dims.length > 1 ? 0.3 : 1), shape: dims }] as const;
    }),
  );
}

test("loss and gradients of a short batch are those of the same rows padded to the full length", async () => {
  await using sessions = new BatchSessions({
    config,
    lora: null,
    shape,
    threads: 1,
    build: { backward: true },
  });
  const weights = Object.fromEntries([...weightsOf(config)].map(([name, { values }]) => [name, values]));
  const run = async (length: number) => {
    const batch = layOutBatch(rows, length);
    const compiled = await sessions.for(length);
    expect(compiled.shape).toEqual({ rows: 2, length, targets: Math.min(40, 2 * length) });
    const feeds = toFeeds(batch, compiled.shape, batch.countedTokens);
    return { ...compiled, outputs: await compiled.session.run({ ...feeds, ...weights }) };
  };
  const [short, padded] = [await run(16), await run(64)];
  expect(short.outputs.loss?.[0]).toBeCloseTo(Number(padded.outputs.loss?.[0]), 5);
  for (const name of short.model.weights.trained.keys()) {
    const [a, b] = [short, padded].map(({ model, outputs }) => outputs[model.gradientName(name)]);
    expect(a?.length).toBe(b?.length);
    const differences = [...(a ?? [])].map((value, i) => Math.abs(Number(value) - Number(b?.[i])));
    // Gradients of order 1.
    expect(Math.max(...differences), name).toBeLessThan(1e-5);
  }
});

test("at most half as many tokens more than the longest batch has are held, the least used going first", async () => {
  await using sessions = new BatchSessions({
    config,
    lora: null,
    shape,
    threads: 1,
    build: { backward: false },
  });
  for (const length of [16, 32, 48]) await sessions.for(length);
  expect(sessions.lengths).toEqual([16, 32, 48]);
  await sessions.for(16);
  await sessions.for(64);
  // 16 + 64 tokens a row are within 96; 48 more were not.
  expect(sessions.lengths).toEqual([16, 64]);
});

test("a step that is not accepted changes nothing, and leaves no gradient behind for the next", async () => {
  const [once, twice] = [weightsOf(config), weightsOf(config)];
  const create = (trained: typeof once) => {
    return new Trainer({
      config,
      trained,
      frozen: new Map(),
      lora: null,
      shape,
      adamW: defaultAdamW,
      threads: 1,
    });
  };
  await using plain = create(once);
  await using refusing = create(twice);
  const good = [layOutBatch(rows, 16)];
  const bad = [layOutBatch([[example(60, 9)], [example(60, 4)]], 64)];
  const refused = await refusing.step(bad, { step: 0, lr: 0.1, accepts: () => false });
  expect(refused.applied).toBe(false);
  expect(refused.gradientNorm).toBeGreaterThan(0);
  for (const [name, { values }] of weightsOf(config)) expect(twice.get(name)?.values).toEqual(values);
  const next = { step: 1, lr: 0.1 };
  const { seconds: _, ...again } = await refusing.step(good, next);
  expect(await plain.step(good, next)).toMatchObject(again);
  for (const [name, { values }] of once) expect(twice.get(name)?.values, name).toEqual(values);
});
