/** @file The registry of checkpoints, and what made an answer. */
import { realpath } from "node:fs/promises";
import path from "node:path";
import { and, desc, eq, getTableColumns, isNull, sql } from "drizzle-orm";
import { channels, checkpoints, messages, runs } from "@/drizzle/schema";
import { readManifest } from "@/model/checkpoint/checkpoint";
import { findLineageBase } from "@/model/checkpoint/lineage-base";
import { type Manifest, manifestSchema } from "@/model/checkpoint/manifest";
import type { Sampling } from "@/model/runtime/types";
import type { SessionUser } from "../context";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import type { CheckpointPlace } from "../generation/generation";
import { liveChannel } from "../generation/traffic-split";
import { basePlaces } from "../models/model-library";
import { isAllowed } from "../permissions";
import { projectRoot } from "../project-root";
import { readUpbringing, type TeachingStep } from "./lineage/upbringing";
import { type MessageStatus, readMessage } from "./messages";

export type Stage = (typeof checkpoints.$inferSelect)["stage"];

export type CheckpointSummary = {
  id: string;
  name: string;
  stage: Stage;
  parentId: string | null;
  sizeBytes: number;
  createdAt: Date;
  isToy: boolean;
  /** The channels that point to it. */
  channels: string[];
  /** The run of this server that made it, after how many steps. */
  run: { id: string; number: number; step: number; isBest: boolean } | null;
  /** When its files were deleted; it cannot be used any more. */
  deletedAt: Date | null;
  manifest: Manifest;
  /** What it is an adapter over; null where it holds all weights itself, or this server does not know its base. */
  lineageBase: { id: string; name: string; stage: Stage; sizeBytes: number; manifest: Manifest } | null;
};

/** What made an answer, for “what made this?”. */
export type AnswerOrigin = {
  channel: string | null;
  /** The checkpoint that answered, then its parents up to the base. */
  lineage: {
    id: string;
    name: string;
    stage: Stage;
    run: string | null;
    datasetSha256: string | null;
    sourceRevision: string | null;
    createdAt: Date;
  }[];
  /** The runs behind it and what each learned from, in numbers; empty where no run of this server made it. */
  taught: TeachingStep[];
  sampling: Sampling;
  seed: number | null;
  /** Of how many it is the best, and by which reward model; null: one alone was written. */
  best: { of: number; score: number | null; rewardModel: { id: string; name: string } | null } | null;
  promptTokens: number | null;
  responseTokens: number | null;
  droppedTurns: number;
  cutCharacters: number;
  /** exp of the mean log-probability of its tokens: how sure the policy was, 0..1. */
  meanTokenProbability: number | null;
  status: MessageStatus;
  createdAt: Date;
  finishedAt: Date | null;
};

const toyFolder = path.join(projectRoot, "model", "tiny");

/** Whether a registered folder is one of the tiny models that ship with Attune. */
export function isToyFolder(folder: string): boolean {
  const relative = path.relative(toyFolder, path.resolve(folder));
  return !relative.startsWith("..") && !path.isAbsolute(relative);
}

/** Newest first, deleted ones included. */
export async function listCheckpoints(db: Db): Promise<CheckpointSummary[]> {
  const rows = await db
    .select({ ...getTableColumns(checkpoints), runNumber: runs.number })
    .from(checkpoints)
    .leftJoin(runs, eq(runs.id, checkpoints.runId))
    .orderBy(desc(checkpoints.createdAt));
  const pointers = await db.select().from(channels);
  const known = new Map(rows.map((row) => [row.id, row]));
  const baseOf = (manifest: Manifest): CheckpointSummary["lineageBase"] => {
    const base = known.get(manifest.lineageBase ?? "");
    if (!base) return null;
    const { id, name, stage, sizeBytes } = base;
    return { id, name, stage, sizeBytes, manifest: manifestSchema.parse(base.manifest) };
  };
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    stage: row.stage,
    parentId: row.parentId,
    sizeBytes: row.sizeBytes,
    createdAt: row.createdAt,
    isToy: isToyFolder(row.folder),
    channels: pointers.filter(({ checkpointId }) => checkpointId === row.id).map(({ name }) => name),
    run:
      row.runId === null || row.runNumber === null
        ? null
        : { id: row.runId, number: row.runNumber, step: row.step ?? 0, isBest: row.isBest },
    deletedAt: row.deletedAt,
    manifest: manifestSchema.parse(row.manifest),
    lineageBase: baseOf(manifestSchema.parse(row.manifest)),
  }));
}

