/** @file Small draws (an integer below a bound, one of a list) in sequence, over Philox. */
import { randomStreams } from "./permutation";
import { uniform } from "./philox";

export type Random = {
  /** A uniform integer in [0, bound). */
  below(bound: number): number;
  /** One item of a non-empty list. */
  pick<T>(items: readonly T[]): T;
};

/** The n-th draw reads counter [text, 0, 0, n]. */
export function createRandom(seed: number): Random {
  let drawn = 0;
  const below = (bound: number) => Math.floor(uniform(seed, [randomStreams.text, 0, 0, drawn++]) * bound);
  return {
    below,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new RangeError("pick: the list is empty");
      return items[below(items.length)] as T;
    },
  };
}
