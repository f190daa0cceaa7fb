/** @file Agreement figures in words: what a share counts, and what its interval is about. */
import type { AgreementFigure } from "@/app/_lib/api-types";
import { plural } from "@/app/_lib/format";

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
