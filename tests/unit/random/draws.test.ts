/** @file Orders and normal draws over Philox: the vectors of docs/formats.md, and the distributions. */
import { expect, test } from "vitest";
import { normalTensor } from "@/model/random/normal";
import { permutation } from "@/model/random/permutation";
import { uniform } from "@/model/random/philox";

test("a permutation holds every place once and depends on seed and epoch", () => {
  const order = permutation(7, 0, 1000);
  expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, place) => place));
  expect(permutation(7, 0, 1000)).toEqual(order);
  expect(permutation(7, 1, 1000)).not.toEqual(order);
  expect(permutation(8, 0, 1000)).not.toEqual(order);
});

test("the permutation of the format's test vector", () => {
  expect([...permutation(1, 0, 10)]).toEqual([9, 6, 2, 1, 7, 3, 0, 4, 5, 8]);
  expect([...permutation(2 ** 40 + 3, 5, 6)]).toEqual([2, 5, 3, 1, 0, 4]);
});

test("uniform and normal draws of the format's test vectors", () => {
  expect(uniform(1, [1, 0, 9, 0])).toBe(0.8996177595546436);
  expect(uniform(2 ** 40 + 3, [0, 7, 2, 5])).toBe(0.22664367815797826);
  // Nine digits name a float32.
  const draws = (...of: Parameters<typeof normalTensor>) =>
    [...normalTensor(...of)].map((draw) => Number(draw.toPrecision(9)));
  expect(draws(1, 0, 3, 1)).toEqual([-1.5671556, -0.580955207, -0.621866643]);
  expect(draws(2 ** 40 + 3, 7, 3, 1)).toEqual([-0.105134986, 0.760273218, 1.23452771]);
});

test("normal draws have the mean and deviation asked for, and tensors do not share them", () => {
  const draws = normalTensor(3, 0, 20_001, 0.02);
  const mean = draws.reduce((a, b) => a + b, 0) / draws.length;
  const deviation = Math.sqrt(draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length);
  // Four standard errors of each estimate.
  expect(Math.abs(mean)).toBeLessThan((4 * 0.02) / Math.sqrt(20_001));
  expect(Math.abs(deviation - 0.02)).toBeLessThan((4 * 0.02) / Math.sqrt(2 * 20_001));
  expect(normalTensor(3, 1, 4, 0.02)).not.toEqual(draws.slice(0, 4));
});
