/**
 * @file PPO with its KL penalty against solutions that are known exactly: the policy that maximises E[score] - beta KL(policy || reference)
 * is reference(y) exp(score(y) / beta) / Z over whole responses y (arXiv 1909.08593, sec. 2).
 */

import { expect, test } from "vitest";
import { uniform } from "@/model/random/philox";
import type { DrawPlace } from "@/model/runtime/sampling";
import type { Judged } from "@/model/train/ppo/episodes";
import type { GroupedLearner } from "@/model/train/ppo/grouped-learner";
import { readEpisodes, rollOut, update } from "@/model/train/ppo/iteration";
import { klEstimates } from "@/model/train/ppo/kl-penalty";
import { copyOf } from "@/model/train/ppo/trained-arrays";
import type { PolicyColumn } from "@/model/train/ppo/update-targets";

import type { Trained } from "@/model/train/training-state";
import { endToken, newState, plainSettings, promptOf, tinyLearners } from "@/tests/helpers/tiny-ppo";

const prompt = promptOf([2, 1]);
const beta = 0.5;

type Response = { tokens: readonly number[]; logprob: number };

/** Every response of at most `length` tokens with its log-probability: one that does not end is cut there. */
async function everyResponse(
  policy: GroupedLearner<PolicyColumn>,
  { vocabulary, length }: Pick<Run, "vocabulary" | "length">,
  trained: Trained = policy.trained,
): Promise<Response[]> {
  const grow = (begun: number[]): number[][] =>
    begun.at(-1) === endToken || begun.length === length
      ? [begun]
      : Array.from({ length: vocabulary }, (_, token) => [...begun, token]).flatMap(grow);
  const responses = grow([]);
  const rows = await policy.read(
    responses.map((tokens) => ({ prompt: prompt.tokens, responses: [tokens] })),
    trained,
  );
  return responses.map((tokens, i) => ({
    tokens,
    logprob: (rows[i] ?? new Float32Array()).reduce((sum, value) => sum + value, 0),
  }));
}

/** Distributions over responses, and half the sum of what they differ by. */
const totalVariation = (a: readonly number[], b: readonly number[]) =>
  0.5 * a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0);

