/** @file Who holds a run: leases with fencing numbers, prolonged by heartbeats, given back, or lost. */
import { and, eq, isNull, lt, sql } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import { checkpoints, runs } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { notify } from "../domain/notifications";
import type {
  CompleteRequest,
  EndAnswer,
  FailRequest,
  HeartbeatAnswer,
  HeartbeatRequest,
  IncidentKind,
  Order,
  ReleaseRequest,
} from "./protocol";
import { publishRun } from "./run-changes";
import { checkMeasured } from "./run-evaluation";
import type { RunRow } from "./steer-run";
import { appendTimeline, type RunStatus } from "./timeline";
import { WorkerError } from "./worker-error";
import type { CallingWorker } from "./workers";

/** What every message of a worker is handled with. */
export type WorkerCall = { db: Db; worker: CallingWorker; dataFolder: string; leaseSeconds: number };

/** Failures of its code, without a checkpoint in between, after which a run is given up. */
export const maxAttempts = 3;
const retryWaitSeconds = 5;

/** By the clock of the database, as every moment that is compared: a worker's or a web process's may be hours off. */
export const secondsFromNow = (seconds: number) => sql<Date>`now() + make_interval(secs => ${seconds})`;

/**
 * The run, if this worker holds it under this fencing number; its lease is prolonged. Locks the row until the
 * transaction ends.
 * @throws {WorkerError} leaseLost, notFound
 */
export async function holdLease(
  tx: Tx,
  { worker, leaseSeconds }: Pick<WorkerCall, "worker" | "leaseSeconds">,
  { runId, fencing }: { runId: string; fencing: number },
): Promise<RunRow> {
  const [run] = await tx
    .update(runs)
    .set({ leaseExpiresAt: secondsFromNow(leaseSeconds) })
    .where(and(eq(runs.id, runId), eq(runs.fencing, fencing), eq(runs.workerId, worker.id)))
    .returning();
  return run ?? Promise.reject(await explainLoss(tx, runId, fencing));
}

async function explainLoss(tx: Tx, runId: string, fencing: number): Promise<WorkerError> {
  const [run] = await tx.select().from(runs).where(eq(runs.id, runId));
  if (!run) return new WorkerError("notFound", "There is no such run.");
  const holder = run.workerId ? "another lease holds it" : `it is ${run.status}`;
  return new WorkerError(
    "leaseLost",
    `Lease ${fencing} of run ${run.number} has ended (now ${run.fencing}; ${holder}). Nothing of this was stored: stop, and claim again.`,
    { status: run.status, fencing: run.fencing },
  );
}

const orderOf: Partial<Record<RunStatus, Order>> = { pausing: "pause", cancelling: "cancel" };

/** Prolongs the lease, and tells what people want of the run. */
export async function heartbeat(
  call: WorkerCall,
  runId: string,
  { fencing, step, totalSteps }: HeartbeatRequest,
): Promise<HeartbeatAnswer> {
  const { status } = await call.db.transaction(async (tx) => {
    const run = await holdLease(tx, call, { runId, fencing });
    if (step !== undefined || totalSteps !== undefined) {
      await tx.update(runs).set({ step, totalSteps }).where(eq(runs.id, runId));
    }
    return run;
  });
  publishRun(runId);
  return { order: orderOf[status] ?? "continue", leaseSeconds: call.leaseSeconds };
}

const withoutLease = { workerId: null, workerSession: null, leaseExpiresAt: null };

type Ending = {
  status: RunStatus;
  reason?: string | null;
  incident?: { what: IncidentKind; text: string };
  /** Other columns to set. */
  columns?: PgUpdateSetSource<typeof runs>;
};

/** Takes the lease away and writes what became of the run. */
export async function endLease(tx: Tx, run: RunRow, ending: Ending): Promise<void> {
  const { status, reason = null, incident, columns } = ending;
  const isOver = status === "finished" || status === "failed" || status === "cancelled";
  await tx
    .update(runs)
    .set({ ...withoutLease, ...columns, status, reason, ...(isOver && { endedAt: sql`now()` }) })
    .where(eq(runs.id, run.id));
  await appendTimeline(tx, run.id, [
    ...(incident ? [{ kind: "incident" as const, step: run.step, payload: incident }] : []),
    { kind: "state", step: run.step, payload: { status, actorId: null, workerId: run.workerId, reason } },
  ]);
}

