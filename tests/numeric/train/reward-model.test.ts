/** @file The reward model with the prompt computed once, against each response computed with its prompt, by another graph. */
import { describe, expect, test } from "vitest";
import { pullBack } from "@/model/autodiff/build-backward";
import { layOutBatch } from "@/model/data/packing";
import { layOutGroups, type ResponseGroup } from "@/model/data/response-groups";
import { Graph } from "@/model/graph/graph";
import { pairwiseLoss } from "@/model/losses/pairwise";
import { headLayout } from "@/model/nn/attention";
import { blockCount } from "@/model/nn/grouped-transformer";
import { packedMask } from "@/model/nn/packed-mask";
import { rewardFeeds, scoreHeadName, scoreRows } from "@/model/nn/reward-model";
import { type LoraShape, TrainedWeights } from "@/model/nn/trained-weights";
import { buildTransformer } from "@/model/nn/transformer";
import { normalTensor } from "@/model/random/normal";
import { GraphSession } from "@/model/runtime/graph-session";
import { createLora } from "@/model/train/lora";
import { buildRewardGraph } from "@/model/train/reward-graph";
import { pairFeeds as ensemblePairFeeds } from "@/model/train/reward-trainer";
import { randomWeights, tinyGpt2, tinyLlama } from "./tiny-configs";

type Config = typeof tinyLlama | typeof tinyGpt2;
type Pair = [chosen: number, rejected: number, weight: number];

const tokens = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => (i * 7 + seed * 5 + 3) % 31);
/** Of very different lengths, so that blocks have filling; the last prompt is the longest. */
const groups: ResponseGroup[] = [
  { prompt: tokens(5, 1), responses: [tokens(3, 2), tokens(9, 3), tokens(1, 4), tokens(4, 5)] },
  { prompt: tokens(2, 6), responses: [tokens(6, 7), tokens(2, 8)] },
  { prompt: tokens(21, 9), responses: [tokens(2, 10), tokens(12, 11), tokens(7, 12)] },
];
const pairs: Pair[] = [
  [0, 1, 1 / 6],
  [0, 2, 1 / 6],
  [3, 1, 1 / 6],
  [5, 4, 1],
  [7, 6, 1 / 3],
  [7, 8, 1 / 3],
];

type Result = { loss: number; scores: number[]; gradients: Map<string, Float32Array> };
type Weights = ReadonlyMap<string, Float32Array>;

function pairFeeds(of: readonly Pair[]) {
  return {
    chosen: BigInt64Array.from(of, ([chosen]) => BigInt(chosen)),
    rejected: BigInt64Array.from(of, ([, rejected]) => BigInt(rejected)),
    pairWeights: Float32Array.from(of, ([, , weight]) => weight),
  };
}

async function shared(
  config: Config,
  weights: Weights,
  of: { groups: readonly ResponseGroup[]; pairs: readonly Pair[] },
  { lora = null, recompute = false }: { lora?: LoraShape | null; recompute?: boolean } = {},
): Promise<Result> {
  const model = buildRewardGraph(config, { lora, backward: true, recompute });
  await using session = await GraphSession.create(model.graph, { threads: 1 });
  const feeds = rewardFeeds(layOutGroups(of.groups, blockCount));
  const outputs = await session.run({ ...feeds, ...pairFeeds(of.pairs), ...Object.fromEntries(weights) });
  const gradients = [...model.weights.trained.keys()].map((name) => {
    return [name, outputs[model.gradientName(name)] as Float32Array] as const;
  });
  return {
    loss: Number(outputs.loss?.[0]),
    scores: [...(outputs.scores as Float32Array)],
    gradients: new Map(gradients),
  };
}

