/** @file The layout that shares a prompt: each token looks at what came before it in its own text, and at nothing else. */
import { expect, test } from "vitest";
import {
  cutIntoBatches,
  type LaidOutGroups,
  layOutGroups,
  type ResponseGroup,
} from "@/model/data/response-groups";

const tokens = (count: number, first: number) => Array.from({ length: count }, (_, i) => first + i);
const groups: ResponseGroup[] = [
  { prompt: tokens(4, 10), responses: [tokens(3, 20), tokens(1, 30)] },
  { prompt: [], responses: [tokens(2, 40)] },
  { prompt: tokens(2, 50), responses: [tokens(600, 100), tokens(5, 60)] },
];

/** What each row looks at, as tokens; by block and by query it must be seen once. */
function seenBy({ ids, blocks }: LaidOutGroups): Map<number, number[]> {
  const filling = ids.length - 1;
  const seen = new Map<number, number[]>();
  for (const { n, q, k, queries, keys, visible } of blocks) {
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < q; j++) {
        const row = Number(queries[i * q + j]);
        if (row === filling) continue;
        expect(seen.has(row)).toBe(false);
        const limit = Number(visible[i * q + j]);
        seen.set(
          row,
          [...keys.subarray(i * k, i * k + limit)].map((key) => Number(ids[Number(key)])),
        );
      }
    }
  }
  return seen;
}

test.each([1, 2, 4, 16])(
  "in %i blocks each token sees its prompt and its own response up to itself",
  (blockCount) => {
    const laidOut = layOutGroups(groups, blockCount);
    expect(laidOut.blocks).toHaveLength(blockCount);
    const seen = seenBy(laidOut);
    let row = 0;
    for (const { prompt, responses } of groups) {
      for (const [i] of prompt.entries()) expect(seen.get(row++)).toEqual(prompt.slice(0, i + 1));
      for (const response of responses)
        for (const [i] of response.entries())
          expect(seen.get(row++)).toEqual([...prompt, ...response.slice(0, i + 1)]);
    }
    expect(row).toBe(laidOut.realTokens);
  },
);

test("positions of a response go on behind its prompt, and its end is where it is read", () => {
  const { positions, ends, realTokens, ids } = layOutGroups(groups, 4);
  expect([...positions.subarray(0, 8)].map(Number)).toEqual([0, 1, 2, 3, 4, 5, 6, 4]);
  expect([...ends].map(Number)).toEqual([6, 7, 9, 611, 616]);
  expect(realTokens).toBe(617);
  expect(ids).toHaveLength(618);
});

test("more blocks multiply less", () => {
  const cost = (count: number) =>
    layOutGroups(groups, count).blocks.reduce((sum, { n, q, k }) => sum + n * q * k, 0);
  expect(cost(4)).toBeLessThan(0.8 * cost(1));
});

test("a response without a token is refused", () => {
  expect(() => layOutGroups([{ prompt: [1], responses: [[]] }], 4)).toThrow("needs at least its end");
});

test("batches keep the order, hold what fits, and take a longer group by itself", () => {
  const of = (counts: number[]) => counts.map((count) => ({ prompt: [], responses: [tokens(count, 0)] }));
  const sizes = cutIntoBatches(of([3, 4, 9, 2, 5, 1]), 7).map((batch) =>
    batch.map(({ responses }) => responses[0]?.length),
  );
  expect(sizes).toEqual([[3, 4], [9], [2, 5], [1]]);
});