/** Where a run goes whose worker is gone: what people asked for holds. */
const statusWithoutWorker: Partial<Record<RunStatus, RunStatus>> = {
  running: "queued",
  pausing: "paused",
  cancelling: "cancelled",
};

/** No fault of the run's: it goes back to where it stood in the queue, and no attempt is counted. */
export async function loseLease(
  tx: Tx,
  run: RunRow,
  incident: { what: IncidentKind; text: string },
): Promise<RunStatus> {
  const status = statusWithoutWorker[run.status] ?? run.status;
  await endLease(tx, run, { status, reason: run.reason, incident });
  // A person who pauses gives no reason, and needs no telling.
  if (status === "paused" && run.reason !== null) await tellOfPause(tx, run, run.reason);
  return status;
}

async function tellOfPause(tx: Tx, run: RunRow, why: string): Promise<void> {
  const text = `Run ${run.number} is paused after step ${run.step}. ${why}`;
  await notify(tx, { kind: "runPaused", runId: run.id, text });
}

/** Kills of its training process in a row, without a checkpoint in between, after which a run is paused. */
const maxKills = 5;

/**
 * Counts kills that a worker told of. The machine's faults use up no attempt, but one that is too small would be at it for
 * ever: at the fifth the worker is told to pause the run.
 * @param run as it is, locked
 */
export async function countKills(tx: Tx, run: RunRow, fresh: number): Promise<void> {
  if (fresh === 0) return;
  const kills = run.kills + fresh;
  const isPausing = kills >= maxKills && run.status === "running";
  const reason = isPausing
    ? `Its training process was killed by the system ${kills} times without getting further; most likely memory: use smaller batches or a larger machine.`
    : run.reason;
  const status = isPausing ? "pausing" : run.status;
  const byNobody = isPausing && { changedBy: null, changedAt: null };
  await tx
    .update(runs)
    .set({ kills, status, reason, ...byNobody })
    .where(eq(runs.id, run.id));
  if (!isPausing) return;
  await appendTimeline(tx, run.id, [
    { kind: "state", step: run.step, payload: { status, actorId: null, workerId: run.workerId, reason } },
  ]);
}

/** Returns the runs of workers that fell silent to the queue. @returns how many */
export async function sweepLeases(db: Db): Promise<number> {
  const lost = await db.transaction(async (tx) => {
    const expired = await tx
      .select()
      .from(runs)
      .where(lt(runs.leaseExpiresAt, sql`now()`))
      .for("update", { skipLocked: true });
    for (const run of expired) {
      const text = `Nothing was heard from the worker for the length of its lease, after step ${run.step}.`;
      const status = await loseLease(tx, run, { what: "workerLost", text });
      await notify(tx, {
        kind: "workerLost",
        runId: run.id,
        text: `The worker of run ${run.number} is lost. The run is ${status}.`,
      });
    }
    return expired;
  });
  for (const { id } of lost) publishRun(id);
  return lost.length;
}

/** Gives the run back. @throws {WorkerError} leaseLost */
export function releaseRun(call: WorkerCall, runId: string, request: ReleaseRequest): Promise<EndAnswer> {
  return endOnce(call, runId, request.fencing, async (tx, run) => {
    const { outcome, reason = null } = request;
    if (outcome === "stopping") {
      return loseLease(tx, run, { what: "workerStopped", text: reason ?? "The worker was stopped." });
    }
    const wanted = statusWithoutWorker[run.status] ?? run.status;
    // A pause that was taken back meanwhile; but a reason of the worker's own stands.
    const isOwnPause = outcome === "paused" && run.status === "running" && reason !== null;
    const status = isOwnPause ? "paused" : wanted;
    await endLease(tx, run, {
      status,
      reason: isOwnPause ? reason : run.reason,
      ...(isOwnPause && { columns: { changedBy: null, changedAt: null } }),
    });
    if (status === "paused") await tellOfPause(tx, run, (isOwnPause ? reason : run.reason) ?? "As asked.");
    return status;
  });
}

