/** @file The learning rate rises linearly, then holds or falls by a half cosine to its final share. */
import { expect, test } from "vitest";
import { learningRateShare } from "@/model/optim/schedule";

test("warm-up rises linearly and reaches the peak at its last step", () => {
  const schedule = { shape: "constant", warmupSteps: 4, finalShare: 0.1 } as const;
  expect([0, 1, 2, 3, 4, 99].map((step) => learningRateShare(schedule, step, 100))).toEqual([
    0.25, 0.5, 0.75, 1, 1, 1,
  ]);
});

test("cosine goes from the peak through the middle to the final share and stays there", () => {
  const schedule = { shape: "cosine", warmupSteps: 0, finalShare: 0.1 } as const;
  expect(learningRateShare(schedule, 0, 100)).toBe(1);
  expect(learningRateShare(schedule, 50, 100)).toBeCloseTo(0.55, 12);
  expect(learningRateShare(schedule, 100, 100)).toBeCloseTo(0.1, 12);
  expect(learningRateShare(schedule, 500, 100)).toBeCloseTo(0.1, 12);
});
