/** @file Small draws (an integer below a bound, one of a list) from any source of random 32-bit words. */

export type Random = {
  /** A uniform integer in [0, bound), for bounds far below 2^32. */
  below(bound: number): number;
  /** One item of a non-empty list. */
  pick<T>(items: readonly T[]): T;
};

/** @param nextUint32 a uniform integer in [0, 2^32) at each call. */
export function createRandom(nextUint32: () => number): Random {
  const below = (bound: number) => Math.floor((nextUint32() / 2 ** 32) * bound);
  return {
    below,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new RangeError("pick: the list is empty");
      return items[below(items.length)] as T;
    },
  };
}
