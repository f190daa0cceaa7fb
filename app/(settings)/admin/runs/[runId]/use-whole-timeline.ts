/** @file All rows of some kinds of a run's timeline, as far as a page can hold them. */
"use client";

import { useEffect } from "react";
import type { TimelineRow } from "@/app/_lib/api-types";
import { useTimeline } from "./use-timeline";

const rowsPerPage = 500;
const mostPages = 10;

type WholeTimelineQuery<K extends TimelineRow["kind"]> = {
  runId: string;
  kinds: readonly K[];
  newRows: readonly TimelineRow[];
};

/** @returns newest first; `isCut`: there are older ones that are not read */
export function useWholeTimeline<K extends TimelineRow["kind"]>(query: WholeTimelineQuery<K>) {
  const { rows, data, hasNextPage, isFetchingNextPage, fetchNextPage } = useTimeline({
    ...query,
    limit: rowsPerPage,
  });
  const isCut = hasNextPage && (data?.pages.length ?? 0) >= mostPages;
  const isNextDue = hasNextPage && !isCut && !isFetchingNextPage;
  useEffect(() => {
    if (isNextDue) void fetchNextPage();
  }, [isNextDue, fetchNextPage]);
  return { rows, isCut };
}
