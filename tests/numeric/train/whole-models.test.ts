/** @file A 2-layer Llama and a 2-layer GPT-2 against PyTorch in double precision: logits, loss, every gradient, ten AdamW steps. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { parseModelConfig } from "@/model/checkpoint/model-config";
import { AdamW, type TrainedParameter } from "@/model/optim/adamw";
import { GraphSession, type TensorData } from "@/model/runtime/graph-session";
import { buildLanguageModelGraph } from "@/model/train/language-model-graph";
import { type BatchShape, toFeeds } from "@/model/train/token-batch";

const floats = z.array(z.number());
const rows = z.array(z.array(z.int()));
const fixtureSchema = z.object({
  config: z.unknown(),
  adamw: z.object({
    lr: z.number(),
    betas: z.tuple([z.number(), z.number()]),
    eps: z.number(),
    weight_decay: z.number(),
    clip: z.number(),
  }),
  ids: rows,
  positions: rows,
  segments: rows,
  labels: rows,
  shapes: z.record(z.string(), z.array(z.int())),
  weights: z.record(z.string(), floats),
  logits: floats,
  loss: z.number(),
  gradients: z.record(z.string(), floats),
  losses: floats,
  gradientNorms: floats,
  weightsAfterTenSteps: z.record(z.string(), floats),
});

function readFixture(name: string) {
  const file = path.join(import.meta.dirname, "fixtures", `${name}.json`);
  const fixture = fixtureSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  const config = parseModelConfig(fixture.config);
  const flat = (table: number[][]) => Int32Array.from(table.flat());
  const labels = flat(fixture.labels).map((label) => Math.max(label, -1));
  const batch = {
    rows: fixture.ids.length,
    length: fixture.ids[0]?.length ?? 0,
    ids: flat(fixture.ids),
    positions: flat(fixture.positions),
    segments: flat(fixture.segments),
    labels,
    countedTokens: labels.filter((label) => label >= 0).length,
    realTokens: flat(fixture.segments).filter((segment) => segment >= 0).length,
  };
  const parameters = new Map<string, TrainedParameter>();
  for (const [parameter, values] of Object.entries(fixture.weights)) {
    parameters.set(parameter, { values: Float32Array.from(values), shape: fixture.shapes[parameter] ?? [] });
  }
  // Two targets more than count: padding must change nothing.
  const shape: BatchShape = { rows: batch.rows, length: batch.length, targets: batch.countedTokens + 2 };
  return { fixture, config, batch, parameters, shape, feeds: toFeeds(batch, shape, batch.countedTokens) };
}

function largestDifference(actual: TensorData | undefined, expected: readonly number[]): number {
  expect(actual?.length).toBe(expected.length);
  return Math.max(...expected.map((value, i) => Math.abs(Number(actual?.[i]) - value)));
}

const weightFeeds = (parameters: ReadonlyMap<string, TrainedParameter>) =>
  Object.fromEntries([...parameters].map(([name, { values }]) => [name, values]));

describe.each(["llama", "gpt2"])("a 2-layer %s", (name) => {
  test("logits, loss and the gradient of each parameter", async () => {
    const { fixture, config, batch, parameters, shape, feeds } = readFixture(name);
    const model = buildLanguageModelGraph(config, shape, { lora: null, backward: true, logits: true });
    expect(new Set(model.weights.trained.keys())).toEqual(new Set(parameters.keys()));
    await using session = await GraphSession.create(model.graph, { threads: 1 });
    const outputs = await session.run({ ...feeds, ...weightFeeds(parameters) });

    const counted = [...batch.labels.entries()].flatMap(([place, label]) => (label >= 0 ? [place] : []));
    const width = config.vocabularySize;
    const logits = counted.flatMap((place) => fixture.logits.slice(place * width, (place + 1) * width));
    // Single against double precision, logits of order 10.
    expect(largestDifference(outputs.logits?.subarray(0, logits.length), logits)).toBeLessThan(2e-5);
    expect(Number(outputs.loss?.[0])).toBeCloseTo(fixture.loss, 5);
    for (const [parameter, gradient] of Object.entries(fixture.gradients)) {
      // Gradients of order 1.
      const difference = largestDifference(outputs[model.gradientName(parameter)], gradient);
      expect(difference, parameter).toBeLessThan(1e-5);
    }
  });

  test("ten AdamW steps with decay on matrices and clipping by global norm", async () => {
    const { fixture, config, parameters, shape, feeds } = readFixture(name);
    const { lr, betas, eps, weight_decay, clip } = fixture.adamw;
    const model = buildLanguageModelGraph(config, shape, { lora: null, backward: true });
    await using session = await GraphSession.create(model.graph, { threads: 1 });
    const optimizer = new AdamW(parameters, {
      beta1: betas[0],
      beta2: betas[1],
      epsilon: eps,
      weightDecay: weight_decay,
      maxGradientNorm: clip,
    });
    for (const [step, expectedLoss] of fixture.losses.entries()) {
      const outputs = await session.run({ ...feeds, ...weightFeeds(parameters) });
      optimizer.accumulate((parameter) => outputs[model.gradientName(parameter)] as Float32Array);
      const { gradientNorm, applied } = optimizer.step(lr);
      expect(applied).toBe(true);
      // Ten steps add up the rounding of single precision.
      expect(Math.abs(Number(outputs.loss?.[0]) - expectedLoss)).toBeLessThan(1e-4);
      expect(Math.abs(gradientNorm - (fixture.gradientNorms[step] ?? 0))).toBeLessThan(1e-3);
    }
    for (const [parameter, values] of Object.entries(fixture.weightsAfterTenSteps)) {
      // Ten steps of at most 0.01 each: a thousandth of the way is rounding.
      expect(largestDifference(parameters.get(parameter)?.values, values), parameter).toBeLessThan(1e-4);
    }
  });
});

test("accumulating two halves of a batch gives the gradient of the whole", async () => {
  const { config, batch, parameters, shape } = readFixture("llama");
  const model = buildLanguageModelGraph(config, shape, { lora: null, backward: true });
  await using session = await GraphSession.create(model.graph, { threads: 1 });
  const half = (isKept: (place: number) => boolean) => {
    const labels = batch.labels.map((label, place) => (isKept(place) ? label : -1));
    return toFeeds({ ...batch, labels }, shape, batch.countedTokens);
  };
  const gradients = async (feeds: Record<string, TensorData>) => {
    const outputs = await session.run({ ...feeds, ...weightFeeds(parameters) });
    return [...parameters.keys()].flatMap((name) => [...(outputs[model.gradientName(name)] as Float32Array)]);
  };
  const whole = await gradients(toFeeds(batch, shape, batch.countedTokens));
  const [first, second] = [
    await gradients(half((place) => place < 6)),
    await gradients(half((place) => place >= 6)),
  ];
  expect(
    Math.max(...whole.map((value, i) => Math.abs(value - (first[i] ?? 0) - (second[i] ?? 0)))),
  ).toBeLessThan(1e-6);
});