/** The id of the base that a registered checkpoint is an adapter over; null where it holds all weights itself. */
export const lineageBaseOf = (manifest: unknown): string | null =>
  manifestSchema.parse(manifest).lineageBase ?? null;

/** A checkpoint that is there and is an adapter over this one: without it, that one would be worth nothing. */
export async function findAdapterOver(db: Db | Tx, checkpointId: string): Promise<{ name: string } | null> {
  const [row] = await db
    .select({ name: checkpoints.name })
    .from(checkpoints)
    .where(
      and(sql`${checkpoints.manifest} ->> 'lineageBase' = ${checkpointId}`, isNull(checkpoints.deletedAt)),
    )
    .limit(1);
  return row ?? null;
}

/**
 * Makes a checkpoint folder known, and the base of an adapter, if it is found, along with it. Again, under a new place, where
 * it was moved.
 * @param dataFolder folders inside it are kept relative, so that the data folder can be moved
 * @returns its id, the sha256 of its manifest
 */
export async function registerCheckpoint(db: Db, folder: string, dataFolder: string): Promise<string> {
  const { id, manifest } = await readManifest(folder);
  await registerLineageBase(db, { folder, manifest, dataFolder });
  const relative = path.relative(dataFolder, folder);
  const place = relative.startsWith("..") || path.isAbsolute(relative) ? path.resolve(folder) : relative;
  const parentIsKnown =
    manifest.parent !== null &&
    (await db.select({ id: checkpoints.id }).from(checkpoints).where(eq(checkpoints.id, manifest.parent)))
      .length > 0;
  await db
    .insert(checkpoints)
    .values({
      id,
      name: manifest.name,
      stage: manifest.stage,
      // A parent that this machine does not hold stays in the manifest.
      parentId: parentIsKnown ? manifest.parent : null,
      folder: place,
      manifest,
      sizeBytes: Object.values(manifest.files).reduce((sum, file) => sum + file.sizeBytes, 0),
    })
    .onConflictDoUpdate({ target: checkpoints.id, set: { folder: place, deletedAt: null } });
  return id;
}

/** One that is missing is told of, with what to do, by whoever is to open the adapter. */
async function registerLineageBase(
  db: Db,
  { folder, manifest, dataFolder }: { folder: string; manifest: Manifest; dataFolder: string },
): Promise<void> {
  if (manifest.lineageBase === undefined) return;
  const isKnown = await db.$count(
    checkpoints,
    and(eq(checkpoints.id, manifest.lineageBase), isNull(checkpoints.deletedAt)),
  );
  if (isKnown > 0) return;
  const base = { id: manifest.lineageBase, name: manifest.lineageBase };
  const found = await findLineageBase(folder, base, basePlaces(dataFolder)).catch(() => null);
  if (found !== null) await registerCheckpoint(db, await realpath(found), dataFolder);
}

/** Its files are gone. Answers and checkpoints made from it still name it. */
export async function markDeleted(db: Db, checkpointId: string): Promise<void> {
  await db
    .update(checkpoints)
    .set({ deletedAt: new Date(), hasState: false })
    .where(eq(checkpoints.id, checkpointId));
}

/** Where a checkpoint lies, and the base of an adapter. @throws {AppError} NOT_FOUND */
export async function locateCheckpoint(
  db: Db,
  checkpointId: string,
  dataFolder: string,
): Promise<CheckpointPlace> {
  const [row] = await db.select().from(checkpoints).where(eq(checkpoints.id, checkpointId));
  if (!row) throw new AppError("NOT_FOUND", "There is no such checkpoint.");
  if (row.deletedAt) throw new AppError("NOT_FOUND", `The files of checkpoint ${row.name} were deleted.`);
  const baseId = lineageBaseOf(row.manifest);
  const [base] = baseId === null ? [] : await db.select().from(checkpoints).where(eq(checkpoints.id, baseId));
  return {
    name: row.name,
    folder: path.resolve(dataFolder, row.folder),
    // Where the registry does not know it, it may lie beside the checkpoint all the same.
    basePlaces: [...(base ? [path.resolve(dataFolder, base.folder)] : []), ...basePlaces(dataFolder)],
    sizeBytes: row.sizeBytes + (base?.sizeBytes ?? 0),
  };
}

