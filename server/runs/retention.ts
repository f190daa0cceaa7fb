/** @file Which checkpoints of runs may go, and why; and letting them go. */
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { and, arrayContains, asc, eq, inArray, isNotNull, isNull, ne, or } from "drizzle-orm";
import {
  batches,
  channels,
  checkpoints,
  currentRewardModel,
  evaluationJudges,
  runRewardModels,
  runs,
  runUploads,
} from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { appendAudit } from "../domain/audit";
import { isAskedFor, wasLive } from "../domain/channels";
import { findAdapterOver } from "../domain/checkpoints";
import { AppError } from "../errors";
import { artifactsFolder, checkpointFolder, stateFolder } from "./artifacts";
import { filesSchema } from "./protocol";
import type { RunStatus } from "./timeline";

/** The newest ones of each run are kept: one to go on from, and one in case it is bad. */
const newestKept = 2;
const dayMs = 24 * 60 * 60 * 1000;
const overStatuses: readonly RunStatus[] = ["finished", "cancelled"];

export type RetentionItem = {
  checkpointId: string;
  name: string;
  run: number;
  step: number;
  /** `state`: only its training state, without which no run can go on from it. */
  what: "checkpoint" | "state";
  action: "keep" | "remove";
  reason: string;
  sizeBytes: number;
};

export type RetentionPlan = {
  items: RetentionItem[];
  /** Of all checkpoints of runs, with their states. */
  sizeBytes: number;
  /** What would be freed. */
  removedBytes: number;
};

type Row = {
  id: string;
  name: string;
  folder: string;
  runId: string;
  run: number;
  status: RunStatus;
  step: number;
  isBest: boolean;
  hasState: boolean;
  keepReason: string | null;
  sizeBytes: number;
  stateBytes: number;
};

/**
 * @param budgetBytes what all checkpoints of runs may take: the oldest that nothing keeps go first, until they fit; null:
 * everything that nothing keeps goes
 */
export async function planRetention(db: Db, budgetBytes: number | null): Promise<RetentionPlan> {
  const rows = await readCheckpoints(db);
  const sizeBytes = rows.reduce((sum, row) => sum + row.sizeBytes + (row.hasState ? row.stateBytes : 0), 0);
  let excess = budgetBytes === null ? Number.POSITIVE_INFINITY : sizeBytes - budgetBytes;
  const decide = (row: Row, what: RetentionItem["what"], keep: string | null, why: string): RetentionItem => {
    const bytes = what === "state" ? row.stateBytes : row.sizeBytes + (row.hasState ? row.stateBytes : 0);
    const isRemoved = keep === null && excess > 0;
    if (isRemoved) excess -= bytes;
    return {
      checkpointId: row.id,
      name: row.name,
      run: row.run,
      step: row.step,
      what,
      action: isRemoved ? "remove" : "keep",
      reason: keep ?? (isRemoved ? why : "it fits the budget"),
      sizeBytes: bytes,
    };
  };
  const items: RetentionItem[] = [];
  const left: Row[] = [];
  for (const row of rows) {
    const item = decide(row, "checkpoint", await whyKept(db, row, rows), "nothing refers to it");
    items.push(item);
    if (item.action === "keep") left.push(row);
  }
  for (const row of left.filter(({ hasState }) => hasState)) {
    const isOver = overStatuses.includes(row.status);
    const keep = isOver || !isAmongNewest(row, rows) ? null : `run ${row.run} may go on from it`;
    items.push(
      decide(row, "state", keep, isOver ? `run ${row.run} is ${row.status}` : "a newer state is there"),
    );
  }
  const removed = items.filter(({ action }) => action === "remove");
  return { items, sizeBytes, removedBytes: removed.reduce((sum, item) => sum + item.sizeBytes, 0) };
}

/** Of runs that are there, oldest first. */
async function readCheckpoints(db: Db): Promise<Row[]> {
  const rows = await db
    .select({ checkpoint: checkpoints, run: runs, files: runUploads.files })
    .from(checkpoints)
    .innerJoin(runs, eq(runs.id, checkpoints.runId))
    .leftJoin(
      runUploads,
      and(eq(runUploads.runId, checkpoints.runId), eq(runUploads.checkpointId, checkpoints.id)),
    )
    .where(isNull(checkpoints.deletedAt))
    .orderBy(asc(checkpoints.createdAt), asc(checkpoints.step));
  return rows.map(({ checkpoint, run, files }) => ({
    id: checkpoint.id,
    name: checkpoint.name,
    folder: checkpoint.folder,
    runId: run.id,
    run: run.number,
    status: run.status,
    step: checkpoint.step ?? 0,
    isBest: checkpoint.isBest,
    hasState: checkpoint.hasState,
    keepReason: checkpoint.keepReason,
    sizeBytes: checkpoint.sizeBytes,
    stateBytes: Object.entries(filesSchema.catch({}).parse(files))
      .filter(([name]) => name.startsWith(`${stateFolder}/`))
      .reduce((sum, [, file]) => sum + file.sizeBytes, 0),
  }));
}

function isAmongNewest(row: Row, rows: readonly Row[]): boolean {
  const newer = rows.filter(({ runId, step }) => runId === row.runId && step > row.step);
  return newer.length < newestKept;
}

/** Null: nothing keeps it. */
async function whyKept(db: Db, row: Row, rows: readonly Row[]): Promise<string | null> {
  if (row.keepReason !== null) return `kept by hand: ${row.keepReason}`;
  if (row.isBest) return `the best of run ${row.run}`;
  if (isAmongNewest(row, rows)) return `among the newest ${newestKept} of run ${row.run}`;
  return describeReferences(db, row.id);
}

