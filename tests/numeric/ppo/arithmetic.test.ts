/** @file Rewards, advantages and both objectives of PPO against PyTorch; what must hold of them whatever the numbers. */
import { readFileSync } from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import { buildBackward } from "@/model/autodiff/build-backward";
import { Graph } from "@/model/graph/graph";
import { clippedPolicyObjective, clippedValueObjective } from "@/model/losses/clipped-objectives";
import { generalizedAdvantages, whiten } from "@/model/train/ppo/advantages";
import { adaptedBeta, klEstimates, tokenRewards } from "@/model/train/ppo/kl-penalty";
import { runGraph } from "@/tests/helpers/run-graph";

const numbers = z.array(z.number());
const fixture = z
  .object({
    beta: z.number(),
    gamma: z.number(),
    lambda: z.number(),
    clip: z.number(),
    valueClip: z.number(),
    responses: z.array(
      z.object({
        score: z.number(),
        logprobs: numbers,
        refLogprobs: numbers,
        values: numbers,
        newLogprobs: numbers,
        newValues: numbers,
        rewards: numbers,
        advantages: numbers,
        returns: numbers,
        k1: z.number(),
        k3: z.number(),
      }),
    ),
    whitened: numbers,
    pgLoss: z.number(),
    clipFrac: z.number(),
    approxKl: z.number(),
    logprobGradient: numbers,
    vfLoss: z.number(),
    vfClipFrac: z.number(),
    valueGradient: numbers,
  })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures", "arithmetic.json"), "utf8")));

type Column = Exclude<keyof (typeof fixture.responses)[number], "score" | "k1" | "k3">;
const flat = (of: Column) => fixture.responses.flatMap((response) => response[of]);
const count = flat("logprobs").length;
const weights = new Array<number>(count).fill(1 / count);

function expectClose(actual: ArrayLike<number> | undefined, expected: readonly number[], digits: number) {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual?.[i]).toBeCloseTo(value, digits);
}

test("rewards, KL, advantages and returns of each response, and their whitening", () => {
  const advantages = fixture.responses.map((response) => {
    const rewards = tokenRewards(response, { score: response.score, beta: fixture.beta });
    expectClose(rewards, response.rewards, 12);
    expect(klEstimates(response).k1).toBeCloseTo(response.k1, 12);
    expect(klEstimates(response).k3).toBeCloseTo(response.k3, 12);
    const outcome = generalizedAdvantages(rewards, response.values, fixture);
    expectClose(outcome.advantages, response.advantages, 12);
    expectClose(outcome.returns, response.returns, 12);
    return outcome.advantages;
  });
  expectClose(
    whiten(advantages).flatMap((part) => [...part]),
    fixture.whitened,
    12,
  );
});

/** A graph of (N, 1) inputs by name, with its loss's gradient for one of them. */
async function objective(
  feeds: Record<string, readonly number[]>,
  build: (
    g: Graph,
    inputs: Record<string, ReturnType<Graph["input"]>>,
  ) => Record<string, ReturnType<Graph["input"]>>,
  [loss, trained]: [string, string],
) {
  const g = new Graph();
  const inputs = Object.fromEntries(
    Object.entries(feeds).map(([name, { length }]) => [name, g.input(name, "float32", [length, 1])]),
  );
  const built = build(g, inputs);
  for (const [name, value] of Object.entries(built)) g.output(name, value);
  const [from, to] = [built[loss], inputs[trained]];
  if (!from || !to) throw new Error("no such loss or input");
  const [gradient] = buildBackward(g, from, [to]);
  if (gradient) g.output("gradient", gradient);
  const results = await runGraph(
    g,
    Object.fromEntries(Object.entries(feeds).map(([name, values]) => [name, { values }])),
  );
  return (name: string) => results[name]?.values ?? [];
}

test("the clipped policy objective and its gradient", async () => {
  const feeds = {
    logprobs: flat("newLogprobs"),
    oldLogprobs: flat("logprobs"),
    advantages: fixture.whitened,
    weights,
  };
  const build = (g: Graph, { logprobs, ...targets }: Record<string, ReturnType<Graph["input"]>>) => {
    const of = clippedPolicyObjective(g, logprobs as never, targets as never, fixture.clip);
    return { pgLoss: of.pgLoss, clipFrac: of.clipFrac, approxKl: of.approxKl };
  };
  const result = await objective(feeds, build, ["pgLoss", "logprobs"]);
  expect(result("pgLoss")[0]).toBeCloseTo(fixture.pgLoss, 6);
  expect(result("clipFrac")[0]).toBeCloseTo(fixture.clipFrac, 6);
  expect(result("approxKl")[0]).toBeCloseTo(fixture.approxKl, 6);
  expectClose(result("gradient"), fixture.logprobGradient, 6);
});

