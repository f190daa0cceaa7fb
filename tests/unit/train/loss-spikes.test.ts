/** @file The rule that tells a loss spike from a usual loss. */
import { expect, test } from "vitest";
import { isSpike, withLoss } from "@/model/train/loss-spikes";

const usual = Array.from({ length: 20 }, (_, i) => 2 + (i % 5) / 10); // median 2.2

test("a loss above the factor times the median is a spike, one at it is not", () => {
  expect(isSpike(6.61, usual, 3)).toBe(true);
  expect(isSpike(6.6, usual, 3)).toBe(false);
  expect(isSpike(100, usual, null)).toBe(false);
});

test("before twenty steps nothing is one", () => {
  expect(isSpike(1000, usual.slice(1), 3)).toBe(false);
});

test("a median below one nat counts as one", () => {
  const learned = usual.map(() => 0.01);
  expect(isSpike(2.9, learned, 3)).toBe(false);
  expect(isSpike(3.1, learned, 3)).toBe(true);
});

test("the last fifty losses are kept, newest last", () => {
  const losses = Array.from({ length: 60 }, (_, i) => i);
  expect(losses.reduce<number[]>(withLoss, [])).toEqual(losses.slice(10));
});
