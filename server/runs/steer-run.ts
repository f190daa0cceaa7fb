/** @file What people do to a run: pause, resume, cancel, move it in the queue. Of two who act at once, the second is told. */
import { eq, sql } from "drizzle-orm";
import { runs, users } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { type AuditAction, appendAudit } from "../domain/audit";
import { AppError } from "../errors";
import { type Act, refuseObstacles } from "./create-run";
import { publishRun } from "./run-changes";
import { findObstacles, readInputIds } from "./run-inputs";
import { appendTimeline, type RunAct, type RunStatus } from "./timeline";

export type Steer = "pause" | "resume" | "cancel";
export type RunRow = typeof runs.$inferSelect;

/** What an act makes of each status; what is missing cannot be done. */
const transitions: Record<Steer, Partial<Record<RunStatus, RunStatus>>> = {
  pause: { queued: "paused", running: "pausing" },
  resume: { paused: "queued", pausing: "running", failed: "queued" },
  cancel: { queued: "cancelled", running: "cancelling", pausing: "cancelling", paused: "cancelled" },
};

const audited: Record<Steer, AuditAction> = {
  pause: "run.paused",
  resume: "run.resumed",
  cancel: "run.cancelled",
};

/** A run that a worker holds is told so by its next heartbeat: it saves, then lets go. */
export async function steerRun(
  db: Db,
  { runId, steer, acceptErased = false }: { runId: string; steer: Steer; acceptErased?: boolean },
  { actorId, dataFolder }: Pick<Act, "actorId" | "dataFolder">,
): Promise<{ status: RunStatus }> {
  const status = await db.transaction(async (tx) => {
    const run = await lockRun(tx, runId);
    const next = transitions[steer][run.status];
    if (next === undefined) throw await explainConflict(tx, run, steer);
    if (steer === "resume") await checkInputs(tx, run, { acceptErased, dataFolder });
    await tx
      .update(runs)
      .set({
        status: next,
        changedBy: actorId,
        changedAt: new Date(),
        reason: null,
        endedAt: next === "cancelled" ? sql`now()` : null,
        ...(steer === "resume" && { kills: 0 }),
        ...(next === "queued" && {
          queuedAt: sql`now()`,
          notBefore: null,
          attempts: 0,
          hasProgressed: false,
        }),
      })
      .where(eq(runs.id, runId));
    await appendTimeline(tx, runId, [
      {
        kind: "state",
        step: run.step,
        payload: { status: next, act: pastTense[steer], actorId, workerId: null, reason: null },
      },
    ]);
    await appendAudit(tx, { actorId, action: audited[steer], subject: runId, details: { from: run.status } });
    return next;
  });
  publishRun(runId);
  return { status };
}

async function lockRun(tx: Tx, runId: string): Promise<RunRow> {
  const [run] = await tx.select().from(runs).where(eq(runs.id, runId)).for("update");
  if (!run) throw new AppError("NOT_FOUND", "There is no such run.");
  return run;
}

/** A run goes on from a checkpoint of its own, but it still reads its base and its data. */
async function checkInputs(
  tx: Tx,
  run: RunRow,
  { acceptErased, dataFolder }: { acceptErased: boolean; dataFolder: string },
): Promise<void> {
  const inputs = { ...run, ...(await readInputIds(tx, run.id)), dataFolder };
  refuseObstacles(await findObstacles(tx, inputs), acceptErased);
}

/** Says who was first, and what the run is now. */
async function explainConflict(tx: Tx, run: RunRow, steer: Steer): Promise<AppError> {
  const now = `Run ${run.number} is ${run.status} and cannot be ${pastTense[steer]}.`;
  const done = run.changedBy && run.changedAt && lastAct[run.status];
  if (!done || !run.changedBy || !run.changedAt) return new AppError("CONFLICT", now);
  const [person] = await tx.select({ name: users.name }).from(users).where(eq(users.id, run.changedBy));
  const seconds = Math.max(0, Math.round((Date.now() - run.changedAt.getTime()) / 1000));
  return new AppError("CONFLICT", `${person?.name ?? "Somebody"} ${done} it ${describeAge(seconds)}. ${now}`);
}

const pastTense = { pause: "paused", resume: "resumed", cancel: "cancelled" } as const satisfies Record<
  Steer,
  RunAct
>;

/** The act by which a person brings a run there. */
const lastAct: Partial<Record<RunStatus, string>> = {
  pausing: "paused",
  paused: "paused",
  queued: "resumed",
  running: "resumed",
  cancelling: "cancelled",
  cancelled: "cancelled",
};

function describeAge(seconds: number): string {
  if (seconds < 90) return `${seconds} seconds ago`;
  return seconds < 5400
    ? `${Math.round(seconds / 60)} minutes ago`
    : `${Math.round(seconds / 3600)} hours ago`;
}

/** Higher goes first. @throws {AppError} CONFLICT for a run that does not wait any more */
export async function prioritiseRun(
  db: Db,
  { runId, priority, actorId }: { runId: string; priority: number; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const run = await lockRun(tx, runId);
    if (run.status !== "queued" && run.status !== "paused") {
      throw new AppError("CONFLICT", `Run ${run.number} is ${run.status}: it waits in no queue.`);
    }
    await tx.update(runs).set({ priority }).where(eq(runs.id, runId));
    await appendAudit(tx, {
      actorId,
      action: "run.prioritised",
      subject: runId,
      details: { from: run.priority, to: priority },
    });
  });
  publishRun(runId);
}