/** @throws {WorkerError} leaseLost; invalid for a checkpoint that the run did not upload */
export function completeRun(call: WorkerCall, runId: string, request: CompleteRequest): Promise<EndAnswer> {
  return endOnce(call, runId, request.fencing, async (tx, run) => {
    const { checkpointId, summary } = request;
    if (checkpointId !== null) await checkOwnCheckpoint(tx, run, checkpointId);
    await checkMeasured(tx, run);
    await appendTimeline(tx, runId, [
      {
        kind: "log",
        step: run.step,
        payload: { level: "info", text: `Done. ${JSON.stringify(summary)}`.slice(0, 16_000) },
      },
    ]);
    await endLease(tx, run, { status: "finished" });
    await notify(tx, {
      kind: "runFinished",
      runId,
      text: `Run ${run.number} (${run.name}) is finished after step ${run.step}.`,
    });
    return "finished";
  });
}

async function checkOwnCheckpoint(tx: Tx, run: RunRow, checkpointId: string): Promise<void> {
  const isKnown = await tx.$count(
    checkpoints,
    and(eq(checkpoints.id, checkpointId), eq(checkpoints.runId, run.id), isNull(checkpoints.deletedAt)),
  );
  if (!isKnown) {
    throw new WorkerError("invalid", `Run ${run.number} has uploaded no checkpoint ${checkpointId}.`);
  }
}

/**
 * The machine's failures never count. Those of the code do, unless a checkpoint came in since the last one; the third in a
 * row ends the run. What cannot be used ends it at once: it would be no other the next time.
 * @throws {WorkerError} leaseLost
 */
export function failRun(call: WorkerCall, runId: string, request: FailRequest): Promise<EndAnswer> {
  return endOnce(call, runId, request.fencing, async (tx, run) => {
    if (request.cause === "infrastructure") {
      return loseLease(tx, run, { what: "other", text: request.reason.slice(0, 4000) });
    }
    const text = request.reason.slice(0, 4000);
    if (request.cause === "unfit") {
      if (run.status === "cancelling") return loseLease(tx, run, { what: "badData", text });
      return giveUp(tx, run, { reason: request.reason, incident: { what: "badData", text } });
    }
    const attempts = run.hasProgressed ? 0 : run.attempts + 1;
    const incident = { what: "codeFailed" as const, text };
    const columns = { attempts, hasProgressed: false };
    if (attempts < maxAttempts) {
      const status = statusWithoutWorker[run.status] ?? run.status;
      const notBefore = secondsFromNow(retryWaitSeconds * 2 ** attempts);
      await endLease(tx, run, { status, reason: run.reason, incident, columns: { ...columns, notBefore } });
      return status;
    }
    const reason = `It failed ${maxAttempts} times in a row without reaching a new checkpoint; at last: ${request.reason}`;
    return giveUp(tx, run, { reason, incident, columns });
  });
}

async function giveUp(tx: Tx, run: RunRow, ending: Omit<Ending, "status"> & { reason: string }) {
  await endLease(tx, run, { ...ending, status: "failed" });
  const text = `Run ${run.number} (${run.name}) failed. ${ending.reason}`.slice(0, 2000);
  await notify(tx, { kind: "runFailed", runId: run.id, text });
  return "failed" as const;
}

/** A worker that did not hear the answer sends its last message again: that is absorbed. */
async function endOnce(
  call: WorkerCall,
  runId: string,
  fencing: number,
  end: (tx: Tx, run: RunRow) => Promise<RunStatus>,
): Promise<EndAnswer> {
  const answer = await call.db.transaction(async (tx) => {
    const [ended] = await tx
      .select({ status: runs.status })
      .from(runs)
      .where(and(eq(runs.id, runId), eq(runs.fencing, fencing), isNull(runs.workerId)))
      .for("update");
    if (ended) return { status: ended.status, absorbed: true };
    return { status: await end(tx, await holdLease(tx, call, { runId, fencing })), absorbed: false };
  });
  if (!answer.absorbed) publishRun(runId);
  return answer;
}