test("the clipped value objective and its gradient", async () => {
  const feeds = {
    values: flat("newValues"),
    oldValues: flat("values"),
    returns: flat("returns"),
    weights,
  };
  const build = (g: Graph, { values, ...targets }: Record<string, ReturnType<Graph["input"]>>) =>
    clippedValueObjective(g, values as never, targets as never, fixture.valueClip);
  const result = await objective(feeds, build, ["vfLoss", "values"]);
  expect(result("vfLoss")[0]).toBeCloseTo(fixture.vfLoss, 6);
  expect(result("clipFrac")[0]).toBeCloseTo(fixture.vfClipFrac, 6);
  expectClose(result("gradient"), fixture.valueGradient, 6);
});

const logprob = fc.double({ min: -20, max: 0, noNaN: true });
const response = fc
  .array(fc.tuple(logprob, logprob, fc.double({ min: -5, max: 5, noNaN: true })), {
    minLength: 1,
    maxLength: 20,
  })
  .map((tokens) => ({
    logprobs: tokens.map(([of]) => of),
    refLogprobs: tokens.map(([, of]) => of),
    values: tokens.map(([, , of]) => of),
  }));

test("without discount and with lambda 1 an advantage is what is still to come, less what was expected", () => {
  fc.assert(
    fc.property(response, (tokens) => {
      const rewards = tokenRewards(tokens, { score: 1.5, beta: 0.1 });
      const { returns } = generalizedAdvantages(rewards, tokens.values, { gamma: 1, lambda: 1 });
      const whole = rewards.reduce((sum, reward) => sum + reward, 0);
      expect(returns[0]).toBeCloseTo(whole, 9);
      expect(whole).toBeCloseTo(1.5 - 0.1 * klEstimates(tokens).k1, 9);
    }),
  );
});

test("k3 is never negative; a policy that is its reference is at no distance and pays nothing", () => {
  fc.assert(
    fc.property(response, (tokens) => {
      expect(klEstimates(tokens).k3).toBeGreaterThanOrEqual(0);
      const same = { logprobs: tokens.logprobs, refLogprobs: tokens.logprobs };
      expect(klEstimates(same)).toEqual({ k1: 0, k3: 0 });
      expect(tokenRewards(same, { score: 2, beta: 0.5 }).reduce((sum, reward) => sum + reward, 0)).toBe(2);
    }),
  );
});

test("whitened values have mean 0 and deviation 1, unless all are the same", () => {
  const parts = whiten([Float64Array.of(1, 5), Float64Array.of(-3, 8, 2)]).flatMap((part) => [...part]);
  expect(parts.reduce((sum, x) => sum + x, 0) / 5).toBeCloseTo(0, 12);
  expect(parts.reduce((sum, x) => sum + x * x, 0) / 5).toBeCloseTo(1, 8);
  expect(whiten([Float64Array.of(4, 4)])).toEqual([Float64Array.of(0, 0)]);
});

test("the KL coefficient follows the target, by a fifth of the horizon's share at most", () => {
  const target = { target: 6, horizon: 10_000 };
  expect(adaptedBeta(0.1, { kl: 6, episodes: 64 }, target)).toBe(0.1);
  expect(adaptedBeta(0.1, { kl: 6.6, episodes: 100 }, target)).toBeCloseTo(0.1 * (1 + 0.1 / 100), 12);
  expect(adaptedBeta(0.1, { kl: 600, episodes: 100 }, target)).toBeCloseTo(0.1 * (1 + 0.2 / 100), 12);
  expect(adaptedBeta(0.1, { kl: 0, episodes: 100 }, target)).toBeCloseTo(0.1 * (1 - 0.2 / 100), 12);
});

test("rewards and values of different lengths are refused", () => {
  expect(() => generalizedAdvantages([1, 2], [1], { gamma: 1, lambda: 1 })).toThrow(
    "2 rewards, but 1 values",
  );
  expect(() => klEstimates({ logprobs: [-1], refLogprobs: [] })).toThrow(
    "1 logprobs, but 0 of the reference",
  );
  expect(() => tokenRewards({ logprobs: [], refLogprobs: [] }, { score: 1, beta: 0.1 })).toThrow("no token");
});
