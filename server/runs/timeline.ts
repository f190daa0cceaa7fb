/** @file A run's timeline: appending to it in one order that readers can follow without missing a row. */
import { sql } from "drizzle-orm";
import type { z } from "zod";
import { runEvents, runStatuses, runs, timelineKinds } from "@/drizzle/schema";
import type { Tx } from "../db/db";
import type { incidentPayload, logPayload, phasePayload, samplePayload } from "./protocol";

export { runStatuses, timelineKinds };
export type RunStatus = (typeof runStatuses)[number];

export type RunAct = "started" | "paused" | "resumed" | "cancelled" | "ended";

type Payloads = {
  log: z.infer<typeof logPayload>;
  /** Null where its row was erased. */
  sample: z.infer<typeof samplePayload> | { erased: true };
  incident: z.infer<typeof incidentPayload>;
  phase: z.infer<typeof phasePayload>;
  /** What it became, and why. */
  state: {
    status: RunStatus;
    /** What a person did to bring it there; left out: the server or a worker did. */
    act?: RunAct;
    /** Who did; null beside an act: somebody at the server's command line. */
    actorId: string | null;
    workerId: string | null;
    reason: string | null;
    /** Number of the run it was started as a copy of. */
    copyOf?: number;
  };
  checkpoint: { checkpointId: string; isBest: boolean };
};

export type TimelineKind = keyof Payloads;
type Entry<K extends TimelineKind> = { kind: K; payload: Payloads[K] };
export type TimelineEntry = { [K in TimelineKind]: Entry<K> }[TimelineKind];
export type NewTimelineRow = TimelineEntry & { step?: number | null; sequence?: number };
/** As it is read: with the name of whoever acted, as it is now; null where the account is gone, or nobody acted. */
export type TimelineRow = (
  | Exclude<TimelineEntry, { kind: "state" }>
  | { kind: "state"; payload: Payloads["state"] & { actor: string | null } }
) & { number: number; step: number | null; at: Date };

/**
 * Reserves this many numbers and returns the first. Locks the run until the transaction ends: rows of one run become
 * visible in the order of their numbers.
 */
export async function reserveNumbers(tx: Tx, runId: string, count: number): Promise<number> {
  const { rows } = await tx.execute<{ last: number }>(
    sql`update ${runs} set last_number = last_number + ${count} where id = ${runId} returning last_number as last`,
  );
  const last = rows[0]?.last;
  if (last === undefined) throw new Error(`There is no run ${runId} to write a timeline of.`);
  return last - count + 1;
}

/** Call `publishRun` when the transaction has ended. */
export async function appendTimeline(
  tx: Tx,
  runId: string,
  entries: readonly NewTimelineRow[],
): Promise<void> {
  if (entries.length === 0) return;
  const first = await reserveNumbers(tx, runId, entries.length);
  await tx.insert(runEvents).values(
    entries.map(({ kind, payload, step, sequence }, i) => ({
      runId,
      number: first + i,
      kind,
      payload,
      step: step ?? null,
      sequence: sequence ?? null,
    })),
  );
}
