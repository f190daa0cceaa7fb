/** @file Ending a paused run with one of its earlier checkpoints as its result: what rolling back means here. */
import { and, eq, isNull, sql } from "drizzle-orm";
import { checkpoints, runs } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { appendAudit } from "../domain/audit";
import { AppError } from "../errors";
import { publishRun } from "./run-changes";
import type { RunRow } from "./steer-run";
import { appendTimeline } from "./timeline";

/**
 * The run is finished; the checkpoint is its best one from now on, which retention keeps.
 * @throws {AppError} NOT_FOUND; CONFLICT for a run that is not paused or failed; BAD_REQUEST for a checkpoint of another run
 */
export async function endRunWith(
  db: Db,
  { runId, checkpointId, actorId }: { runId: string; checkpointId: string; actorId: string | null },
): Promise<void> {
  await db.transaction(async (tx) => {
    const [run] = await tx.select().from(runs).where(eq(runs.id, runId)).for("update");
    if (!run) throw new AppError("NOT_FOUND", "There is no such run.");
    if (run.status !== "paused" && run.status !== "failed")
      throw new AppError("CONFLICT", `Run ${run.number} is ${run.status}. Pause it first.`);
    const step = await markBest(tx, run, checkpointId);
    const reason = `Its result is the checkpoint of step ${step}.`;
    await tx
      .update(runs)
      .set({ status: "finished", reason, endedAt: sql`now()`, changedBy: actorId, changedAt: new Date() })
      .where(eq(runs.id, runId));
    const payload = { status: "finished", act: "ended", actorId, workerId: null, reason } as const;
    await appendTimeline(tx, runId, [{ kind: "state", step: run.step, payload }]);
    await appendAudit(tx, { actorId, action: "run.ended", subject: runId, details: { checkpointId, step } });
  });
  publishRun(runId);
}

async function markBest(tx: Tx, run: RunRow, checkpointId: string): Promise<number> {
  const [chosen] = await tx
    .select({ step: checkpoints.step })
    .from(checkpoints)
    .where(
      and(eq(checkpoints.id, checkpointId), eq(checkpoints.runId, run.id), isNull(checkpoints.deletedAt)),
    )
    .for("update");
  if (!chosen) throw new AppError("BAD_REQUEST", `Run ${run.number} has no such checkpoint.`);
  await tx
    .update(checkpoints)
    .set({ isBest: false })
    .where(and(eq(checkpoints.runId, run.id), eq(checkpoints.isBest, true)));
  await tx.update(checkpoints).set({ isBest: true }).where(eq(checkpoints.id, checkpointId));
  return chosen.step ?? 0;
}
