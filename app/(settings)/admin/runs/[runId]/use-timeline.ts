/** @file Rows of some kinds of a run's timeline: read page by page, with what is told live on top. */
"use client";

import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { TimelineRow } from "@/app/_lib/api-types";
import { useTRPC, useTRPCClient } from "@/app/_lib/trpc";
import { mergeRows, rowsOf } from "./timeline-rows";

type Kind = TimelineRow["kind"];
type TimelineQuery<K extends Kind> = {
  runId: string;
  kinds: readonly K[];
  newRows: readonly TimelineRow[];
  limit: number;
};

export function useTimeline<K extends Kind>({ runId, kinds, newRows, limit }: TimelineQuery<K>) {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const query = useInfiniteQuery({
    queryKey: [...trpc.runs.timeline.pathKey(), { runId, kinds, limit }],
    queryFn: ({ pageParam: before, signal }) =>
      client.runs.timeline.query({ runId, kinds: [...kinds], limit, before }, { signal }),
    initialPageParam: null as number | null,
    getNextPageParam: ({ nextBefore }) => nextBefore,
  });
  const pages = query.data?.pages;
  const rows = useMemo(() => {
    const read = pages?.flatMap((page) => page.rows) ?? [];
    return mergeRows(rowsOf(read, kinds), rowsOf(newRows, kinds));
  }, [pages, newRows, kinds]);
  return { ...query, rows };
}
