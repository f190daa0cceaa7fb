/** @file Agreement figures in words: a share never without its interval, its n and what the interval is about. */
import type { AgreementFigure } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";

type Shared = Pick<AgreementFigure, "share" | "low" | "high">;

/** 0.726 → "72.6". */
export const percent = (share: number): string => (100 * share).toFixed(1);

/** "72.6 % [70.1, 75.0]", or without the brackets where there is too little for an interval. */
export function describeShare({ share, low, high }: Shared): string {
  const interval = low === null || high === null ? "" : ` [${percent(low)}, ${percent(high)}]`;
  return `${percent(share)} %${interval}`;
}

/** What the interval speaks of, or why there is none. */
export function describeInterval({ low, unit, units }: AgreementFigure): string {
  const of = unit === "labelers" ? plural(units, "labeler", "labelers") : plural(units, "task", "tasks");
  return low === null ? `no interval from ${of} only` : `95 % interval over ${of}`;
}

export function describeCounts({ pairs, leftOut, tasks, labelers }: AgreementFigure): string {
  const tied = leftOut === 0 ? "" : ` (${plural(leftOut, "tied pair", "tied pairs")} left out)`;
  const counts = [plural(pairs, "pair", "pairs") + tied, plural(tasks, "task", "tasks")];
  return [...counts, plural(labelers, "labeler", "labelers")].join(", ");
}
