/** @file Watches one run: what is read once, what is told since, and asking now and then where telling fails. */
"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useSubscription } from "@trpc/tanstack-react-query";
import { useEffect, useRef, useState } from "react";
import type { RunDetail, RunMetrics, RunSummary, RunUpdate, TimelineRow } from "@/app/_lib/api-types";
import { useTRPC } from "@/app/_lib/trpc";
import { useIsPageVisible } from "@/app/_lib/use-is-page-visible";
import { chartPoints, type Values } from "../_charts/curve-data";
import { isUnderWay } from "../run-status";

/** Steps told since the curves were read; beyond it they are read anew, thinned out by the server. */
const mostFresh = 1_000;
const mostRows = 2_000;
const pollMs = 10_000;
const reconnectAfterMs = [1_000, 2_000, 4_000, 8_000, 15_000];

export type WatchedRun = {
  run: RunDetail;
  metrics: RunMetrics | null;
  /** Told since `metrics` was read, by step. */
  fresh: ReadonlyMap<number, Values>;
  /** Told since the page came. */
  newRows: readonly TimelineRow[];
  isConnected: boolean;
  isCatchingUp: boolean;
  /** Reads the curves anew. */
  rereadMetrics: () => void;
};

export function useRunWatch(initialRun: RunDetail, initialMetrics: RunMetrics[]): WatchedRun {
  const runId = initialRun.id;
  const trpc = useTRPC();
  const queries = useQueryClient();
  const isVisible = useIsPageVisible();
  const [told, setTold] = useState<RunSummary | null>(null);
  const [fresh, setFresh] = useState<ReadonlyMap<number, Values>>(new Map());
  const [newRows, setNewRows] = useState<readonly TimelineRow[]>([]);
  const [isConnected, setIsConnected] = useState(true);
  const [isCatchingUp, setIsCatchingUp] = useState(false);
  // Where the next connection goes on from; within one, the client library resumes by itself.
  const [startAt, setStartAt] = useState(initialRun.cursor);
  const cursor = useRef(initialRun.cursor);
  const failures = useRef(0);
  const isReading = useRef(false);

  const detail = useQuery(trpc.runs.get.queryOptions({ runId }, { initialData: initialRun }));
  const metrics = useQuery(
    trpc.runs.metrics.queryOptions({ runIds: [runId], points: chartPoints }, { initialData: initialMetrics }),
  );
  const run = told && told.cursor >= detail.data.cursor ? { ...detail.data, ...told } : detail.data;

  const rereadMetrics = async () => {
    if (isReading.current) return;
    isReading.current = true;
    const known = fresh;
    await metrics.refetch();
    isReading.current = false;
    // What was told while they were read stays: it may not be in them.
    setFresh((now) => new Map([...now].filter(([step, values]) => known.get(step) !== values)));
  };

  const reloadTimeline = () => {
    setNewRows([]);
    void queries.invalidateQueries({ queryKey: trpc.runs.timeline.pathKey() });
  };

  const take = ({ run: summary, timeline, metrics: steps, isCatchingUp: isBehind }: RunUpdate) => {
    failures.current = 0;
    cursor.current = summary.cursor;
    setIsConnected(true);
    setIsCatchingUp(isBehind);
    setTold(summary);
    if (steps.length > 0) {
      setFresh((now) => new Map([...now, ...steps.map(({ step, values }) => [step, values] as const)]));
    }
    if (timeline.length > 0) setNewRows((now) => [...now, ...timeline]);
    // Rows that were erased are told about, not sent again.
    if (timeline.some(({ kind, payload }) => kind === "incident" && payload.what === "dataErased"))
      reloadTimeline();
    if (timeline.some(({ kind }) => kind === "state" || kind === "checkpoint" || kind === "incident")) {
      void detail.refetch();
    }
  };

  const subscription = useSubscription(
    trpc.runs.watch.subscriptionOptions(
      { runId, lastEventId: String(startAt) },
      {
        enabled: isVisible,
        onData: ({ id, data }) => {
          take(data);
          cursor.current = Number(id);
        },
        onConnectionStateChange: ({ state, error }) => {
          if (state === "connecting" && error) setIsConnected(false);
        },
        onError: () => {
          setIsConnected(false);
          const delay = reconnectAfterMs[Math.min(failures.current, reconnectAfterMs.length - 1)];
          failures.current += 1;
          setTimeout(() => {
            setStartAt(cursor.current);
            subscription.reset();
          }, delay);
        },
      },
    ),
  );

  useEffect(() => {
    // Hidden tabs hold no connection; coming back goes on from what was told last.
    if (!isVisible) setStartAt(cursor.current);
  }, [isVisible]);

  useEffect(() => {
    if (isConnected || !isVisible) return;
    const timer = setInterval(() => {
      for (const key of [trpc.runs.get, trpc.runs.metrics, trpc.runs.timeline]) {
        void queries.invalidateQueries({ queryKey: key.pathKey() });
      }
    }, pollMs);
    return () => clearInterval(timer);
  }, [isConnected, isVisible, queries, trpc]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the functions change with every render, their meaning does not
  useEffect(() => {
    if (isCatchingUp) return;
    if (fresh.size > mostFresh) void rereadMetrics();
    if (newRows.length > mostRows) reloadTimeline();
  }, [fresh.size, newRows.length, isCatchingUp]);

  return {
    run,
    metrics: metrics.data[0] ?? null,
    fresh,
    newRows,
    isConnected: isConnected || !isUnderWay(run.status),
    isCatchingUp,
    rereadMetrics: () => void rereadMetrics(),
  };
}
