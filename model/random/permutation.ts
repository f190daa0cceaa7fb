/** @file A reproducible order of n things: Fisher-Yates over Philox draws, the same in any language (docs/formats.md). */
import { uniform } from "./philox";

/** Counter streams, so that draws for different purposes never meet. The numbers are part of the file formats. */
export const randomStreams = {
  sampling: 0,
  dataOrder: 1,
  initialisation: 2,
  dropout: 3,
  text: 4,
  bootstrap: 5,
  simulatedLabelers: 6,
} as const;

/**
 * For i from n - 1 down to 1, swaps places i and floor(u * (i + 1)), where u = uniform(seed, [dataOrder, epoch, i, 0]).
 * @returns (n) where the place's number stands in the new order
 */
export function permutation(seed: number, epoch: number, size: number): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, place) => place);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(uniform(seed, [randomStreams.dataOrder, epoch, i, 0]) * (i + 1));
    const [atI, atJ] = [order[i] ?? 0, order[j] ?? 0];
    order[i] = atJ;
    order[j] = atI;
  }
  return order;
}
