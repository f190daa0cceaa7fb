import { expect, it } from "vitest";
import { philox, philoxBlock, uniform } from "@/model/random/philox";

// Known answers of Random123 1.09, kat_vectors, philox4x32 with 10 rounds: counter, key, result.
const knownAnswers = [
  {
    counter: [0, 0, 0, 0],
    key: [0, 0],
    words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
  },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const;

it.each(knownAnswers)("gives Random123's known answer for counter $counter", ({ counter, key, words }) => {
  expect(philoxBlock(key[0], key[1], counter)).toEqual(words);
});

it("splits a seed of up to 53 bits over both key words", () => {
  expect(philox(2 ** 32 + 7, [1, 2, 3, 4])).toEqual(philoxBlock(7, 1, [1, 2, 3, 4]));
});

it("draws uniformly: mean 1/2 and variance 1/12 over 20,000 positions", () => {
  const draws = Array.from({ length: 20_000 }, (_, position) => uniform(42, [0, 0, 0, position]));
  const mean = draws.reduce((a, b) => a + b) / draws.length;
  const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length;
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...draws)).toBeLessThan(1);
  // Four standard errors of each estimate.
  expect(Math.abs(mean - 1 / 2)).toBeLessThan(4 * Math.sqrt(1 / 12 / 20_000));
  expect(Math.abs(variance - 1 / 12)).toBeLessThan(4 * Math.sqrt(1 / 180 / 20_000));
});
