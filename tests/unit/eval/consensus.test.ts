/** @file What a consensus promises: unanimity, ties where people contradict each other, no say for names or sequence. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { BradleyTerryError, fitBradleyTerry } from "@/model/eval/bradley-terry";
import { bradleyTerryConsensus, rankedPairsConsensus } from "@/model/eval/consensus";
import { createRanking, denseRanking, pairsOf, type Ranking } from "@/model/eval/ranking";

const rank = (...ranks: number[]) =>
  createRanking(
    ranks.map((_, i) => `r${i}`),
    ranks,
  );
const methods = [
  ["Bradley-Terry", bradleyTerryConsensus],
  ["ranked pairs", rankedPairsConsensus],
] as const;
const profile = fc.integer({ min: 2, max: 5 }).chain((size) =>
  fc.array(fc.array(fc.integer({ min: 1, max: size }), { minLength: size, maxLength: size }), {
    minLength: 1,
    maxLength: 6,
  }),
);

test.each(methods)(
  "%s: what all say, ties included, is the consensus, however many say it",
  (_, consensus) => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 9 }),
        fc.constantFrom(1, 3, 20),
        (ranks, people) => {
          const ranking = rank(...ranks);
          const found = consensus(new Array<Ranking>(people).fill(ranking));
          expect([...found.ranking]).toEqual([...denseRanking(ranking)]);
          expect([...found.scores.values()].every(Number.isFinite)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  },
);

test.each(methods)("%s: two opposite orders, and a full circle, are ties", (_, consensus) => {
  expect([...consensus([rank(1, 2, 3), rank(3, 2, 1)]).ranking.values()]).toEqual([1, 1, 1]);
  expect([...consensus([rank(1, 2, 3), rank(3, 1, 2), rank(2, 3, 1)]).ranking.values()]).toEqual([1, 1, 1]);
});

test.each(methods)("%s: neither names nor the sequence of people or responses matters", (_, consensus) => {
  fc.assert(
    fc.property(profile, (ranks) => {
      const found = consensus(ranks.map((each) => rank(...each))).ranking;
      const renamed = ranks
        .map((each) => createRanking(each.map((_, i) => `x${9 - i}`).toReversed(), each.toReversed()))
        .toReversed();
      const again = consensus(renamed).ranking;
      for (const [i] of (ranks[0] ?? []).entries()) expect(again.get(`x${9 - i}`)).toBe(found.get(`r${i}`));
    }),
    { numRuns: 60 },
  );
});

test("ranked pairs: the one whom a majority prefers to every other comes first", () => {
  fc.assert(
    fc.property(profile, (ranks) => {
      const rankings = ranks.map((each) => rank(...each));
      const margin = (a: string, b: string) =>
        rankings
          .flatMap((each) => pairsOf(each).comparisons)
          .reduce((sum, { chosen, rejected }) => {
            if (chosen === a && rejected === b) return sum + 1;
            return chosen === b && rejected === a ? sum - 1 : sum;
          }, 0);
      const ids = (ranks[0] ?? []).map((_, i) => `r${i}`);
      const winner = ids.find((a) => ids.every((b) => a === b || margin(a, b) > 0));
      fc.pre(winner !== undefined);
      const { ranking } = rankedPairsConsensus(rankings);
      expect(ids.filter((id) => ranking.get(id) === 1)).toEqual([winner]);
    }),
  );
});

test("ranked pairs: the weakest majority of a circle gives way", () => {
  // r0 over r1 by 5, r1 over r2 by 3, r2 over r0 by 1.
  const people = [...Array(4).fill([1, 2, 3]), ...Array(2).fill([3, 1, 2]), ...Array(3).fill([2, 3, 1])];
  expect([...rankedPairsConsensus(people.map((each) => rank(...each))).ranking.values()]).toEqual([1, 2, 3]);
});

test("Bradley-Terry: one comparison tells little, twenty tell more, and the prior says how much", () => {
  const gap = (times: number, prior?: number) => {
    const [a = 0, b = 0] = fitBradleyTerry(
      [
        [0, times],
        [0, 0],
      ],
      prior,
    );
    return a - b;
  };
  expect(gap(20)).toBeGreaterThan(gap(1));
  expect(gap(1, 10)).toBeLessThan(gap(1, 0.1));
  expect(() => gap(1, 0)).toThrow(BradleyTerryError);
});
