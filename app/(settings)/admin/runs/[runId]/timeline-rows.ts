/** @file Rows of a run's timeline as lists and charts need them: merged, placed on the axis, samples side by side. Knows no server. */
import type { TimelineRow } from "@/app/_lib/api-types";
import type { Curve } from "../_charts/curve-data";
import { nearestIndex } from "../_charts/curve-data";

type RowOf<K extends TimelineRow["kind"]> = Extract<TimelineRow, { kind: K }>;

/** What was read and what was told since, each once, newest first. */
export function mergeRows<R extends { number: number }>(read: readonly R[], told: readonly R[]): R[] {
  const byNumber = new Map([...read, ...told].map((row) => [row.number, row]));
  return [...byNumber.values()].sort((a, b) => b.number - a.number);
}

export function rowsOf<K extends TimelineRow["kind"]>(
  rows: readonly TimelineRow[],
  kinds: readonly K[],
): RowOf<K>[] {
  return rows.filter((row): row is RowOf<K> => kinds.some((kind) => kind === row.kind));
}

/** Where on the axis of steps something stands that has only a time: at the step that ended nearest to it. */
export function placeRow(
  { step, at }: { step: number | null; at: Date },
  loss: Curve | undefined,
  startedAt: Date | null,
): number | null {
  if (step !== null) return step;
  if (!loss || startedAt === null) return null;
  const known = loss.steps.flatMap((each, i) => {
    const seconds = loss.seconds[i];
    return typeof seconds === "number" ? [{ step: each, seconds }] : [];
  });
  const seconds = (new Date(at).getTime() - new Date(startedAt).getTime()) / 1000;
  const nearest = nearestIndex(
    known.map((each) => each.seconds),
    seconds,
  );
  return known[nearest]?.step ?? null;
}

type Told = { step: number; response: string };
export type SamplePair = {
  prompt: string;
  /** The first thing the run said to it, before it learned; null: the same as `then`. */
  before: Told | null;
  then: Told;
  /** The newest; null: the same as `then`. */
  now: Told | null;
};

/**
 * The samples of the last step at or before `step` (null: of the newest), each with what was said to the same prompt first, and last.
 * @returns no pairs where nothing was sampled that early; how many of the samples were erased
 */
export function samplesAt(
  rows: readonly RowOf<"sample">[],
  step: number | null,
): { at: number | null; pairs: SamplePair[]; erased: number } {
  const readable = rows.flatMap(({ step: at, payload }) => {
    if ("erased" in payload || at === null) return [];
    return [{ step: at, prompt: payload.prompt, response: payload.response }];
  });
  const steps = readable.map((sample) => sample.step).filter((at) => step === null || at <= step);
  const erased = rows.filter(({ payload }) => "erased" in payload).length;
  if (steps.length === 0) return { at: null, pairs: [], erased };
  const at = Math.max(...steps);
  const pairs = new Map<string, SamplePair>();
  for (const then of readable.filter((sample) => sample.step === at)) {
    const same = readable.filter(({ prompt }) => prompt === then.prompt).toSorted((a, b) => a.step - b.step);
    const [first, last] = [same.find((each) => each.step < at), same.findLast((each) => each.step > at)];
    if (pairs.has(then.prompt)) continue; // rows come newest first: a step computed again is said once
    pairs.set(then.prompt, { prompt: then.prompt, before: first ?? null, then, now: last ?? null });
  }
  return { at, pairs: [...pairs.values()].reverse(), erased };
}
