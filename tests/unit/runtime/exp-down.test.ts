/** @file The quick exponential is the exponential. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { expDown } from "@/model/runtime/exp-down";

it("is within 3e-9 of Math.exp, relative, below 40", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 39.999, noNaN: true }), (d) => {
      expect(Math.abs(expDown(d) / Math.exp(-d) - 1)).toBeLessThan(3e-9);
    }),
    { seed: 3, numRuns: 2000 },
  );
});

it("is 1 at 0, and 0 for what cannot be told from it", () => {
  expect(expDown(0)).toBe(1);
  expect(expDown(40)).toBe(0);
  expect(expDown(Number.POSITIVE_INFINITY)).toBe(0);
});
