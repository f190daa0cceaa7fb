/** @file One agreement figure: a share with its interval, what the interval resamples, and how much stands behind it. */
import { agreementOf, labelersOf, type Meeting, type TieRule } from "@/model/eval/agreement";
import { fewestUnits } from "@/model/eval/bootstrap";

export type Figure = {
  /** Of the pairs that count, 0 to 1. */
  share: number;
  /** 95 %; null where there are too few units to tell. */
  low: number | null;
  high: number | null;
  /** What the interval resamples: `labelers` speaks of others like these, `tasks` of these people only. */
  unit: "labelers" | "tasks";
  units: number;
  /** Pairs of responses that count, and those that the tie rule leaves out. */
  pairs: number;
  leftOut: number;
  tasks: number;
  labelers: number;
  /** Kendall's tau-b, the mean over `meetings` of two rankings where it is defined. */
  tauB: number | null;
  meetings: number;
};

export type FigureOptions = {
  tieRule: TieRule;
  /** The labeler whom the figure is about. */
  about?: string;
  /** Of figures about fixed people: those with oneself, of one pair. */
  unit?: "labelers" | "tasks";
};

/**
 * A page has up to two hundred figures, and drawing is what takes its time: fewer resamples where one draws many units,
 * whose interval is narrow.
 */
const resamplesOf = (units: number) => Math.max(400, Math.min(1_000, Math.floor(200_000 / units)));

/**
 * Resamples labelers where there are enough of them; else tasks, for a small team is fixed people.
 * @returns null where no pair counts
 */
export function figureOf(
  meetings: readonly Meeting[],
  { tieRule, about, unit = "labelers" }: FigureOptions,
): Figure | null {
  const people = new Set(meetings.flatMap(labelersOf));
  const drawn = [...people].filter((labeler) => labeler !== about).length;
  const tasks = new Set(meetings.map(({ task }) => task)).size;
  const chosen = unit === "labelers" && drawn < fewestUnits ? "tasks" : unit;
  const agreement = agreementOf(meetings, {
    tieRule,
    unit: chosen,
    seed: 1,
    resamples: resamplesOf(Math.max(1, chosen === "tasks" ? tasks : drawn)),
    ...(about !== undefined && { about }),
  });
  const { share, interval, pairs, leftOut, tauB, units } = agreement;
  if (share === null) return null;
  return {
    share,
    low: interval?.low ?? null,
    high: interval?.high ?? null,
    unit: chosen,
    units,
    pairs,
    leftOut,
    tasks,
    labelers: people.size,
    tauB,
    meetings: meetings.length,
  };
}
