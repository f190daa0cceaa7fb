/** @file A run's timeline as it is read: page by page, with the names of those who acted. */
import { and, desc, eq, inArray, lt } from "drizzle-orm";
import { runEvents, users } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { readRunSummary } from "./read-runs";
import type { TimelineEntry, TimelineKind, TimelineRow } from "./timeline";

/** Newest first; rows before `before` (null: from the newest). @throws {AppError} NOT_FOUND */
export async function listTimeline(
  db: Db,
  {
    runId,
    kinds,
    before,
    limit,
  }: { runId: string; kinds?: readonly TimelineKind[] | undefined; before: number | null; limit: number },
): Promise<{ rows: TimelineRow[]; nextBefore: number | null }> {
  await readRunSummary(db, runId);
  const found = await db
    .select()
    .from(runEvents)
    .where(
      and(
        eq(runEvents.runId, runId),
        kinds && inArray(runEvents.kind, [...kinds]),
        before === null ? undefined : lt(runEvents.number, before),
      ),
    )
    .orderBy(desc(runEvents.number))
    .limit(limit + 1);
  const page = await toTimelineRows(db, found.slice(0, limit));
  return { rows: page, nextBefore: found.length > limit ? (page.at(-1)?.number ?? null) : null };
}

type EventRow = typeof runEvents.$inferSelect;

/** In the order given. */
export async function toTimelineRows(db: Db, rows: readonly EventRow[]): Promise<TimelineRow[]> {
  const entries = rows.map(({ number, step, at, kind, payload }) => {
    // Written by `appendTimeline` alone, whose type pairs each kind with its payload.
    return { number, step, at, entry: { kind, payload } as TimelineEntry };
  });
  const names = await readNames(
    db,
    entries.flatMap(({ entry }) => (entry.kind === "state" && entry.payload.actorId) || []),
  );
  return entries.map(({ entry, ...place }) => {
    if (entry.kind !== "state") return { ...place, ...entry };
    const actor = names.get(entry.payload.actorId ?? "") ?? null;
    return { ...place, kind: entry.kind, payload: { ...entry.payload, actor } };
  });
}

async function readNames(db: Db, userIds: readonly string[]): Promise<Map<string, string>> {
  if (userIds.length === 0) return new Map();
  const rows = await db
    .select({ id: users.id, name: users.name })
    .from(users)
    .where(inArray(users.id, [...new Set(userIds)]));
  return new Map(rows.map(({ id, name }) => [id, name]));
}
