/** @file Accuracy on rankings that came after the model: pairs by policy, blocks over time, and when it has fallen. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRanking } from "@/model/eval/ranking";
import { countPairs, hasFallen, type LiveRanking, liveSeries } from "@/model/eval/reward/live-accuracy";

const options = { seed: 1, resamples: 200 };
const policies = new Map([
  ["a", "p1"],
  ["b", "p1"],
  ["c", null],
  ["d", null],
]);

/** Of prompt `at`, made at that moment; the model is right on it or wrong. */
function ranked(at: number, isRight: boolean, policy = "p1"): LiveRanking {
  return {
    task: `t${at}`,
    prompt: `q${at}`,
    labeler: "ann",
    at,
    counts: [
      { policy, pairs: 2, agreed: isRight ? 2 : 0 },
      { policy: null, pairs: 1, agreed: 1 },
    ],
    ranking: createRanking(["a", "b"], [1, 2]),
    policyOf: new Map([
      ["a", policy],
      ["b", policy],
    ]),
  };
}

describe("counting pairs", () => {
  it("gives a pair to a policy only where it wrote both, and half of a pair of equal scores", () => {
    const ranking = createRanking(["a", "b", "c", "d"], [1, 2, 3, 3]);
    const scores = new Map([
      ["a", 1],
      ["b", 1],
      ["c", 2],
      ["d", 0],
    ]);
    expect(countPairs(ranking, scores, policies)).toEqual([
      { policy: "p1", pairs: 1, agreed: 0.5 },
      { policy: null, pairs: 4, agreed: 2 },
    ]);
  });

  it("counts every untied pair once, whatever the scores", () => {
    const ids = ["a", "b", "c", "d"];
    const lists = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(lists, lists, (ranks, values) => {
        const scores = new Map(ids.map((id, at) => [id, values[at] ?? 0]));
        const counts = countPairs(createRanking(ids, ranks), scores, policies);
        const untied = ids.flatMap((_, i) =>
          ids.slice(i + 1).filter((_, j) => ranks[i] !== ranks[i + 1 + j]),
        );
        expect(counts.reduce((sum, { pairs }) => sum + pairs, 0)).toBe(untied.length);
        for (const { pairs, agreed } of counts) expect(agreed).toBeLessThanOrEqual(pairs);
      }),
    );
  });
});

describe("series", () => {
  it("puts all pairs first and then the policies, the one with most pairs first, in order of time", () => {
    const rankings = Array.from({ length: 80 }, (_, at) =>
      ranked(80 - at, at >= 40, at % 4 === 0 ? "p2" : "p1"),
    );
    const series = liveSeries(rankings, options);
    expect(series.map(({ policy, accuracy }) => [policy, accuracy.pairs])).toEqual([
      [null, 240],
      ["p1", 120],
      ["p2", 40],
    ]);
    const [all, p1] = series;
    expect(all?.points.map(({ from, to }) => [from, to])).toEqual([
      [1, 20],
      [21, 40],
      [41, 60],
      [61, 80],
    ]);
    // Time runs from 1, where the model is right, to 80, where it is wrong; the mixed pair is always right.
    expect(all?.points.map(({ accuracy }) => accuracy.share)).toEqual([1, 1, 1 / 3, 1 / 3]);
    expect(p1?.points.map(({ accuracy }) => accuracy.share)).toEqual([1, 0.5, 0]);
  });

  it("looks at the newest hundred prompts, with all that several labelers said of them", () => {
    const rankings = Array.from({ length: 150 }, (_, at) => ranked(at, at < 50));
    const twice = rankings.map((each) => ({ ...each, labeler: "bob" }));
    const [, p1] = liveSeries([...rankings, ...twice], options);
    expect(p1?.recent).toMatchObject({ share: 0, prompts: 100, pairs: 400 });
    expect(p1?.accuracy).toMatchObject({ share: 1 / 3, prompts: 150 });
    expect(p1?.points.every(({ agreement }) => agreement?.share === 1)).toBe(true);
  });
});

it("has fallen only where both intervals are known and do not meet", () => {
  const figure = (low: number, high: number) => ({
    share: (low + high) / 2,
    interval: { low, high, level: 0.95 },
    pairs: 1,
    prompts: 1,
  });
  expect(hasFallen(figure(0.5, 0.6), figure(0.61, 0.7))).toBe(true);
  expect(hasFallen(figure(0.5, 0.65), figure(0.61, 0.7))).toBe(false);
  expect(hasFallen(figure(0.8, 0.9), figure(0.61, 0.7))).toBe(false);
  expect(hasFallen({ ...figure(0.5, 0.6), interval: null }, figure(0.61, 0.7))).toBe(false);
  expect(hasFallen(figure(0.5, 0.6), { interval: null })).toBe(false);
});
