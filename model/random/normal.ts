/** @file Normal draws for weights at the start of training, by Box and Muller over Philox. */
import { randomStreams } from "./permutation";
import { philox } from "./philox";

/**
 * (size) independent draws of mean 0. Two come from each counter [initialisation, tensor, block, 0].
 * @param tensor the number of the tensor in its model's order of names, so that no two share draws
 */
export function normalTensor(seed: number, tensor: number, size: number, std: number): Float32Array {
  const values = new Float32Array(size);
  for (let at = 0; at < size; at += 2) {
    const [a, b] = philox(seed, [randomStreams.initialisation, tensor, at / 2, 0]);
    // (a + 1) keeps the logarithm finite.
    const radius = std * Math.sqrt(-2 * Math.log((a + 1) / 2 ** 32));
    const angle = (2 * Math.PI * b) / 2 ** 32;
    values[at] = radius * Math.cos(angle);
    if (at + 1 < size) values[at + 1] = radius * Math.sin(angle);
  }
  return values;
}
