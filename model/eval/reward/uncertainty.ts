/**
 * @file Whether an ensemble knows what it does not know: accuracy where its members differ least about the order of a pair,
 * and where they differ most. Beside it the same by the margin alone, for a doubt that only says again that a margin is
 * small is worth nothing.
 */
import type { BootstrapOptions } from "../bootstrap";
import { accuracyOf, type Figure } from "./accuracy";
import { orderDoubt } from "./member-spread";
import type { ScoredPair } from "./scored-prompt";

export type Tercile = {
  /** The least and the greatest value in it. */
  from: number;
  to: number;
  accuracy: Figure;
};

export type Uncertainty = {
  members: number;
  /** Mean over pairs of the deviation of their margin, and of the margin's size. */
  meanDeviation: number;
  meanMargin: number;
  /** Pairs by the members' doubt of their order (`orderDoubt`), the surest third first. */
  byDoubt: Tercile[];
  /** Pairs by the size of their margin, the widest third first. */
  byMargin: Tercile[];
};

const parts = 3;

/** @returns undefined where the model has one head, or where there are too few pairs for thirds of them */
export function uncertaintyOf(
  pairs: readonly ScoredPair[],
  members: number,
  options: BootstrapOptions,
): Uncertainty | undefined {
  const known = pairs.flatMap((pair) => (pair.deviation === null ? [] : { pair, deviation: pair.deviation }));
  if (members < 2 || known.length < parts) return undefined;
  const widths = known.map(({ pair }) => ({ pair, value: Math.abs(pair.margin) }));
  const doubts = known.map(({ pair, deviation }) => ({ pair, value: orderDoubt(pair.margin, deviation) }));
  return {
    members,
    meanDeviation: known.reduce((sum, { deviation }) => sum + deviation, 0) / known.length,
    meanMargin: meanOf(widths),
    byDoubt: terciles(doubts, options),
    byMargin: terciles(widths, options).toReversed(),
  };
}

type Valued = { pair: ScoredPair; value: number };

/** From the least values on. */
function terciles(valued: readonly Valued[], options: BootstrapOptions): Tercile[] {
  // Stable, so that ties fall the same way each time.
  const sorted = valued.toSorted((a, b) => a.value - b.value);
  return Array.from({ length: parts }, (_, part) => {
    const at = (edge: number) => Math.round((sorted.length * edge) / parts);
    const own = sorted.slice(at(part), at(part + 1));
    return {
      from: own[0]?.value ?? 0,
      to: own.at(-1)?.value ?? 0,
      accuracy: accuracyOf(
        own.map(({ pair }) => pair),
        options,
      ),
    };
  });
}

const meanOf = (valued: readonly Valued[]) =>
  valued.reduce((sum, { value }) => sum + value, 0) / valued.length;
