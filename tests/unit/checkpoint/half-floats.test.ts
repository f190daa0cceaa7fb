/** @file Half floats and bfloat16: every value there and back, rounding to nearest even. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { brainFloatsToFloats, floatsToHalves, halvesToFloats } from "@/model/checkpoint/half-floats";

const toHalf = (value: number) => floatsToHalves(Float32Array.of(value))[0] ?? -1;
const fromHalf = (half: number) => halvesToFloats(Uint16Array.of(half))[0] ?? -1;

describe("half floats", () => {
  it("come back unchanged, all 65,536 of them", () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, half) => half);
    const back = floatsToHalves(halvesToFloats(all));
    const isNaNHalf = (half: number) => (half & 0x7fff) > 0x7c00;
    for (const half of all) {
      if (isNaNHalf(half)) expect(isNaNHalf(back[half] ?? 0)).toBe(true);
      else expect(back[half]).toBe(half);
    }
  });

  it("are the nearest to any float, the even one at a tie", () => {
    fc.assert(
      fc.property(fc.float({ min: -65_519, max: 65_519, noNaN: true }), (value) => {
        const half = toHalf(value);
        const error = Math.abs(fromHalf(half) - value);
        const magnitude = half & 0x7fff;
        const neighbours = [magnitude - 1, magnitude + 1].filter((each) => each >= 0 && each < 0x7c00);
        for (const neighbour of neighbours) {
          const other = Math.abs(fromHalf(neighbour | (half & 0x8000)) - value);
          expect(error < other || (error === other && half % 2 === 0)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("overflow to infinity from 65,520 on", () => {
    expect(fromHalf(toHalf(65_519))).toBe(65_504);
    expect(fromHalf(toHalf(65_520))).toBe(Number.POSITIVE_INFINITY);
    expect(fromHalf(toHalf(-1e30))).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe("bfloat16", () => {
  it("is the upper half of a float", () => {
    expect([...brainFloatsToFloats(Uint16Array.of(0x3f80, 0xc049, 0x0001, 0x7f80))]).toEqual([
      1,
      -3.140625,
      Math.fround(9.183549615799121e-41),
      Number.POSITIVE_INFINITY,
    ]);
  });
});