/** What points to a checkpoint, in words; null: nothing. */
async function describeReferences(db: Db | Tx, checkpointId: string): Promise<string | null> {
  const [channel] = await db
    .select({ name: channels.name })
    .from(channels)
    .where(eq(channels.checkpointId, checkpointId))
    .limit(1);
  if (channel) return `channel ${channel.name} serves it`;
  if (await wasLive(db, checkpointId)) return "it was live and can be rolled back to";
  if (await isAskedFor(db, checkpointId)) return "its promotion is asked for";
  const [run] = await db
    .select({ number: runs.number })
    .from(runs)
    .where(eq(runs.baseCheckpointId, checkpointId))
    .limit(1);
  if (run) return `run ${run.number} starts from it`;
  if ((await db.$count(currentRewardModel, eq(currentRewardModel.checkpointId, checkpointId))) > 0) {
    return "it scores new rankings";
  }
  const [scored] = await db
    .select({ number: runs.number })
    .from(runRewardModels)
    .innerJoin(runs, eq(runs.id, runRewardModels.runId))
    .where(eq(runRewardModels.checkpointId, checkpointId))
    .limit(1);
  if (scored) return `run ${scored.number} is scored by it`;
  const [evaluation] = await db
    .select({ name: batches.name })
    .from(batches)
    .leftJoin(evaluationJudges, eq(evaluationJudges.batchId, batches.id))
    .where(
      and(
        eq(batches.purpose, "evaluation"),
        ne(batches.status, "closed"),
        or(arrayContains(batches.policies, [checkpointId]), eq(evaluationJudges.rewardModelId, checkpointId)),
      ),
    )
    .limit(1);
  if (evaluation) return `the evaluation “${evaluation.name}” is not closed yet`;
  const adapter = await findAdapterOver(db, checkpointId);
  return adapter ? `${adapter.name} is an adapter over it` : null;
}

/**
 * Removes what the plan says, each only if nothing has come to refer to it since.
 * @returns what was really removed
 */
export async function applyRetention(
  db: Db,
  plan: RetentionPlan,
  { dataFolder, actorId }: { dataFolder: string; actorId: string | null },
): Promise<RetentionItem[]> {
  const done: RetentionItem[] = [];
  for (const item of plan.items.filter(({ action }) => action === "remove")) {
    const folder = await db.transaction((tx) => forget(tx, item, { dataFolder, actorId }));
    if (folder === null) continue;
    // The row first: a crash in between leaves files that nothing names, which are swept.
    await rm(folder, { recursive: true, force: true });
    done.push(item);
  }
  await removeOrphans(db, dataFolder);
  return done;
}

/** @returns the folder to remove; null when it is to stay after all */
async function forget(
  tx: Tx,
  { checkpointId, what }: RetentionItem,
  { dataFolder, actorId }: { dataFolder: string; actorId: string | null },
): Promise<string | null> {
  // Whoever points to it now has to wait for this lock, and then finds it deleted.
  const [row] = await tx.select().from(checkpoints).where(eq(checkpoints.id, checkpointId)).for("update");
  if (!row || row.deletedAt) return null;
  const folder = path.resolve(dataFolder, row.folder);
  if (what === "state") {
    await tx.update(checkpoints).set({ hasState: false }).where(eq(checkpoints.id, checkpointId));
    return path.join(folder, stateFolder);
  }
  if (row.keepReason !== null || row.isBest || (await describeReferences(tx, checkpointId))) return null;
  await tx
    .update(checkpoints)
    .set({ deletedAt: new Date(), hasState: false })
    .where(eq(checkpoints.id, checkpointId));
  // A run that reaches the same weights again uploads them again.
  await tx.delete(runUploads).where(eq(runUploads.checkpointId, checkpointId));
  await appendAudit(tx, {
    actorId,
    action: "checkpoint.deleted",
    subject: checkpointId,
    details: { sizeBytes: row.sizeBytes },
  });
  return folder;
}

/** Folders of checkpoints that no row names: of a crash, or of an upload that is just being recorded if it is young. */
async function removeOrphans(db: Db, dataFolder: string): Promise<void> {
  const parent = path.join(artifactsFolder(dataFolder), "checkpoints");
  const names = await readdir(parent).catch(() => []);
  if (names.length === 0) return;
  const known = await db
    .select({ id: checkpoints.id })
    .from(checkpoints)
    .where(and(inArray(checkpoints.id, names), isNull(checkpoints.deletedAt)));
  const live = new Set(known.map(({ id }) => id));
  for (const name of names.filter((each) => !live.has(each))) {
    const folder = checkpointFolder(dataFolder, name);
    const { mtimeMs } = await stat(folder);
    if (Date.now() - mtimeMs > dayMs) await rm(folder, { recursive: true, force: true });
  }
}

/** @param reason null: retention may decide again. @throws {AppError} NOT_FOUND */
export async function keepCheckpoint(
  db: Db,
  { checkpointId, reason, actorId }: { checkpointId: string; reason: string | null; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const changed = await tx
      .update(checkpoints)
      .set({ keepReason: reason })
      .where(
        and(eq(checkpoints.id, checkpointId), isNotNull(checkpoints.runId), isNull(checkpoints.deletedAt)),
      )
      .returning({ id: checkpoints.id });
    if (changed.length === 0) {
      throw new AppError("NOT_FOUND", "No run of this server has such a checkpoint, or it was deleted.");
    }
    await appendAudit(tx, {
      actorId,
      action: "checkpoint.kept",
      subject: checkpointId,
      details: { isKept: reason !== null },
    });
  });
}
