/** @file Where the files of runs lie, what belongs to a checkpoint, and how much room is left. */
import { stat, statfs } from "node:fs/promises";
import path from "node:path";
import { and, desc, eq, isNull } from "drizzle-orm";
import { checkpoints, runUploads } from "@/drizzle/schema";
import { readManifest } from "@/model/checkpoint/checkpoint";
import { manifestFileName } from "@/model/checkpoint/manifest";
import type { Db, Tx } from "../db/db";
import { lineageBaseOf } from "../domain/checkpoints";
import { type CheckpointOffer, type Files, filesSchema } from "./protocol";
import { WorkerError } from "./worker-error";

/** Below it, `state/…` of a checkpoint that a run can go on from. */
export const stateFolder = "state";

export const artifactsFolder = (dataFolder: string) => path.join(dataFolder, "artifacts");

/** A checkpoint is named by the sha256 of its manifest, which names that of every file. */
export const checkpointFolder = (dataFolder: string, checkpointId: string) =>
  path.join(artifactsFolder(dataFolder), "checkpoints", checkpointId);

/** Hidden, so that no backup takes what is not whole. */
export const incomingFolder = (dataFolder: string, uploadId: string) =>
  path.join(artifactsFolder(dataFolder), ".incoming", uploadId);

export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

export type CheckpointPlace = CheckpointOffer & { folder: string; runId: string | null };

/**
 * A checkpoint with every file that can be fetched of it.
 * @throws {WorkerError} notFound; gone where it was deleted
 */
export async function locateFiles(
  db: Db,
  checkpointId: string,
  dataFolder: string,
): Promise<CheckpointPlace> {
  const [row] = await db.select().from(checkpoints).where(eq(checkpoints.id, checkpointId));
  if (!row) throw new WorkerError("notFound", `There is no checkpoint ${checkpointId}.`);
  if (row.deletedAt) throw new WorkerError("gone", `Checkpoint ${row.name} was deleted.`);
  const folder = path.resolve(dataFolder, row.folder);
  const found = await readManifest(folder).catch(() => null);
  if (found?.id !== row.id) {
    throw new WorkerError("gone", `The files of checkpoint ${row.name} are not in ${folder} any more.`);
  }
  const { size } = await stat(path.join(folder, manifestFileName));
  return {
    id: row.id,
    name: row.name,
    step: row.step,
    runId: row.runId,
    folder,
    files: {
      ...found.manifest.files,
      ...(row.hasState && (await readStateFiles(db, row))),
      [manifestFileName]: { sha256: row.id, sizeBytes: size },
    },
  };
}

/** The state is in no manifest; its hashes are those it was uploaded with. */
async function readStateFiles(db: Db, { id, runId }: { id: string; runId: string | null }): Promise<Files> {
  if (runId === null) return {};
  const [upload] = await db
    .select({ files: runUploads.files })
    .from(runUploads)
    .where(and(eq(runUploads.runId, runId), eq(runUploads.checkpointId, id)));
  const files = filesSchema.parse(upload?.files ?? {});
  return Object.fromEntries(Object.entries(files).filter(([name]) => name.startsWith(`${stateFolder}/`)));
}

/** The base that a checkpoint is an adapter over; null where it holds all weights itself, or is unknown. */
export async function findLineageBaseId(db: Db | Tx, checkpointId: string): Promise<string | null> {
  const [row] = await db
    .select({ manifest: checkpoints.manifest })
    .from(checkpoints)
    .where(eq(checkpoints.id, checkpointId));
  return row ? lineageBaseOf(row.manifest) : null;
}

/** The newest checkpoint that the run can go on from. */
export async function findLastState(db: Db, runId: string): Promise<string | null> {
  const [row] = await db
    .select({ id: checkpoints.id })
    .from(checkpoints)
    .where(and(eq(checkpoints.runId, runId), eq(checkpoints.hasState, true), isNull(checkpoints.deletedAt)))
    .orderBy(desc(checkpoints.step), desc(checkpoints.createdAt))
    .limit(1);
  return row?.id ?? null;
}

/** The checkpoint that the run would end with as things stand. */
export async function findBest(db: Db, runId: string): Promise<string | null> {
  const [row] = await db
    .select({ id: checkpoints.id })
    .from(checkpoints)
    .where(and(eq(checkpoints.runId, runId), eq(checkpoints.isBest, true), isNull(checkpoints.deletedAt)))
    .limit(1);
  return row?.id ?? null;
}

export function toOffer({ id, name, step, files }: CheckpointPlace): CheckpointOffer {
  return { id, name, step, files };
}
