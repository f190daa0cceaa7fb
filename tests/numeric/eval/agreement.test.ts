/** @file Agreement statistics against scipy, numpy and the krippendorff package (fixtures/make_fixtures.py). */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agreementOf, type LabelerRanking, meetingsBetween } from "@/model/eval/agreement";
import { bcaInterval } from "@/model/eval/bootstrap";
import { bradleyTerryConsensus, rankedPairsConsensus } from "@/model/eval/consensus";
import { kendallTauB } from "@/model/eval/kendall-tau";
import { krippendorffAlpha, preferenceAlpha } from "@/model/eval/krippendorff";
import { normalCdf, normalQuantile } from "@/model/eval/normal-distribution";
import { createRanking } from "@/model/eval/ranking";

const numbers = z.array(z.number());
const table = z.array(numbers);
const summary = z.object({
  agreed: z.number(),
  pairs: z.number(),
  share: z.number(),
  low: z.number(),
  high: z.number(),
});
const fixture = z
  .object({
    kendall: z.array(z.object({ first: numbers, second: numbers, tau: z.number().nullable() })),
    alpha: z.array(
      z.object({ units: table, nominal: z.number(), ordinal: z.number(), interval: z.number() }),
    ),
    preference: z.array(z.object({ tasks: z.array(table), ordinal: z.number(), nominal: z.number() })),
    bradleyTerry: z.array(z.object({ rankings: table, prior: z.number(), scores: numbers })),
    rankedPairs: z.array(z.object({ rankings: table, ranks: numbers })),
    bca: z.array(
      z.object({
        estimate: z.number(),
        replicates: numbers,
        jackknife: numbers,
        level: z.number(),
        low: z.number(),
        high: z.number(),
      }),
    ),
    normal: z.object({ x: numbers, cdf: numbers, p: numbers, quantile: numbers }),
    agreement: z.object({
      rankings: z.array(z.object({ task: z.number(), labeler: z.number(), ranks: numbers })),
      seed: z.number(),
      resamples: z.number(),
      level: z.number(),
      leaveOut: summary,
      half: summary,
      tauB: z.number(),
    }),
  })
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures", "agreement.json"), "utf8")));

/** Decimals to which values agree, about 1e-11. */
const digits = 11;
const rankingOf = (ranks: readonly number[]) => createRanking([...ranks.keys()].map(String), ranks);

test.each(fixture.kendall)("tau-b of $first and $second is scipy's", ({ first, second, tau }) => {
  const found = kendallTauB(rankingOf(first), rankingOf(second));
  if (tau === null) expect(found).toBeNull();
  else expect(found).toBeCloseTo(tau, digits);
});

describe.each(["nominal", "ordinal", "interval"] as const)("alpha, %s", (level) => {
  test.each(fixture.alpha)("is the krippendorff package's, missing values included", (each) => {
    expect(krippendorffAlpha(each.units, level)).toBeCloseTo(each[level], digits);
  });
});

test.each(fixture.preference)(
  "alpha over preferences is the krippendorff package's over both directions",
  (each) => {
    const tasks = each.tasks.map((rankings) => rankings.map(rankingOf));
    expect(preferenceAlpha(tasks)).toBeCloseTo(each.ordinal, digits);
    expect(preferenceAlpha(tasks, "nominal")).toBeCloseTo(each.nominal, digits);
  },
);

test.each(fixture.bradleyTerry)(
  "Bradley-Terry scores, prior $prior, are those of Hunter's MM algorithm",
  (each) => {
    const { scores } = bradleyTerryConsensus(each.rankings.map(rankingOf), each.prior);
    // To 5e-9: MM comes near in small steps, and where the likelihood is flat it stops a little early.
    for (const [place, score] of each.scores.entries())
      expect(scores.get(String(place))).toBeCloseTo(score, 8);
  },
);

test.each(fixture.rankedPairs)("ranked pairs without equal margins: the textbook's order", (each) => {
  const { ranking } = rankedPairsConsensus(each.rankings.map(rankingOf));
  expect([...each.ranks.keys()].map((place) => ranking.get(String(place)))).toEqual(each.ranks);
});

test.each(fixture.bca)("a BCa interval from scipy's own replicates is scipy's", ({ low, high, ...drawn }) => {
  const found = bcaInterval(drawn);
  expect(found.low).toBeCloseTo(low, digits);
  expect(found.high).toBeCloseTo(high, digits);
});

test("the normal distribution and its quantiles are scipy's", () => {
  const { x, cdf, p, quantile } = fixture.normal;
  for (const [place, each] of x.entries()) expect(normalCdf(each)).toBeCloseTo(cdf[place] ?? Number.NaN, 14);
  for (const [place, each] of p.entries())
    expect(normalQuantile(each)).toBeCloseTo(quantile[place] ?? Number.NaN, 9);
});

describe.each(["leaveOut", "half"] as const)("pairwise agreement, ties by the rule %s", (tieRule) => {
  const { rankings, seed, resamples, level, tauB, ...expected } = fixture.agreement;
  const given = rankings.map(
    ({ task, labeler, ranks }): LabelerRanking => ({
      task: String(task),
      labeler: String(labeler),
      ranking: rankingOf(ranks),
      at: 0,
    }),
  );

  test("share, mean tau and the interval over labelers are those counted pair by pair in Python", () => {
    const found = agreementOf(meetingsBetween(given), { tieRule, seed, resamples, level });
    expect(found.agreed).toBe(expected[tieRule].agreed);
    expect(found.pairs).toBe(expected[tieRule].pairs);
    expect(found.share).toBeCloseTo(expected[tieRule].share, digits);
    expect(found.interval?.low).toBeCloseTo(expected[tieRule].low, digits);
    expect(found.interval?.high).toBeCloseTo(expected[tieRule].high, digits);
    expect(found.tauB).toBeCloseTo(tauB, digits);
  });
});
