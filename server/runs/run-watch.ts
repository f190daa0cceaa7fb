/** @file Watching one run: what came since a page last knew it, then what comes. */
import { type TrackedEnvelope, tracked } from "@trpc/server";
import { and, asc, eq, gt, lte } from "drizzle-orm";
import { runEvents, runMetrics } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { type RunSummary, readRunSummary } from "./read-runs";
import { toTimelineRows } from "./read-timeline";
import { listenToRuns } from "./run-changes";
import type { TimelineRow } from "./timeline";

export type RunUpdate = {
  run: RunSummary;
  /** New since the update before, oldest first. */
  timeline: TimelineRow[];
  /** Steps that are new, or were computed again: replace what is shown of them. */
  metrics: { step: number; values: Record<string, number | null> }[];
  /** More is coming at once: a page that was away catches up. */
  isCatchingUp: boolean;
};

/** Numbers in one update; a page that was away for a night gets its backlog in several. */
const numbersPerUpdate = 2000;
/** A worker reports several times a second: pages are told less often. */
const quietMs = 250;

/**
 * Yields at once what is new since `lastEventId` (the `cursor` of `runs.get`, or the id of the last update; null: only
 * what comes), then on every change. The ids go on across reconnects, so nothing is missed or sent twice.
 * @throws {AppError} NOT_FOUND
 */
export async function* watchRun(
  db: Db,
  {
    runId,
    lastEventId,
    signal,
  }: { runId: string; lastEventId: string | null; signal?: AbortSignal | undefined },
): AsyncGenerator<TrackedEnvelope<RunUpdate>, void, void> {
  // Listening begins before the backlog is read: what comes in between is told by both.
  const changes = listenToRuns(runId, signal);
  try {
    let cursor = readCursor(lastEventId) ?? (await readRunSummary(db, runId)).cursor;
    do {
      for (;;) {
        const { update, upTo } = await readRunUpdate(db, runId, cursor);
        cursor = upTo;
        yield tracked(String(cursor), update);
        if (!update.isCatchingUp || signal?.aborted) break;
      }
      await pause(quietMs, signal);
    } while (!signal?.aborted && !(await changes.next()).done);
  } finally {
    await changes.return();
  }
}

/** Null for an id that is none of ours. */
function readCursor(lastEventId: string | null): number | null {
  return lastEventId !== null && /^\d{1,9}$/.test(lastEventId) ? Number(lastEventId) : null;
}

/** What is new since the number `after`, and where that leads. @throws {AppError} NOT_FOUND */
export async function readRunUpdate(
  db: Db,
  runId: string,
  after: number,
): Promise<{ update: RunUpdate; upTo: number }> {
  const run = await readRunSummary(db, runId);
  const upTo = Math.max(after, Math.min(run.cursor, after + numbersPerUpdate));
  const events = await db
    .select()
    .from(runEvents)
    .where(and(eq(runEvents.runId, runId), gt(runEvents.number, after), lte(runEvents.number, upTo)))
    .orderBy(asc(runEvents.number));
  const metrics = await db
    .select({ step: runMetrics.step, values: runMetrics.values })
    .from(runMetrics)
    .where(and(eq(runMetrics.runId, runId), gt(runMetrics.number, after), lte(runMetrics.number, upTo)))
    .orderBy(asc(runMetrics.step));
  const update: RunUpdate = {
    run,
    timeline: await toTimelineRows(db, events),
    metrics: metrics.map(({ step, values }) => ({ step, values: values as Record<string, number | null> })),
    isCatchingUp: upTo < run.cursor,
  };
  return { update, upTo };
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
  });
}
