/** @file Items in an order without an end, any of which can be told by its number alone. */
import { permutation } from "../../random/permutation";

/** The n-th of an endless row: all of the items in an order of the seed's, then all of them in another one. */
export function pick<T>(items: readonly T[], n: number, seed: number): T {
  const epoch = Math.floor(n / items.length);
  const order = orderOf(seed, epoch, items.length);
  const item = items[order[n % items.length] ?? 0];
  if (item === undefined) throw new RangeError("There is nothing to pick from");
  return item;
}

/** The same few are asked for again and again. */
const orders = new Map<string, Uint32Array>();
function orderOf(seed: number, epoch: number, size: number): Uint32Array {
  const key = `${seed} ${epoch} ${size}`;
  const known = orders.get(key) ?? permutation(seed, epoch, size);
  if (orders.size > 16) orders.clear();
  orders.set(key, known);
  return known;
}
