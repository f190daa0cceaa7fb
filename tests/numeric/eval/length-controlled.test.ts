/** @file The length-controlled win rate against statsmodels and scipy (fixtures/make_length_fixtures.py). */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { fitLength, lengthControlledWinRate, type MeasuredJudgment } from "@/model/eval/length-controlled";
import { uniform } from "@/model/random/philox";

const numbers = z.array(z.number());
const cases = z
  .array(
    z.object({
      candidateLength: numbers,
      opponentLength: numbers,
      credit: numbers,
      glm: numbers,
      ridged: numbers,
      winRate: z.number(),
    }),
  )
  .parse(JSON.parse(readFileSync(path.join(import.meta.dirname, "fixtures/length.json"), "utf8")));

const options = { seed: 1, resamples: 100 };

function judgmentsOf({
  candidateLength,
  opponentLength,
  credit,
}: (typeof cases)[number]): MeasuredJudgment[] {
  return credit.map((each, at) => ({
    prompt: String(at),
    credit: each,
    candidateLength: candidateLength[at] ?? 0,
    opponentLength: opponentLength[at] ?? 0,
  }));
}

describe.each(cases.map((each, at) => [at, each] as const))("case %i", (_, each) => {
  test("is the minimum that scipy finds, and within the ridge of a plain binomial regression", () => {
    const made = lengthControlledWinRate(judgmentsOf(each), options);
    // BFGS stops at a gradient of 1e-9, divided by a curvature of about ten.
    expect(made?.estimate).toBeCloseTo(each.winRate, 7);
    expect(made?.lengthEffect).toBeCloseTo(each.ridged[1] ?? Number.NaN, 6);
    expect(Math.abs((made?.lengthEffect ?? 0) - (each.glm[1] ?? 0))).toBeLessThan(1e-3);
  });

  test("does not depend on the order of judgments, and its interval holds the estimate", () => {
    const made = lengthControlledWinRate(judgmentsOf(each), options);
    expect(made?.interval?.low).toBeLessThan(made?.estimate ?? 0);
    expect(made?.interval?.high).toBeGreaterThan(made?.estimate ?? 1);
    expect(lengthControlledWinRate(judgmentsOf(each).toReversed(), options)?.estimate).toBeCloseTo(
      made?.estimate ?? 0,
      9,
    );
  });
});

test("a candidate that wins by length alone wins half, and where it is better at any length it still wins", () => {
  const judged = (isBetter: boolean) =>
    Array.from({ length: 400 }, (_, at): MeasuredJudgment => {
      const candidateLength = 200 + 400 * uniform(3, [0, 0, at, 0]);
      const opponentLength = 100 + 400 * uniform(3, [0, 1, at, 0]);
      const byLength = 1 / (1 + Math.exp(-(candidateLength - opponentLength) / 80));
      const isWin = uniform(3, [0, 2, at, 0]) < (isBetter ? 0.8 : byLength);
      return { prompt: String(at), credit: isWin ? 1 : 0, candidateLength, opponentLength };
    });
  const plain = judged(false).reduce((sum, { credit }) => sum + credit, 0) / 400;
  expect(plain).toBeGreaterThan(0.6);
  const byLength = lengthControlledWinRate(judged(false), options);
  // Of 400 judgments, so few of them of like length.
  expect(Math.abs((byLength?.estimate ?? 0) - 0.5)).toBeLessThan(0.08);
  expect(byLength?.lengthEffect).toBeGreaterThan(2);
  expect(lengthControlledWinRate(judged(true), options)?.interval?.low).toBeGreaterThan(0.7);
});

test("always winning has a fit, and equal differences in length have none", () => {
  const [theta] = fitLength(Array.from({ length: 20 }, (_, at) => ({ x: at % 2 ? 1 : -1, y: 1, weight: 1 })));
  expect(theta).toBeGreaterThan(3);
  const same = Array.from({ length: 20 }, (_, at) => ({
    prompt: String(at),
    credit: 1,
    candidateLength: 9,
    opponentLength: 5,
  }));
  expect(lengthControlledWinRate(same, options)).toBeNull();
  expect(lengthControlledWinRate([], options)).toBeNull();
});
