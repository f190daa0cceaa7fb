/** @file Figures about reward models against scipy and scikit-learn (fixtures/make_reward_fixtures.py). */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { accuracyOf, type Figure } from "@/model/eval/reward/accuracy";
import { calibrationOf, sigmoid } from "@/model/eval/reward/calibration";
import { scoreDistributions } from "@/model/eval/reward/distribution";
import { lengthReport } from "@/model/eval/reward/length";
import { rankCorrelation } from "@/model/eval/reward/rank-correlation";
import { type ScoredPrompt, scoredPairs } from "@/model/eval/reward/scored-prompt";

const numbers = z.array(z.number());
const figure = z.object({ share: z.number(), low: z.number(), high: z.number() });
const fixture = z
  .object({
    prompts: z.array(z.object({ scores: numbers, tokens: numbers, rankings: z.array(numbers) })),
    seed: z.number(),
    resamples: z.number(),
    level: z.number(),
    accuracy: figure,
    longerWins: figure,
    margin: figure,
    tauB: z.number(),
    calibration: z.object({
      counts: numbers,
      observed: numbers,
      predicted: numbers,
      error: z.number(),
      loss: z.number(),
      brier: z.number(),
    }),
    correlation: z.number(),
    withinPrompts: z.number(),
    areas: z.array(z.object({ ranks: numbers, scores: numbers, area: z.number() })),
    scores: z.object({ mean: z.number(), std: z.number(), quantiles: numbers }),
  })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures", "reward.json"), "utf8")));

type Given = { scores: number[]; tokens?: number[]; rankings: number[][] };
const promptOf = ({ scores, tokens = [], rankings }: Given, place: number): ScoredPrompt => ({
  id: String(place),
  owner: null,
  source: null,
  prompt: [{ role: "user", content: "q" }],
  responses: scores.map((score, at) => ({
    place: at,
    text: "",
    score,
    memberScores: null,
    tokens: tokens[at] ?? 0,
    model: null,
  })),
  rankings: rankings.map((ranks) => ({ ranks, labeler: null, group: null })),
  place: null,
});

/** Decimals to which values agree, about 1e-11. */
const digits = 11;
const prompts = fixture.prompts.map(promptOf);
const { pairs } = scoredPairs(prompts);
const options = { seed: fixture.seed, resamples: fixture.resamples, level: fixture.level };

function expectFigure(found: Figure, expected: z.infer<typeof figure>) {
  expect(found.share).toBeCloseTo(expected.share, digits);
  expect(found.interval?.low).toBeCloseTo(expected.low, digits);
  expect(found.interval?.high).toBeCloseTo(expected.high, digits);
}

test("accuracy and its interval over prompts are numpy's", () => {
  expectFigure(accuracyOf(pairs, options), fixture.accuracy);
});

test("“the longer wins” and the paired difference to it are numpy's", () => {
  const { longerWins, margin } = lengthReport(prompts, pairs, options);
  expectFigure(longerWins, fixture.longerWins);
  expectFigure(margin, fixture.margin);
});

test.each(fixture.areas)("accuracy of the two tiers $ranks is scikit-learn's area", (given) => {
  const own = scoredPairs([promptOf({ scores: given.scores, rankings: [given.ranks] }, 0)]).pairs;
  expect(accuracyOf(own, options).share).toBeCloseTo(given.area, digits);
});

test("mean tau-b is scipy's", () => {
  expect(rankCorrelation(prompts, options).tauB).toBeCloseTo(fixture.tauB, digits);
});

test("correlations of score and length are scipy's", () => {
  const { correlation, withinPrompts } = lengthReport(prompts, pairs, options);
  expect(correlation).toBeCloseTo(fixture.correlation, digits);
  expect(withinPrompts).toBeCloseTo(fixture.withinPrompts, digits);
});

test("score summaries are numpy's", () => {
  const [all] = scoreDistributions(prompts).groups;
  expect(all?.summary?.mean).toBeCloseTo(fixture.scores.mean, digits);
  expect(all?.summary?.std).toBeCloseTo(fixture.scores.std, digits);
  fixture.scores.quantiles.forEach((quantile, at) => {
    expect(all?.summary?.quantiles[at]).toBeCloseTo(quantile, digits);
  });
});

describe("calibration", () => {
  const found = calibrationOf(pairs);

  test("the curve is scikit-learn's", () => {
    expect(found.bins.map((bin) => bin.pairs)).toEqual(fixture.calibration.counts);
    const filled = found.bins.filter((bin) => bin.pairs > 0);
    expect(filled).toHaveLength(fixture.calibration.observed.length);
    filled.forEach(({ observed, predicted }, at) => {
      expect(observed).toBeCloseTo(fixture.calibration.observed[at] ?? Number.NaN, digits);
      expect(predicted).toBeCloseTo(fixture.calibration.predicted[at] ?? Number.NaN, digits);
    });
  });

  test("the expected error and the loss are numpy's and scikit-learn's", () => {
    expect(found.error).toBeCloseTo(fixture.calibration.error, digits);
    expect(found.loss).toBeCloseTo(fixture.calibration.loss, digits);
  });

  test("the probabilities are those of which scikit-learn has the Brier score", () => {
    const brier = pairs.reduce((sum, { margin }) => sum + (1 - sigmoid(margin)) ** 2, 0) / pairs.length;
    expect(brier).toBeCloseTo(fixture.calibration.brier, digits);
  });
});
