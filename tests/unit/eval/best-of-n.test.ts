/** @file Best of n: the estimate against every way to draw n of a prompt's candidates, and what n tries can cost in KL. */
import { expect, test } from "vitest";
import { bestOfN, bestOfNKl, bestOfSizes, type Candidate } from "@/model/eval/best-of-n";
import { spreadOf } from "@/model/eval/spread";

/** All sets of n. */
function drawsOf<T>(items: readonly T[], n: number): T[][] {
  if (n === 0) return [[]];
  return items.flatMap((item, i) => drawsOf(items.slice(i + 1), n - 1).map((rest) => [item, ...rest]));
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

test("is the mean over every way to draw n of the candidates, chosen by score and told by value", () => {
  const prompts: Candidate[][] = [
    [3, 1, 2, 5, 4].map((score, i) => ({ score, value: [0.5, -2, 7, 1, 3][i] ?? 0 })),
    [-1, 0, 9, 2, 8].map((score) => ({ score, value: score })),
  ];
  for (let n = 1; n <= 5; n++) {
    const byHand = prompts.map((candidates) =>
      mean(
        drawsOf(candidates, n).map((drawn) => drawn.toSorted((a, b) => b.score - a.score)[0]?.value ?? NaN),
      ),
    );
    expect(bestOfN(prompts, n)).toBeCloseTo(mean(byHand), 12);
  }
});

test("of one it is the mean, and of all of them the best", () => {
  const candidates = [4, 1, 7].map((score) => ({ score, value: score }));
  expect(bestOfN([candidates], 1)).toBeCloseTo(4, 12);
  expect(bestOfN([candidates], 3)).toBeCloseTo(7, 12);
});

test("costs nothing for one try, and 3.2 nats at most for 64", () => {
  expect(bestOfNKl(1)).toBe(0);
  expect(bestOfNKl(64)).toBeCloseTo(3.1745, 3);
  expect(bestOfSizes(8)).toEqual([1, 2, 4, 8]);
  expect(bestOfSizes(63)).toEqual([1, 2, 4, 8, 16, 32]);
});

test("a spread is the median with the least and the greatest, of an even number between the two in the middle", () => {
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, least: 1, greatest: 3 });
  expect(spreadOf([4, 1, 2, 10])).toEqual({ median: 3, least: 1, greatest: 10 });
  expect(spreadOf([])).toBeNull();
});
