/** @file Whether a run can start: its base and its datasets may have been deleted or erased since they were chosen. */
import { createHash } from "node:crypto";
import path from "node:path";
import { and, asc, desc, eq, inArray, isNull } from "drizzle-orm";
import { checkpoints, datasetRows, datasets, runDatasets, runRewardModels, runs } from "@/drizzle/schema";
import { readManifest } from "@/model/checkpoint/checkpoint";
import type { Db } from "../db/db";
import { findLineageBaseId } from "./artifacts";

export type Obstacle = {
  /** `erased`: it can start over what is left, if a person says so. The others rule it out. */
  kind: "baseDeleted" | "rewardModelDeleted" | "datasetDeleted" | "datasetUnsealed" | "erased";
  text: string;
};

type Inputs = {
  baseCheckpointId: string | null;
  rewardModelIds: readonly string[];
  datasetIds: readonly string[];
  dataFolder: string;
};

/** What stands in the way, in words for people. Empty: nothing. */
export async function findObstacles(db: Db, inputs: Inputs): Promise<Obstacle[]> {
  const base = await findBaseObstacle(db, inputs);
  const ofLineage = base === null ? await findLineageObstacle(db, inputs) : null;
  const ofModels = await Promise.all(
    inputs.rewardModelIds.map((id) => findRewardModelObstacle(db, id, inputs.dataFolder)),
  );
  const ofData = await Promise.all(inputs.datasetIds.map((id) => findDatasetObstacle(db, id)));
  return [base, ofLineage, ...ofModels, ...ofData].filter((obstacle) => obstacle !== null);
}

async function findBaseObstacle(
  db: Db,
  { baseCheckpointId, dataFolder }: Pick<Inputs, "baseCheckpointId" | "dataFolder">,
): Promise<Obstacle | null> {
  const text =
    baseCheckpointId && (await whyMissing(db, baseCheckpointId, { dataFolder, what: "base checkpoint" }));
  return text ? { kind: "baseDeleted", text } : null;
}

/** Null: it is there with its files. */
async function whyMissing(
  db: Db,
  checkpointId: string,
  { dataFolder, what }: { dataFolder: string; what: string },
): Promise<string | null> {
  const [row] = await db.select().from(checkpoints).where(eq(checkpoints.id, checkpointId));
  const name = row?.name ?? checkpointId.slice(0, 12);
  if (!row || row.deletedAt) return `Its ${what} ${name} was deleted.`;
  const folder = path.resolve(dataFolder, row.folder);
  const found = await readManifest(folder).catch(() => null);
  return found?.id === row.id ? null : `The files of its ${what} ${name} are not in ${folder} any more.`;
}

async function findRewardModelObstacle(
  db: Db,
  checkpointId: string,
  dataFolder: string,
): Promise<Obstacle | null> {
  const lineageBaseId = await findLineageBaseId(db, checkpointId);
  const text =
    (await whyMissing(db, checkpointId, { dataFolder, what: "reward model" })) ??
    (lineageBaseId && (await whyMissing(db, lineageBaseId, { dataFolder, what: "reward model's base" })));
  return text ? { kind: "rewardModelDeleted", text } : null;
}

/** An adapter is of no use without its lineage's base. */
async function findLineageObstacle(
  db: Db,
  { baseCheckpointId, dataFolder }: Inputs,
): Promise<Obstacle | null> {
  const lineageBaseId = baseCheckpointId && (await findLineageBaseId(db, baseCheckpointId));
  if (!lineageBaseId) return null;
  const obstacle = await findBaseObstacle(db, { baseCheckpointId: lineageBaseId, dataFolder });
  return (
    obstacle && {
      ...obstacle,
      text: `It starts from an adapter whose lineage's base is needed. ${obstacle.text}`,
    }
  );
}

