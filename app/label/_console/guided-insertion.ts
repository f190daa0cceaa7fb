/** @file Guided ranking: answers are inserted one by one by side-by-side choices, by binary search among the tiers. */
import { type Choice, placeAt, type Tiers, tieWith } from "./board";

/** Where `id` may still belong: before the tier with index `low`…`high`. */
export type Insertion = { id: string; low: number; high: number };
export type Guided = { tiers: Tiers; insertion: Insertion | null };

/** Goes on with the first one that is not placed. The very first needs no choice. Null insertion: all are placed. */
export function nextInsertion(tiers: Tiers, unplaced: readonly string[]): Guided {
  const [first, second] = unplaced;
  if (first === undefined) return { tiers, insertion: null };
  if (tiers.length > 0) return { tiers, insertion: { id: first, low: 0, high: tiers.length } };
  const begun = [[first]];
  return { tiers: begun, insertion: second === undefined ? null : { id: second, low: 0, high: 1 } };
}

/** The answer to compare with: one of the tier in the middle. */
export function opponentOf(tiers: Tiers, { low, high }: Insertion): string {
  const opponent = tiers[middle(low, high)]?.[0];
  if (opponent === undefined) throw new RangeError(`No tier ${middle(low, high)} among ${tiers.length}.`);
  return opponent;
}

/** `choice` is of the inserted answer over its opponent. Null insertion: it has found its place. */
export function choose(tiers: Tiers, insertion: Insertion, choice: Choice): Guided {
  const { id, low, high } = insertion;
  const tier = middle(low, high);
  if (choice === "tie") return { tiers: tieWith(tiers, id, opponentOf(tiers, insertion)), insertion: null };
  const left = choice === "better" ? { id, low, high: tier } : { id, low: tier + 1, high };
  if (left.low < left.high) return { tiers, insertion: left };
  return { tiers: placeAt(tiers, id, left.low + 1), insertion: null };
}

/** The most choices that ranking `count` answers can take: the sum of ceil(log2(n + 1)); 21 for nine. */
export function mostChoices(count: number): number {
  return Array.from({ length: Math.max(0, count - 1) }, (_, i) => Math.ceil(Math.log2(i + 2))).reduce(
    (sum, choices) => sum + choices,
    0,
  );
}

const middle = (low: number, high: number) => Math.floor((low + high) / 2);
