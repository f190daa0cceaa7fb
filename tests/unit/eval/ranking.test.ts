/** @file Rankings with ties become comparisons in one place: counts, gaps, and what is refused. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { countPairs, createRanking, denseRanking, pairsOf, RankError, tiersOf } from "@/model/eval/ranking";

const ids = ["a", "b", "c", "d"];
const anyRanking = fc
  .array(fc.option(fc.integer({ min: -3, max: 6 })), { maxLength: 9 })
  .map((ranks) => createRanking([...ranks.keys()].map(String), ranks));

test("a ranking with a tie and an unranked response becomes its comparisons and ties", () => {
  const ranking = createRanking(ids, [2, 7, 2, null]);
  expect(pairsOf(ranking)).toEqual({
    comparisons: [
      { chosen: "a", rejected: "b", rankGap: 1 },
      { chosen: "c", rejected: "b", rankGap: 1 },
    ],
    ties: [["a", "c"]],
  });
  expect(tiersOf(ranking)).toEqual([["a", "c"], ["b"]]);
  expect([...denseRanking(ranking)]).toEqual([
    ["a", 1],
    ["b", 2],
    ["c", 1],
  ]);
});

test("four responses in a strict order make six comparisons, the widest of gap 3", () => {
  const { comparisons, ties } = pairsOf(createRanking(ids, [1, 2, 3, 4]));
  expect(comparisons).toHaveLength(6);
  expect(comparisons.map(({ rankGap }) => rankGap).toSorted()).toEqual([1, 1, 1, 2, 2, 3]);
  expect(ties).toEqual([]);
});

test("every pair is a comparison or a tie, counted as listed, and the better rank is chosen", () => {
  fc.assert(
    fc.property(anyRanking, (ranking) => {
      const { comparisons, ties } = pairsOf(ranking);
      expect(countPairs(ranking)).toEqual({ comparisons: comparisons.length, ties: ties.length });
      expect(comparisons.length + ties.length).toBe((ranking.size ** 2 - ranking.size) / 2);
      for (const { chosen, rejected, rankGap } of comparisons) {
        expect(ranking.get(chosen)).toBeLessThan(ranking.get(rejected) ?? Number.NEGATIVE_INFINITY);
        expect(rankGap).toBeGreaterThanOrEqual(1);
      }
      for (const [a, b] of ties) expect(ranking.get(a)).toBe(ranking.get(b));
    }),
  );
});

test("dense ranks keep every comparison, and are their own dense ranks", () => {
  fc.assert(
    fc.property(anyRanking, (ranking) => {
      const dense = denseRanking(ranking);
      expect(pairsOf(dense)).toEqual(pairsOf(ranking));
      expect(denseRanking(dense)).toEqual(dense);
      expect([...new Set(dense.values())].toSorted()).toEqual(tiersOf(ranking).map((_, tier) => tier + 1));
    }),
  );
});

test("refuses ranks that are no numbers, ids twice, and lists of different length", () => {
  expect(() => createRanking(["a", "b"], [1, Number.NaN])).toThrow(RankError);
  expect(() => createRanking(["a", "a"], [1, 2])).toThrow("Response a is ranked twice.");
  expect(() => createRanking(["a"], [1, 2])).toThrow("1 responses have 2 ranks.");
});
