/** @file The guard rail that a run waits at now, if it does. */
"use client";

import type { RunDetail, TimelineRow } from "@/app/_lib/api-types";
import { useTimeline } from "./use-timeline";

const kinds = ["incident"] as const;

/** Null: it is not paused, or for another reason. */
export function useGuardRail(
  run: RunDetail,
  newRows: readonly TimelineRow[],
): { rule: string; text: string } | null {
  const { rows } = useTimeline({ runId: run.id, kinds, newRows, limit: 500 });
  if (run.status !== "paused") return null;
  const found = rows.find(({ payload }) => payload.what === "guardRail" && payload.text === run.reason);
  return found ? { rule: found.payload.rule ?? "", text: found.payload.text } : null;
}
