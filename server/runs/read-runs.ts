/** @file Runs as pages show them: the list, one run, its timeline, its checkpoints. */
import { and, asc, desc, eq, inArray, lt, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import {
  checkpoints,
  datasets,
  runDatasets,
  runMetrics,
  runRewardModels,
  runs,
  users,
  workers,
} from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import type { Requirements, RunStage } from "./protocol";
import { findObstacles, type Obstacle, type RunDataset, type RunRewardModel } from "./run-inputs";
import type { RunStatus } from "./timeline";

type Named = { id: string; name: string };

export type BestOfRun = {
  step: number;
  validationLoss: number | null;
  /** Of PPO: mean score of its responses to held-out prompts, and their nats from the reference. */
  heldOutScore: number | null;
  heldOutKl: number | null;
};

export type RunSummary = {
  id: string;
  number: number;
  name: string;
  stage: RunStage;
  status: RunStatus;
  /** Why it is paused or failed. */
  reason: string | null;
  priority: number;
  /** Steps done, of how many (null: not known yet). */
  step: number;
  totalSteps: number | null;
  attempts: number;
  /** Why the same run could not be made again. */
  notReproducible: string | null;
  /** Null: it starts from nothing. */
  base: Named | null;
  datasets: (Named & { role: RunDataset["role"] })[];
  /** What scores it, where it is PPO: those that score first. */
  rewardModels: (Named & { role: RunRewardModel["role"] })[];
  worker: Named | null;
  clonedFrom: { id: string; number: number } | null;
  /** The first of those that were started together with other seeds; null: it was started alone. */
  seedsOfId: string | null;
  createdBy: Named | null;
  /** Who last paused, resumed or cancelled it. */
  changedBy: Named | null;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  /** Metrics of the newest step that has any. */
  latest: { step: number; values: Record<string, number | null> } | null;
  /** Of the checkpoint it holds to be its best, by what its stage is evaluated by; null: none is evaluated yet. */
  best: BestOfRun | null;
  /** Where its timeline and metrics stand: `watch` goes on from here. */
  cursor: number;
};

export type RunCheckpoint = {
  id: string;
  name: string;
  step: number;
  isBest: boolean;
  /** As the run evaluated it at its step; null: it did not. */
  validationLoss: number | null;
  /** Of PPO: mean score of its responses to held-out prompts then, and their nats from the reference. */
  heldOutScore: number | null;
  heldOutKl: number | null;
  /** The run can go on from it. */
  hasState: boolean;
  sizeBytes: number;
  keepReason: string | null;
  createdAt: Date;
  deletedAt: Date | null;
};

export type RunDetail = RunSummary & {
  config: Record<string, unknown>;
  requirements: Requirements;
  leaseExpiresAt: Date | null;
  checkpoints: RunCheckpoint[];
  /** What would keep it from starting; empty for runs that are over. */
  obstacles: Obstacle[];
  /** Those that were started together with other seeds, itself among them; empty: it was started alone. */
  seeds: { id: string; number: number; seed: number; status: RunStatus }[];
};

const parents = alias(runs, "parents");
const creators = alias(users, "creators");
const changers = alias(users, "changers");

const columns = {
  id: runs.id,
  number: runs.number,
  name: runs.name,
  stage: runs.stage,
  status: runs.status,
  reason: runs.reason,
  priority: runs.priority,
  step: runs.step,
  totalSteps: runs.totalSteps,
  attempts: runs.attempts,
  notReproducible: runs.notReproducible,
  base: { id: checkpoints.id, name: checkpoints.name },
  worker: { id: workers.id, name: workers.name },
  clonedFrom: { id: parents.id, number: parents.number },
  seedsOfId: runs.seedsOfId,
  createdBy: { id: creators.id, name: creators.name },
  changedBy: { id: changers.id, name: changers.name },
  createdAt: runs.createdAt,
  startedAt: runs.startedAt,
  endedAt: runs.endedAt,
  cursor: runs.lastNumber,
};

function selectRuns(db: Db) {
  return db
    .select(columns)
    .from(runs)
    .leftJoin(checkpoints, eq(checkpoints.id, runs.baseCheckpointId))
    .leftJoin(workers, eq(workers.id, runs.workerId))
    .leftJoin(parents, eq(parents.id, runs.clonedFromId))
    .leftJoin(creators, eq(creators.id, runs.createdBy))
    .leftJoin(changers, eq(changers.id, runs.changedBy));
}

type BareRun = Omit<RunSummary, "datasets" | "rewardModels" | "latest" | "best">;

async function complete(db: Db, found: BareRun[]): Promise<RunSummary[]> {
  if (found.length === 0) return [];
  const ids = found.map(({ id }) => id);
  const data = await db
    .select({ runId: runDatasets.runId, id: datasets.id, name: datasets.name, role: runDatasets.role })
    .from(runDatasets)
    .innerJoin(datasets, eq(datasets.id, runDatasets.datasetId))
    .where(inArray(runDatasets.runId, ids))
    .orderBy(asc(runDatasets.role), asc(runDatasets.position));
  const scoring = await db
    .select({
      runId: runRewardModels.runId,
      id: checkpoints.id,
      name: checkpoints.name,
      role: runRewardModels.role,
    })
    .from(runRewardModels)
    .innerJoin(checkpoints, eq(checkpoints.id, runRewardModels.checkpointId))
    .where(inArray(runRewardModels.runId, ids))
    .orderBy(desc(runRewardModels.role), asc(runRewardModels.position));
  const newest = await db
    .selectDistinctOn([runMetrics.runId], {
      runId: runMetrics.runId,
      step: runMetrics.step,
      values: runMetrics.values,
    })
    .from(runMetrics)
    .where(inArray(runMetrics.runId, ids))
    .orderBy(runMetrics.runId, desc(runMetrics.step));
  const best = await readBest(db, ids);
  return found.map((run) => {
    const latest = newest.find(({ runId }) => runId === run.id);
    return {
      ...run,
      datasets: data.filter(({ runId }) => runId === run.id).map(({ runId: _, ...dataset }) => dataset),
      rewardModels: scoring.filter(({ runId }) => runId === run.id).map(({ runId: _, ...model }) => model),
      latest: latest ? { step: latest.step, values: latest.values as Record<string, number | null> } : null,
      best: best.get(run.id) ?? null,
    };
  });
}

const metric = (name: string) => sql<number | null>`(${runMetrics.values} ->> ${name}::text)::float8`;
const evaluated = {
  validationLoss: metric("validationLoss"),
  heldOutScore: metric("heldOutScore"),
  heldOutKl: metric("heldOutKl"),
};

/** Through the checkpoints, of which there are few, and not over all steps, of which there are many. */
async function readBest(db: Db, runIds: string[]): Promise<Map<string, BestOfRun>> {
  const rows = await db
    .select({ runId: runMetrics.runId, step: runMetrics.step, ...evaluated })
    .from(checkpoints)
    .innerJoin(
      runMetrics,
      and(eq(runMetrics.runId, checkpoints.runId), eq(runMetrics.step, checkpoints.step)),
    )
    .where(and(inArray(checkpoints.runId, runIds), eq(checkpoints.isBest, true)));
  const best = new Map<string, BestOfRun>();
  for (const { runId, ...row } of rows) {
    if (row.validationLoss === null && row.heldOutScore === null) continue;
    const known = best.get(runId);
    if (known === undefined || isBetter(row, known)) best.set(runId, row);
  }
  return best;
}

/** Of PPO the one found last, for it is the best within its KL budget. */
function isBetter(a: BestOfRun, b: BestOfRun): boolean {
  if (a.validationLoss !== null && b.validationLoss !== null) return a.validationLoss < b.validationLoss;
  return a.step > b.step;
}

export type RunQuery = {
  statuses?: readonly RunStatus[] | undefined;
  stage?: RunStage | undefined;
  /** Runs with a lower number; null: from the newest. */
  cursor: number | null;
  limit: number;
};

/** Newest first. */
export async function listRuns(
  db: Db,
  { statuses, stage, cursor, limit }: RunQuery,
): Promise<{ runs: RunSummary[]; nextCursor: number | null }> {
  const found = await selectRuns(db)
    .where(
      and(
        statuses && inArray(runs.status, [...statuses]),
        stage && eq(runs.stage, stage),
        cursor === null ? undefined : lt(runs.number, cursor),
      ),
    )
    .orderBy(desc(runs.number))
    .limit(limit + 1);
  const page = found.slice(0, limit);
  return {
    runs: await complete(db, page),
    nextCursor: found.length > limit ? (page.at(-1)?.number ?? null) : null,
  };
}

/** @throws {AppError} NOT_FOUND */
export async function readRunSummary(db: Db, runId: string): Promise<RunSummary> {
  const [run] = await complete(db, await selectRuns(db).where(eq(runs.id, runId)));
  if (!run) throw new AppError("NOT_FOUND", "There is no such run.");
  return run;
}

const over: readonly RunStatus[] = ["finished", "cancelled"];

/** @throws {AppError} NOT_FOUND */
export async function readRun(
  db: Db,
  { runId, dataFolder }: { runId: string; dataFolder: string },
): Promise<RunDetail> {
  const summary = await readRunSummary(db, runId);
  const [row] = await db.select().from(runs).where(eq(runs.id, runId));
  const inputs = {
    baseCheckpointId: summary.base?.id ?? null,
    rewardModelIds: summary.rewardModels.map(({ id }) => id),
    datasetIds: summary.datasets.map(({ id }) => id),
    dataFolder,
  };
  return {
    ...summary,
    config: Object(row?.config),
    requirements: (row?.requirements ?? {}) as Requirements,
    leaseExpiresAt: row?.leaseExpiresAt ?? null,
    checkpoints: await listRunCheckpoints(db, runId),
    seeds: await readSeeds(db, summary.seedsOfId),
    obstacles: over.includes(summary.status) ? [] : await findObstacles(db, inputs),
  };
}

async function readSeeds(db: Db, seedsOfId: string | null): Promise<RunDetail["seeds"]> {
  if (seedsOfId === null) return [];
  return db
    .select({
      id: runs.id,
      number: runs.number,
      seed: sql<number>`(${runs.config} ->> 'seed')::float8`,
      status: runs.status,
    })
    .from(runs)
    .where(eq(runs.seedsOfId, seedsOfId))
    .orderBy(asc(runs.number));
}

async function listRunCheckpoints(db: Db, runId: string): Promise<RunCheckpoint[]> {
  const rows = await db
    .select({
      id: checkpoints.id,
      name: checkpoints.name,
      step: checkpoints.step,
      isBest: checkpoints.isBest,
      ...evaluated,
      hasState: checkpoints.hasState,
      sizeBytes: checkpoints.sizeBytes,
      keepReason: checkpoints.keepReason,
      createdAt: checkpoints.createdAt,
      deletedAt: checkpoints.deletedAt,
    })
    .from(checkpoints)
    .leftJoin(runMetrics, and(eq(runMetrics.runId, checkpoints.runId), eq(runMetrics.step, checkpoints.step)))
    .where(eq(checkpoints.runId, runId))
    .orderBy(desc(checkpoints.step));
  return rows.map((row) => ({ ...row, step: row.step ?? 0 }));
}

/** How many runs there are of each status. */
export async function countRuns(db: Db): Promise<Partial<Record<RunStatus, number>>> {
  const rows = await db
    .select({ status: runs.status, n: sql<number>`count(*)::int` })
    .from(runs)
    .groupBy(runs.status);
  return Object.fromEntries(rows.map(({ status, n }) => [status, n]));
}
