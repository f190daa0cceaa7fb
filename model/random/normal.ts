/** @file Normal draws by Box and Muller over Philox: for weights at the start of training, and for simulated labelers. */
import { randomStreams } from "./permutation";
import { type Counter, philox } from "./philox";

/**
 * (size) independent draws of mean 0. Two come from each counter [initialisation, tensor, block, 0].
 * @param tensor the number of the tensor in its model's order of names, so that no two share draws
 */
export function normalTensor(seed: number, tensor: number, size: number, std: number): Float32Array {
  const values = new Float32Array(size);
  for (let at = 0; at < size; at += 2) {
    const [first, second] = normalPair(seed, [randomStreams.initialisation, tensor, at / 2, 0], std);
    values[at] = first;
    if (at + 1 < size) values[at + 1] = second;
  }
  return values;
}

/** Two independent draws of mean 0. */
export function normalPair(seed: number, counter: Counter, std = 1): [number, number] {
  const [a, b] = philox(seed, counter);
  // (a + 1) keeps the logarithm finite.
  const radius = std * Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32));
  const angle = (2 * Math.PI * b) / 2 ** 32;
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}
