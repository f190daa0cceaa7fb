/** @file Curves as charts take them: what was read and what came since in one series, several series over one axis. Knows no chart. */
import type { MetricSeries, RunMetrics } from "@/app/_lib/api-types";

/** In each curve, at most: as many as a wide screen has room for. */
export const chartPoints = 500;

export type Values = Record<string, number | null>;
/** One metric over steps, in order; the arrays have one length. */
export type Curve = {
  steps: number[];
  seconds: (number | null)[];
  means: (number | null)[];
  mins: (number | null)[];
  maxs: (number | null)[];
};
export type Curves = ReadonlyMap<string, Curve>;

/**
 * Lays what came since (`fresh`, by step) over what was read. A step computed again replaces what it said, except inside a
 * thinned point, which cannot be taken apart: `isStale` says so, and the curves are to be read anew.
 */
export function mergeCurves(
  read: RunMetrics | null,
  fresh: ReadonlyMap<number, Values>,
): { curves: Curves; isStale: boolean } {
  const curves = new Map((read?.series ?? []).map((series) => [series.name, copy(series)]));
  const isThinned = (read?.stepsPerPoint ?? 1) > 1;
  const lastStep = read?.lastStep ?? -1;
  let isStale = false;
  for (const [step, values] of [...fresh].sort(([a], [b]) => a - b)) {
    if (isThinned && step <= lastStep) {
      isStale = true;
      continue;
    }
    for (const [name, value] of Object.entries(values)) {
      const curve = curves.get(name) ?? { steps: [], seconds: [], means: [], mins: [], maxs: [] };
      put(curve, step, value);
      curves.set(name, curve);
    }
  }
  return { curves, isStale };
}

const copy = ({ steps, seconds, means, mins, maxs }: MetricSeries): Curve => ({
  steps: [...steps],
  seconds: [...seconds],
  means: [...means],
  mins: [...mins],
  maxs: [...maxs],
});

function put(curve: Curve, step: number, value: number | null): void {
  let at = curve.steps.length;
  while (at > 0 && (curve.steps[at - 1] ?? 0) >= step) at--;
  const replaced = curve.steps[at] === step ? 1 : 0;
  const seconds = replaced ? (curve.seconds[at] ?? null) : null;
  curve.steps.splice(at, replaced, step);
  curve.seconds.splice(at, replaced, seconds);
  for (const values of [curve.means, curve.mins, curve.maxs]) values.splice(at, replaced, value);
}

export type Points = { xs: readonly number[]; ys: readonly (number | null)[] };

/** Several lines over the union of their places; null where a line has none. Places without order are put in order. */
export function alignLines(lines: readonly Points[]): { xs: number[]; columns: (number | null)[][] } {
  const xs = [...new Set(lines.flatMap((line) => [...line.xs]))].sort((a, b) => a - b);
  const place = new Map(xs.map((x, at) => [x, at]));
  const columns = lines.map((line) => {
    const column = new Array<number | null>(xs.length).fill(null);
    for (const [i, x] of line.xs.entries()) column[place.get(x) ?? 0] = line.ys[i] ?? null;
    return column;
  });
  return { xs, columns };
}

export const axes = ["step", "time", "tokens"] as const;
export type Axis = (typeof axes)[number];

/**
 * A curve's points by step, by hours since its run began, or by millions of tokens seen (`tokensSeen`, another curve of the
 * same run). Points whose place is not known are left out.
 */
export function placeOn(
  axis: Axis,
  curve: Curve,
  tokensSeen: Curve | undefined,
): Points & { steps: readonly number[] } {
  if (axis === "step") return { xs: curve.steps, ys: curve.means, steps: curve.steps };
  const tokensAt = new Map(tokensSeen?.steps.map((step, i) => [step, tokensSeen.maxs[i] ?? null]));
  // An evaluation may be told of a step of which no tokens are: it lies where the step before it ended.
  let tokens: number | null = 0;
  const xs: number[] = [];
  const ys: (number | null)[] = [];
  const steps: number[] = [];
  for (const [i, step] of curve.steps.entries()) {
    tokens = tokensAt.get(step) ?? tokens;
    const seconds = curve.seconds[i] ?? null;
    const x = axis === "time" ? (seconds === null ? null : seconds / 3600) : tokensSeen ? tokens / 1e6 : null;
    if (x === null) continue;
    xs.push(x);
    ys.push(curve.means[i] ?? null);
    steps.push(step);
  }
  return { xs, ys, steps };
}

/** The place nearest to x; -1 without places. `xs` in order. */
export function nearestIndex(xs: readonly number[], x: number): number {
  let low = 0;
  let high = xs.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((xs[middle] ?? 0) < x) low = middle + 1;
    else high = middle;
  }
  const before = low > 0 ? (xs[low - 1] ?? 0) : Number.NEGATIVE_INFINITY;
  return x - before < (xs[low] ?? 0) - x ? low - 1 : low;
}

/** The newest value of a column at or before a place: sparse lines have none at most places. */
export function valueAt(column: readonly (number | null)[], at: number): number | null {
  for (let i = at; i >= 0; i--) {
    const value = column[i];
    if (value !== null && value !== undefined) return value;
  }
  return null;
}

/** At most `count` places spread evenly, the first and the last among them, for a table. */
export function spread(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: count }, (_, i) => Math.round((i * (length - 1)) / (count - 1)));
}