/** One row for each response with its whole prompt, and attention within rows by the mask that SFT uses. */
async function plain(config: Config, weights: Weights, lora: LoraShape | null = null): Promise<Result> {
  const texts = groups.flatMap(({ prompt, responses }) =>
    responses.map((response) => [...prompt, ...response]),
  );
  const length = Math.max(...texts.map((text) => text.length));
  const batch = layOutBatch(
    texts.map((text) => [{ tokens: text, counted: [] }]),
    length,
  );
  const g = new Graph();
  const trained = new TrainedWeights(lora);
  const [ids, positions, segments] = (["ids", "positions", "segments"] as const).map((name) =>
    g.input(name, "int64", [texts.length, length]),
  );
  if (!ids || !positions || !segments) throw new Error("no inputs");
  const mask = packedMask(g, positions, segments, headLayout(config));
  const { hidden } = buildTransformer(g, config, trained, { ids, positions, mask, past: null });
  const ends = g.input("ends", "int64", [texts.length]);
  const read = g.gather(g.reshape(hidden, [texts.length * length, config.hiddenSize]), ends);
  const scores = g.reshape(scoreRows(g, config, trained, read), [texts.length]);
  const [chosen, rejected] = (["chosen", "rejected"] as const).map((name) =>
    g.input(name, "int64", [pairs.length]),
  );
  if (!chosen || !rejected) throw new Error("no inputs");
  const pairWeights = g.input("pairWeights", "float32", [pairs.length]);
  const loss = pairwiseLoss(g, scores, { chosen, rejected, weights: pairWeights });
  const parameters = [...trained.trained];
  const gradients = pullBack(
    g,
    new Map([[loss, g.scalar(1)]]),
    parameters.map(([, value]) => value),
  );
  g.output("loss", loss);
  g.output("scores", scores);
  for (const [i, [name]] of parameters.entries())
    if (gradients[i]) g.output(`gradient:${name}`, gradients[i]);
  await using session = await GraphSession.create(g, { threads: 1 });
  const outputs = await session.run({
    ids: BigInt64Array.from(batch.ids, BigInt),
    positions: BigInt64Array.from(batch.positions, BigInt),
    segments: BigInt64Array.from(batch.segments, BigInt),
    ends: BigInt64Array.from(texts, (text, row) => BigInt(row * length + text.length - 1)),
    ...pairFeeds(pairs),
    ...Object.fromEntries(weights),
  });
  return {
    loss: Number(outputs.loss?.[0]),
    scores: [...(outputs.scores as Float32Array)],
    gradients: new Map(parameters.map(([name]) => [name, outputs[`gradient:${name}`] as Float32Array])),
  };
}

function withHead(config: Config, lora: LoraShape | null = null): Map<string, Float32Array> {
  const head = normalTensor(9, 0, config.hiddenSize, 0.5);
  return new Map([...randomWeights(config), [scoreHeadName(lora), head]]);
}

/** Sums of a few dozen products in single precision. */
const tolerance = 2e-5;

function expectSame(ours: Result, theirs: Result) {
  expect(ours.loss).toBeCloseTo(theirs.loss, 5);
  for (const [i, score] of theirs.scores.entries())
    expect(Math.abs((ours.scores[i] ?? Number.NaN) - score)).toBeLessThan(tolerance);
  expect(new Set(ours.gradients.keys())).toEqual(new Set(theirs.gradients.keys()));
  for (const [name, gradient] of theirs.gradients) {
    const found = ours.gradients.get(name);
    const largest = Math.max(...gradient.map(Math.abs));
    // A constant added to every score changes no difference, so this one bias has none.
    if (name !== "transformer.ln_f.bias") expect(largest, `${name} has a gradient`).toBeGreaterThan(1e-6);
    const difference = Math.max(...gradient.map((value, i) => Math.abs(value - (found?.[i] ?? Number.NaN))));
    expect(difference, name).toBeLessThan(tolerance * Math.max(1, largest));
  }
}

describe.each([
  ["llama", tinyLlama],
  ["gpt2", tinyGpt2],
] as const)("%s: with the prompt computed once for all its responses", (family, config) => {
  test("scores, loss and every gradient are those of each response computed alone", async () => {
    const weights = withHead(config);
    expectSame(await shared(config, weights, { groups, pairs }), await plain(config, weights));
  });

  test("so are those of an adapter", async () => {
    const lora = {
      rank: 2,
      alpha: 4,
      targets: family === "llama" ? ["q_proj", "v_proj", "down_proj"] : ["c_attn", "c_fc"],
    };
    const adapter = createLora(config, lora, 1);
    for (const [i, { values }] of [...adapter.values()].entries())
      values.set(normalTensor(6, i, values.length, 0.3));
    const weights = new Map([
      ...withHead(config, lora),
      ...[...adapter].map(([name, { values }]) => [name, values] as const),
    ]);
    expectSame(
      await shared(config, weights, { groups, pairs }, { lora }),
      await plain(config, weights, lora),
    );
  });

  test("recomputing the layers changes nothing", async () => {
    const weights = withHead(config);
    const kept = await shared(config, weights, { groups, pairs });
    expectSame(await shared(config, weights, { groups, pairs }, { recompute: true }), kept);
  });
});