async function findDatasetObstacle(db: Db, datasetId: string): Promise<Obstacle | null> {
  const [dataset] = await db.select().from(datasets).where(eq(datasets.id, datasetId));
  if (!dataset) return { kind: "datasetDeleted", text: `Dataset ${datasetId} does not exist.` };
  const { name, rowCount } = dataset;
  if (dataset.deletedAt) return { kind: "datasetDeleted", text: `Its dataset “${name}” was deleted.` };
  if (!dataset.sealedAt) {
    return { kind: "datasetUnsealed", text: `Dataset “${name}” is still being uploaded.` };
  }
  const erased = await db.$count(
    datasetRows,
    and(eq(datasetRows.datasetId, datasetId), isNull(datasetRows.content)),
  );
  if (erased === 0) return null;
  return erased === rowCount
    ? { kind: "datasetDeleted", text: `All ${rowCount} rows of its dataset “${name}” were erased.` }
    : { kind: "erased", text: `${erased} of ${rowCount} rows of its dataset “${name}” were erased.` };
}

export type RunDataset = { datasetId: string; role: "data" | "pretrainMix" };

export async function readRunDatasets(db: Db, runId: string): Promise<RunDataset[]> {
  return db
    .select({ datasetId: runDatasets.datasetId, role: runDatasets.role })
    .from(runDatasets)
    .where(eq(runDatasets.runId, runId))
    .orderBy(asc(runDatasets.role), asc(runDatasets.position));
}

/** `score`: the policy learns from what it says · `judge`: it only watches. */
export type RunRewardModel = { checkpointId: string; role: "score" | "judge" };

/** Those that score first, in their order. */
export async function readRunRewardModels(db: Db, runId: string): Promise<RunRewardModel[]> {
  return db
    .select({ checkpointId: runRewardModels.checkpointId, role: runRewardModels.role })
    .from(runRewardModels)
    .where(eq(runRewardModels.runId, runId))
    .orderBy(desc(runRewardModels.role), asc(runRewardModels.position));
}

/** What a run reads besides its base, as `findObstacles` takes it. */
export async function readInputIds(
  db: Db,
  runId: string,
): Promise<Pick<Inputs, "rewardModelIds" | "datasetIds">> {
  return {
    rewardModelIds: (await readRunRewardModels(db, runId)).map(({ checkpointId }) => checkpointId),
    datasetIds: (await readRunDatasets(db, runId)).map(({ datasetId }) => datasetId),
  };
}

/**
 * What the run that a worker holds may read: its datasets, its base and its reward models with their lineages' bases, its
 * own checkpoints.
 */
export async function readHeldInputs(
  db: Db,
  workerId: string,
): Promise<{ datasetIds: string[]; checkpointIds: string[] }> {
  const held = await db
    .select({ id: runs.id, base: runs.baseCheckpointId })
    .from(runs)
    .where(eq(runs.workerId, workerId));
  const runIds = held.map(({ id }) => id);
  const data = await db
    .select({ id: runDatasets.datasetId })
    .from(runDatasets)
    .where(inArray(runDatasets.runId, runIds));
  const own = await db
    .select({ id: checkpoints.id })
    .from(checkpoints)
    .where(inArray(checkpoints.runId, runIds));
  const scoring = await db
    .select({ id: runRewardModels.checkpointId })
    .from(runRewardModels)
    .where(inArray(runRewardModels.runId, runIds));
  const bases = [...held.flatMap(({ base }) => base ?? []), ...scoring.map(({ id }) => id)];
  const lineageBases = await Promise.all(bases.map((id) => findLineageBaseId(db, id)));
  return {
    datasetIds: data.map(({ id }) => id),
    checkpointIds: [...bases, ...lineageBases.flatMap((id) => id ?? []), ...own.map(({ id }) => id)],
  };
}

/** Of one dataset its own; of several the sha256 of theirs, each followed by a line end. */
export function hashDatasets(datasets: readonly { sha256: string }[]): string {
  const [first] = datasets;
  if (datasets.length === 1 && first) return first.sha256;
  const hash = createHash("sha256");
  for (const { sha256 } of datasets) hash.update(`${sha256}\n`);
  return hash.digest("hex");
}