function optimumOf(reference: readonly Response[], score: (tokens: readonly number[]) => number): number[] {
  const weights = reference.map(({ tokens, logprob }) => Math.exp(logprob + score(tokens) / beta));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

type Run = {
  vocabulary: number;
  /** Of the longest response. */
  length: number;
  score(tokens: readonly number[]): number;
  iterations: number;
  episodes: number;
  lr: number;
};

/** Samples exactly from the enumerated distribution: what is tested is all that comes after. */
async function solve({ score, iterations, episodes: count, lr, ...size }: Run) {
  const { policy, value } = tinyLearners(size.vocabulary);
  await using _policy = policy;
  await using _value = value;
  const reference = copyOf(policy.trained);
  const rollouts = {
    sample: async (_: readonly unknown[], places: readonly DrawPlace[]) => {
      const all = await everyResponse(policy, size);
      let sum = 0;
      const cumulative = all.map(({ logprob }) => {
        sum += Math.exp(logprob);
        return sum;
      });
      return places.map(({ step, sample }) => {
        const draw = uniform(5, [0, step, sample, 0]);
        const drawn = all[cumulative.findIndex((sum) => draw < sum)] ?? all[0];
        const tokens = [...(drawn?.tokens ?? [])];
        return {
          tokens,
          samplerLogprobs: new Float32Array(tokens.length),
          isEnded: tokens.at(-1) === endToken,
        };
      });
    },
  };
  const judge = async (all: readonly Omit<Judged, "score" | "parts">[]) =>
    all.map((each) => ({ ...each, parts: {}, score: score(each.tokens) }));
  const settings = { ...plainSettings, innerEpochs: 2, responseTokens: size.length, lr, valueLr: 3 * lr };
  const prompts = Array.from({ length: count }, () => prompt);
  let state = newState(beta);
  const models = { policy, value, reference, rollouts, scoring: { judge }, spell: () => "" };
  for (let step = 0; step < iterations; step++) {
    const { judged } = await rollOut(models, prompts, {
      seed: 1,
      responseTokens: size.length,
      step,
      place: "",
    });
    const read = await readEpisodes(models, judged, state, settings);
    state = read.state;
    // Ever shorter steps, so that it comes to rest.
    await update(
      models,
      read.episodes,
      { step, lr: lr * (1 - step / iterations) },
      { ...settings, texts: null },
    );
  }
  const [before, after] = [await everyResponse(policy, size, reference), await everyResponse(policy, size)];
  const probabilities = (of: readonly Response[]) => of.map(({ logprob }) => Math.exp(logprob));
  const optimum = optimumOf(before, score);
  return {
    startDistance: totalVariation(probabilities(before), optimum),
    distance: totalVariation(probabilities(after), optimum),
    greedyShare: Math.max(...probabilities(after)),
    optimum,
  };
}

test("a bandit of eight arms ends at reference x exp(score / beta), within 0.02 of total variation", async () => {
  const scores = [0, 1, -1, 0.5, 0.2, -0.5, 0.8, 0.1];
  const score = ([token = 0]: readonly number[]) => scores[token] ?? 0;
  const { startDistance, distance, greedyShare, optimum } = await solve({
    vocabulary: 8,
    length: 1,
    score,
    iterations: 60,
    episodes: 96,
    lr: 0.02,
  });
  expect(startDistance).toBeGreaterThan(0.2);
  expect(distance).toBeLessThan(0.02);
  // It is no policy that only ever takes the best arm.
  expect(greedyShare).toBeLessThan(Math.max(...optimum) + 0.02);
});

test("responses of up to three tokens, scored as a whole, end at the optimum found by enumeration, within 0.06", async () => {
  // What the first token is worth is known only at the end; ending early is worth something too.
  const score = (tokens: readonly number[]) =>
    (tokens.at(-1) === endToken ? 0.4 : -0.6) +
    (tokens[0] === 3 && tokens[1] === 2 ? 1.5 : 0) -
    (tokens.includes(1) ? 0.7 : 0);
  const { startDistance, distance } = await solve({
    vocabulary: 4,
    length: 3,
    score,
    iterations: 70,
    episodes: 96,
    lr: 0.007,
  });
  expect(startDistance).toBeGreaterThan(0.3);
  expect(distance).toBeLessThan(0.06);
});

test("over what the policy samples, k1 and k3 are both its distance from the reference on average", async () => {
  const { policy } = tinyLearners(4);
  await using _policy = policy;
  const size = { vocabulary: 4, length: 3 };
  const reference = copyOf(policy.trained);
  for (const { values } of policy.trained.values())
    for (let i = 0; i < values.length; i++) values[i] = (values[i] ?? 0) * (1 + 0.2 * Math.cos(i));
  const all = await everyResponse(policy, size);
  const ofReference = await everyResponse(policy, size, reference);
  const exact = all.reduce(
    (sum, { logprob }, i) => sum + Math.exp(logprob) * (logprob - (ofReference[i]?.logprob ?? 0)),
    0,
  );
  // The expectation itself, over every response there is.
  const group = ({ tokens }: Response) => ({ prompt: prompt.tokens, responses: [tokens] });
  const [own, other] = [await policy.read(all.map(group)), await policy.read(all.map(group), reference)];
  const expected = { k1: 0, k3: 0 };
  for (const [i, { logprob }] of all.entries()) {
    const { k1, k3 } = klEstimates({ logprobs: own[i] ?? [], refLogprobs: other[i] ?? [] });
    expected.k1 += Math.exp(logprob) * k1;
    expected.k3 += Math.exp(logprob) * k3;
  }
  expect(exact).toBeGreaterThan(0.01);
  expect(expected.k1).toBeCloseTo(exact, 5);
  expect(expected.k3).toBeCloseTo(exact, 5);
});