describe("an ensemble of heads over one trunk", () => {
  const members = 3;
  const trunk = randomWeights(tinyLlama);
  const heads = Array.from({ length: members }, (_, member) =>
    normalTensor(20 + member, 0, tinyLlama.hiddenSize, 0.5),
  );
  /** Drawn twice, never, once: by prompt. */
  const draws = [
    [2, 0, 1],
    [1, 1, 0],
    [0, 3, 1],
  ];
  const promptOf = (response: number) => (response < 4 ? 0 : response < 6 ? 1 : 2);
  const examples = groups.map((group, prompt) => {
    const first = [0, 4, 6][prompt] ?? 0;
    const own = pairs.filter(([chosen]) => promptOf(chosen) === prompt);
    return {
      ...group,
      pairs: own.map(([chosen, rejected, weight]) => ({
        chosen: chosen - first,
        rejected: rejected - first,
        weight,
      })),
      draws: draws[prompt] ?? [],
    };
  });

  test("its loss is the mean of what each member would have alone on its own draw, and so are the trunk's gradients", async () => {
    const model = buildRewardGraph(tinyLlama, { lora: null, backward: true, members });
    await using session = await GraphSession.create(model.graph, { threads: 1 });
    const all = new Float32Array(members * tinyLlama.hiddenSize);
    for (const [member, head] of heads.entries()) all.set(head, member * head.length);
    const outputs = await session.run({
      ...rewardFeeds(layOutGroups(groups, blockCount)),
      ...ensemblePairFeeds(examples, 1, members),
      ...Object.fromEntries(trunk),
      [scoreHeadName(null)]: all,
    });
    const alone = await Promise.all(
      heads.map((head, member) => {
        const drawn = pairs.map(([chosen, rejected, weight]): Pair => {
          return [chosen, rejected, weight * (draws[promptOf(chosen)]?.[member] ?? 0)];
        });
        const weights = new Map([...trunk, [scoreHeadName(null), head]]);
        return shared(tinyLlama, weights, { groups, pairs: drawn });
      }),
    );
    const mean = (of: (result: Result) => number) =>
      alone.reduce((sum, result) => sum + of(result), 0) / members;
    expect(Number(outputs.loss?.[0])).toBeCloseTo(
      mean(({ loss }) => loss),
      5,
    );
    for (const [member, { scores }] of alone.entries())
      for (const [response, score] of scores.entries())
        expect((outputs.scores as Float32Array)[response * members + member]).toBeCloseTo(score, 5);
    for (const name of model.weights.trained.keys()) {
      const gradient = outputs[model.gradientName(name)] as Float32Array;
      expect(gradient.some((each) => each !== 0)).toBe(true);
      for (const [i, each] of gradient.entries()) {
        const isHead = name === scoreHeadName(null);
        const [member, place] = [Math.floor(i / tinyLlama.hiddenSize), i % tinyLlama.hiddenSize];
        const expected = isHead
          ? (alone[member]?.gradients.get(name)?.[place] ?? Number.NaN) / members
          : mean(({ gradients }) => gradients.get(name)?.[i] ?? Number.NaN);
        expect(Math.abs(each - expected), name).toBeLessThan(tolerance);
      }
    }
  });
});

describe("of pairs", () => {
  const weights = withHead(tinyLlama);
  const [first, second] = groups as [ResponseGroup, ResponseGroup];

  test("permuting the responses changes neither loss nor gradients, and permutes the scores", async () => {
    const order = [2, 0, 3, 1];
    const permuted = { ...first, responses: order.map((i) => first.responses[i] ?? []) };
    const ofFirst: Pair[] = [
      [0, 1, 0.5],
      [3, 2, 0.5],
    ];
    const moved = ofFirst.map(([a, b, weight]): Pair => [order.indexOf(a), order.indexOf(b), weight]);
    const before = await shared(tinyLlama, weights, { groups: [first], pairs: ofFirst });
    const after = await shared(tinyLlama, weights, { groups: [permuted], pairs: moved });
    expectSame(
      { ...after, scores: order.map((_, i) => after.scores[order.indexOf(i)] ?? Number.NaN) },
      before,
    );
  });

  test("K = 2 is the loss of one pair, log(1 + exp(r_rejected - r_chosen))", async () => {
    const { loss, scores } = await shared(tinyLlama, weights, { groups: [second], pairs: [[1, 0, 1]] });
    expect(loss).toBeCloseTo(Math.log1p(Math.exp((scores[0] ?? 0) - (scores[1] ?? 0))), 5);
  });

  test("a tie contributes no gradient: the other pairs' is what is left", async () => {
    // Responses 1 and 2 are tied; only 0 against each of them counts, by a third each.
    const three = { ...first, responses: first.responses.slice(0, 3) };
    const both = await shared(tinyLlama, weights, {
      groups: [three],
      pairs: [
        [0, 1, 1 / 3],
        [0, 2, 1 / 3],
      ],
    });
    const one = await shared(tinyLlama, weights, { groups: [three], pairs: [[0, 1, 1 / 3]] });
    const other = await shared(tinyLlama, weights, { groups: [three], pairs: [[0, 2, 1 / 3]] });
    expect(both.loss).toBeCloseTo(one.loss + other.loss, 5);
    for (const [name, gradient] of both.gradients) {
      const sum = gradient.map(
        (_, i) => (one.gradients.get(name)?.[i] ?? 0) + (other.gradients.get(name)?.[i] ?? 0),
      );
      for (const [i, value] of gradient.entries())
        expect(Math.abs(value - (sum[i] ?? 0))).toBeLessThan(tolerance);
    }
  });
});
