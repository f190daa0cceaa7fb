/** @file Erasing rows of datasets: the rows lose their content, the manifest still verifies, and runs over them say so. */
import { and, eq, inArray, isNotNull, notInArray, type SQL, sql } from "drizzle-orm";
import {
  datasetRows,
  datasets,
  demonstrations,
  runDatasets,
  runEpisodes,
  runEvents,
  runs,
  snapshotDemonstrations,
} from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import { publishRun } from "../runs/run-changes";
import { appendTimeline, type RunStatus } from "../runs/timeline";
import { appendAudit } from "./audit";
import { notify } from "./notifications";

export type Erasure = { datasetId: string; rows: number }[];

/** What an erasure does to a run that has not ended: nobody trains on without a person knowing. */
const statusAfter: Partial<Record<RunStatus, RunStatus>> = { queued: "paused", running: "pausing" };
const endedStatuses: RunStatus[] = ["cancelled", "finished", "failed"];

/**
 * Erases every row that holds this person's words, in every dataset, and the samples that runs made of them: rows they own,
 * and those of demonstrations they wrote to prompts of others.
 * @returns what was erased; `runIds` are to be published when the transaction has ended
 */
export async function erasePersonRows(
  tx: Tx,
  userId: string,
): Promise<{ erasure: Erasure; runIds: string[] }> {
  const demonstrated = tx
    .select({ datasetId: snapshotDemonstrations.datasetId, position: snapshotDemonstrations.position })
    .from(snapshotDemonstrations)
    .innerJoin(demonstrations, eq(demonstrations.id, snapshotDemonstrations.demonstrationId))
    .where(eq(demonstrations.labelerId, userId));
  // One after the other, as each finds its rows by an index.
  const erased = [
    ...(await eraseRows(tx, eq(datasetRows.ownerId, userId))),
    ...(await eraseRows(tx, sql`(${datasetRows.datasetId}, ${datasetRows.position}) in (${demonstrated})`)),
  ];
  const runIds = new Set<string>();
  const erasure: Erasure = [];
  for (const datasetId of new Set(erased.map((row) => row.datasetId))) {
    const positions = erased.filter((row) => row.datasetId === datasetId).map(({ position }) => position);
    erasure.push({ datasetId, rows: positions.length });
    await eraseSamples(tx, datasetId, positions);
    for (const runId of await markRuns(tx, datasetId, positions.length)) runIds.add(runId);
  }
  for (const { datasetId, rows } of erasure) {
    await appendAudit(tx, {
      actorId: null,
      action: "dataset.rowsErased",
      subject: datasetId,
      details: { rows },
    });
  }
  return { erasure, runIds: [...runIds] };
}

/** Those that hold something yet. @returns where they are */
function eraseRows(tx: Tx, where: SQL): Promise<{ datasetId: string; position: number }[]> {
  return tx
    .update(datasetRows)
    .set({ content: null, ownerId: null })
    .where(and(where, isNotNull(datasetRows.content)))
    .returning({ datasetId: datasetRows.datasetId, position: datasetRows.position });
}

/** Episodes too. `positions` null: all. */
async function eraseSamples(tx: Tx, datasetId: string, positions: readonly number[] | null): Promise<void> {
  const erased = sql`(select jsonb_array_elements_text(${JSON.stringify(positions)}::jsonb)::int)`;
  const isErased = (position: SQL) => (positions === null ? undefined : sql`${position} in ${erased}`);
  await tx
    .delete(runEpisodes)
    .where(and(eq(runEpisodes.datasetId, datasetId), isErased(sql`${runEpisodes.position}`)));
  const source = sql`${runEvents.payload} -> 'source'`;
  await tx
    .update(runEvents)
    .set({ payload: { erased: true } })
    .where(
      and(
        eq(runEvents.kind, "sample"),
        sql`${source} ->> 'datasetId' = ${datasetId}`,
        isErased(sql`(${source} ->> 'position')::int`),
      ),
    );
}

/** @returns ids of the runs */
async function markRuns(tx: Tx, datasetId: string, rows: number): Promise<string[]> {
  const over = tx
    .selectDistinct({ runId: runDatasets.runId })
    .from(runDatasets)
    .where(eq(runDatasets.datasetId, datasetId));
  const [dataset] = await tx.select({ name: datasets.name }).from(datasets).where(eq(datasets.id, datasetId));
  const fact = `${rows === 1 ? "1 row" : `${rows} rows`} of dataset “${dataset?.name ?? datasetId}” ${rows === 1 ? "was" : "were"} erased`;
  const affected = await tx.select().from(runs).where(inArray(runs.id, over)).for("update");
  for (const run of affected) {
    const status = statusAfter[run.status] ?? run.status;
    const reason = `${fact} after this run was made. Resume it to train on what is left, or cancel it.`;
    const isStopped = status !== run.status;
    await tx
      .update(runs)
      .set({
        notReproducible: run.notReproducible ?? `${fact}.`,
        status,
        ...(isStopped && { reason, changedBy: null, changedAt: null }),
      })
      .where(eq(runs.id, run.id));
    await appendTimeline(tx, run.id, [
      { kind: "incident", payload: { what: "dataErased", text: `${fact}.` } },
      ...(isStopped
        ? [{ kind: "state" as const, payload: { status, actorId: null, workerId: null, reason } }]
        : []),
    ]);
    if (isStopped) {
      await notify(tx, { kind: "runPaused", runId: run.id, text: `Run ${run.number} is paused: ${fact}.` });
    }
  }
  return affected.map(({ id }) => id);
}

/**
 * Erases all rows of a dataset. Its manifest stays, so that checkpoints made from it can still be explained.
 * @throws {AppError} NOT_FOUND; CONFLICT while a run that has not ended learns from it
 */
export async function deleteDataset(
  db: Db,
  { datasetId, actorId }: { datasetId: string; actorId: string },
): Promise<void> {
  const runIds = await db.transaction(async (tx) => {
    const [dataset] = await tx.select().from(datasets).where(eq(datasets.id, datasetId)).for("update");
    if (!dataset || dataset.deletedAt) {
      throw new AppError("NOT_FOUND", "There is no such dataset, or it is deleted already.");
    }
    if (!dataset.sealedAt) {
      await tx.delete(datasets).where(eq(datasets.id, datasetId));
      return [];
    }
    await refuseWhileUsed(tx, datasetId);
    const erased = await eraseRows(tx, eq(datasetRows.datasetId, datasetId));
    await tx.update(datasets).set({ deletedAt: new Date() }).where(eq(datasets.id, datasetId));
    await eraseSamples(tx, datasetId, null);
    const affected = erased.length > 0 ? await markRuns(tx, datasetId, erased.length) : [];
    await appendAudit(tx, {
      actorId,
      action: "dataset.deleted",
      subject: datasetId,
      details: { rows: erased.length },
    });
    return affected;
  });
  for (const runId of runIds) publishRun(runId);
}

async function refuseWhileUsed(tx: Tx, datasetId: string): Promise<void> {
  const [run] = await tx
    .select({ number: runs.number })
    .from(runs)
    .innerJoin(runDatasets, eq(runDatasets.runId, runs.id))
    .where(and(eq(runDatasets.datasetId, datasetId), notInArray(runs.status, endedStatuses)))
    .limit(1);
  if (run) {
    throw new AppError(
      "CONFLICT",
      `Run ${run.number} learns from this dataset. Wait for its end, or cancel it.`,
    );
  }
}