/** People talk to the live policy, and meet a canary by chance; any other checkpoint is for those who manage models to try. */
export async function mayName(
  db: Db,
  person: Pick<SessionUser, "role" | "grants">,
  checkpointId: string,
): Promise<boolean> {
  if (isAllowed(person, "models.manage")) return true;
  const isLive = and(eq(channels.name, liveChannel), eq(channels.checkpointId, checkpointId));
  return (await db.$count(channels, isLive)) > 0;
}

/** See {@link mayName}. @throws {AppError} FORBIDDEN, whether or not there is such a checkpoint */
export async function checkMayName(
  db: Db,
  person: Pick<SessionUser, "role" | "grants">,
  checkpointId: string,
): Promise<void> {
  if (await mayName(db, person, checkpointId)) return;
  throw new AppError("FORBIDDEN", "Your account may talk to the live policy only. An admin can try others.");
}

/** @throws {AppError} NOT_FOUND for unknown checkpoints, BAD_REQUEST for those that score instead of answering */
export async function checkAnswers(db: Db, checkpointId: string): Promise<void> {
  const [row] = await db
    .select({ stage: checkpoints.stage })
    .from(checkpoints)
    .where(eq(checkpoints.id, checkpointId));
  if (!row) throw new AppError("NOT_FOUND", "There is no such checkpoint.");
  if (row.stage === "reward")
    throw new AppError("BAD_REQUEST", "A reward model scores answers; it gives none.");
}

/** @throws {AppError} NOT_FOUND for answers of other people; CONFLICT for a draft that is compared blind */
export async function explainAnswer(
  db: Db,
  { messageId, userId }: { messageId: string; userId: string },
): Promise<AnswerOrigin> {
  const message = await readMessage(db, messageId, userId);
  const [row] = await db.select().from(messages).where(eq(messages.id, messageId));
  if (message.draft) {
    throw new AppError("CONFLICT", "What made this draft is told once you have chosen between the two.");
  }
  if (!row?.checkpointId || !message.checkpoint) {
    throw new AppError("NOT_FOUND", "No policy of this server made this message.");
  }
  return {
    channel: row.channel,
    lineage: await readLineage(db, row.checkpointId),
    taught: await readUpbringing(db, row.checkpointId),
    sampling: row.sampling as Sampling,
    seed: row.seed,
    best: row.bestOf === null ? null : await readBest(db, row.bestOf, row),
    promptTokens: row.promptTokens,
    responseTokens: row.tokenIds?.length ?? null,
    droppedTurns: row.droppedTurns,
    cutCharacters: row.cutCharacters,
    meanTokenProbability: row.logprobs?.length ? Math.exp(mean(row.logprobs)) : null,
    status: row.status,
    createdAt: row.createdAt,
    finishedAt: row.finishedAt,
  };
}

async function readBest(
  db: Db,
  of: number,
  { score, rewardModelId }: { score: number | null; rewardModelId: string | null },
): Promise<AnswerOrigin["best"]> {
  if (rewardModelId === null) return { of, score, rewardModel: null };
  const [rewardModel] = await db
    .select({ id: checkpoints.id, name: checkpoints.name })
    .from(checkpoints)
    .where(eq(checkpoints.id, rewardModelId));
  return { of, score, rewardModel: rewardModel ?? null };
}

/** A checkpoint, then its parents up to the base. */
export async function readLineage(db: Db, checkpointId: string): Promise<AnswerOrigin["lineage"]> {
  const chain = await db.execute<{ id: string }>(sql`
      with recursive lineage(id, parent_id, depth) as (
        select id, parent_id, 0 from checkpoints where id = ${checkpointId}
        union all
        select c.id, c.parent_id, depth + 1 from checkpoints c join lineage on c.id = lineage.parent_id
      )
      select id from lineage order by depth`);
  const known = new Map((await listCheckpoints(db)).map((checkpoint) => [checkpoint.id, checkpoint]));
  return chain.rows.flatMap(({ id }) => {
    const checkpoint = known.get(id);
    if (!checkpoint) return [];
    const { name, stage, createdAt, manifest } = checkpoint;
    const { run, datasetSha256, sourceRevision } = manifest;
    return [{ id, name, stage, run, datasetSha256, sourceRevision, createdAt }];
  });
}

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
