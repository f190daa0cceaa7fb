import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { dequantise, quantise } from "@/model/runtime/quantise";

const weight = fc.double({ min: -4, max: 4, noNaN: true });

describe.each([8, 4] as const)("quantised to %s bits", (bits) => {
  it("every weight is off by at most half a step of its block", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc
          .integer({ min: 1, max: 70 })
          .chain((columns) =>
            fc.tuple(
              fc.constant(columns),
              fc.array(weight, { minLength: 3 * columns, maxLength: 3 * columns }),
            ),
          ),
        (rows, [columns, values]) => {
          const weights = Float32Array.from(values.slice(0, rows * columns));
          const matrix = quantise(weights, { rows, columns, bits, blockSize: 32 });
          const blocks = Math.ceil(columns / 32);
          for (const [i, value] of dequantise(matrix).entries()) {
            const block = Math.floor(i / columns) * blocks + Math.floor((i % columns) / 32);
            const step = Math.abs(matrix.scales[block] ?? 0);
            const error = Math.abs(value - (weights[i] ?? 0));
            // At 4 bits the end opposite to the extreme one is 7 steps away: up to a whole step is cut there.
            // Scales below float32's normal range lose bits: such weights may be off by as much as they are small.
            expect(error).toBeLessThanOrEqual((bits === 8 ? 0.5 : 1) * step * (1 + 1e-5) + 1e-36);
          }
        },
      ),
    );
  });

  it("keeps the largest weight of a block exactly, and zeros zero", () => {
    const weights = new Float32Array(64);
    weights[5] = -2.5;
    const values = dequantise(quantise(weights, { rows: 2, columns: 32, bits, blockSize: 32 }));
    expect(values[5]).toBeCloseTo(-2.5, 6);
    expect([...values].filter((value) => value !== 0)).toHaveLength(1);
  });

  it("refuses weights that are not finite", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const weights = Float32Array.of(...new Array(31).fill(1), bad);
      expect(() => quantise(weights, { rows: 1, columns: 32, bits, blockSize: 32 })).toThrow("row 0");
    }
  });
});

it("puts the earlier of two 4-bit values in the low half", () => {
  const weights = new Float32Array(16);
  weights[0] = -8;
  weights[1] = 7;
  const { data, scales } = quantise(weights, { rows: 1, columns: 16, bits: 4, blockSize: 16 });
  expect(scales[0]).toBe(1);
  expect(data[0]).toBe(0 | (15 << 4));
});

it("refuses a matrix whose sizes do not fit", () => {
  expect(() => quantise(new Float32Array(5), { rows: 2, columns: 3, bits: 8, blockSize: 32 })).toThrow(
    "(2, 3)",
  );
});
