/** @file Putting a run into the queue: anew, or as a copy of another one. */
import path from "node:path";
import { eq, inArray, max, sql } from "drizzle-orm";
import { z } from "zod";
import { checkpoints, datasets, runDatasets, runRewardModels, runs } from "@/drizzle/schema";
import { AdapterError, readAdapterConfig } from "@/model/checkpoint/adapter-config";
import type { Precision } from "@/model/runtime/serving-weights";
import { refuseOtherShape } from "@/model/train/choose-lora";
import { ppoConfigSchema, seedsOf } from "@/model/train/ppo-config";
import { ConfigError } from "@/model/train/run-config";
import { loraSchema } from "@/model/train/sft-config";
import type { Db, Tx } from "../db/db";
import { appendAudit } from "../domain/audit";
import { lineageBaseOf } from "../domain/checkpoints";
import { AppError } from "../errors";
import { checkRewardModels } from "./check-reward-models";
import type { Requirements } from "./protocol";
import { publishRun } from "./run-changes";
import {
  findObstacles,
  type Obstacle,
  type RunDataset,
  type RunRewardModel,
  readRunDatasets,
  readRunRewardModels,
} from "./run-inputs";
import { findNamedSuites, nameSuites } from "./run-suites";
import {
  checkNeeds,
  isTrainable,
  readStageConfig,
  type StageSettings,
  stageSettings,
  type TrainableStage,
} from "./stage-settings";
import { appendTimeline } from "./timeline";

export type NewRun = {
  name: string;
  stage: TrainableStage;
  /** What differs from the defaults. */
  config: unknown;
  /** Null: a pretraining with a tokenizer of its own. */
  baseCheckpointId: string | null;
  datasets: readonly RunDataset[];
  /** Of PPO: what scores its responses. */
  rewardModels: readonly RunRewardModel[];
  priority: number;
  requirements: Requirements;
  /** Start even though rows of a dataset were erased. */
  acceptErased: boolean;
  clonedFrom?: { id: string; number: number } | undefined;
};

/** `actorId` null: from the command line. */
export type Act = {
  actorId: string | null;
  dataFolder: string;
  /** The form in which this server answers: an evaluation is of that one, wherever it runs. */
  servedPrecision: Precision;
};

/** Of several seeds `runId` is the first. */
export type CreatedRuns = { runId: string; runIds: string[] };

/**
 * One run, or one for each of the seeds that the settings ask for.
 * @throws {AppError} BAD_REQUEST for settings or data that do not fit the stage; PRECONDITION_FAILED naming what was
 * erased or deleted
 */
export async function createRun(
  db: Db,
  run: NewRun,
  { actorId, dataFolder, servedPrecision }: Act,
): Promise<CreatedRuns> {
  const config = pinPrecision(run.stage, readStageConfig(run.stage, run.config), servedPrecision);
  checkNeeds(run.stage, { ...run, config });
  await checkBase(db, { ...run, config }, dataFolder);
  await checkDatasets(db, run);
  const datasetIds = [...new Set(run.datasets.map(({ datasetId }) => datasetId))];
  const rewardModelIds = [...new Set(run.rewardModels.map(({ checkpointId }) => checkpointId))];
  const obstacles = await findObstacles(db, { ...run, rewardModelIds, datasetIds, dataFolder });
  refuseObstacles(obstacles, run.acceptErased);
  await checkRewardModels(db, { ...run, config }, dataFolder);
  const suiteIds = run.stage === "eval" ? await findNamedSuites(db, config) : [];
  const seeds = eachSeedOf({ ...run, config });
  const runIds = await db.transaction(async (tx) => {
    const ids: string[] = [];
    for (const own of seeds) ids.push(await startRun(tx, { ...run, ...own, suiteIds, obstacles, actorId }));
    const [seedsOfId] = ids;
    if (ids.length > 1) await tx.update(runs).set({ seedsOfId }).where(inArray(runs.id, ids));
    return ids;
  });
  for (const id of runIds) publishRun(id);
  return { runId: runIds[0] ?? "", runIds };
}

const seedsSchema = ppoConfigSchema.pick({ seed: true, seeds: true, splitSeed: true });

/** Each is a run like any other, whose own settings say nothing of the others. */
function eachSeedOf({ name, config: { seeds, ...config } }: Pick<StoredRun, "name" | "config">) {
  // Of no other stage than PPO.
  if (seeds === undefined) return [{ name, config }];
  const { seed, splitSeed } = config;
  const each = seedsOf(seedsSchema.parse({ seed, seeds, splitSeed }));
  return each.map((own) => ({
    name: each.length === 1 ? name : `${name}, seed ${own.seed}`,
    config: { ...config, ...own },
  }));
}

async function startRun(tx: Tx, run: StoredRun): Promise<string> {
  const { actorId } = run;
  const id = await insertRun(tx, run);
  const started = { status: "queued", act: "started", actorId, workerId: null, reason: null } as const;
  const copyOf = run.clonedFrom && { copyOf: run.clonedFrom.number };
  await appendTimeline(tx, id, [{ kind: "state", payload: { ...started, ...copyOf } }]);
  const rewardModels = [...new Set(run.rewardModels.map(({ checkpointId }) => checkpointId))];
  await appendAudit(tx, {
    actorId,
    action: "run.created",
    subject: id,
    details: {
      stage: run.stage,
      base: run.baseCheckpointId,
      datasets: [...new Set(run.datasets.map(({ datasetId }) => datasetId))],
      ...(rewardModels.length > 0 && { rewardModels }),
      clonedFrom: run.clonedFrom?.id ?? null,
    },
  });
  return id;
}

function pinPrecision(stage: TrainableStage, config: Record<string, unknown>, served: Precision) {
  return stage === "eval" ? { ...config, precision: config.precision ?? served } : config;
}

/** @throws {AppError} PRECONDITION_FAILED with every obstacle, unless only erased rows stand in the way and are accepted */
export function refuseObstacles(obstacles: readonly Obstacle[], acceptErased: boolean): void {
  const left = obstacles.filter(({ kind }) => kind !== "erased" || !acceptErased);
  if (left.length === 0) return;
  const remedy = left.every(({ kind }) => kind === "erased")
    ? "Say that it shall learn from what is left, or choose another dataset."
    : "Choose another one.";
  throw new AppError("PRECONDITION_FAILED", `${left.map(({ text }) => text).join(" ")} ${remedy}`);
}

async function checkBase(
  db: Db,
  { stage, config, baseCheckpointId }: NewRun,
  dataFolder: string,
): Promise<void> {
  if (baseCheckpointId === null) return;
  const [base] = await db.select().from(checkpoints).where(eq(checkpoints.id, baseCheckpointId));
  if (!base) throw new AppError("NOT_FOUND", "There is no such checkpoint to start from.");
  if (base.stage === "reward") {
    throw new AppError(
      "BAD_REQUEST",
      `A reward model is no base of ${stage}: it scores, and does not answer.`,
    );
  }
  if (stage !== "pretrain" && stage !== "eval" && lineageBaseOf(base.manifest) !== null)
    await checkAdapter(base, { config, dataFolder });
}

/** What an adapter's shape rules out is said at once, not by the worker. */
async function checkAdapter(
  base: { name: string; folder: string; deletedAt: Date | null },
  { config, dataFolder }: { config: unknown; dataFolder: string },
): Promise<void> {
  const { lora } = z.object({ lora: loraSchema.nullable() }).parse(config);
  // One whose files are gone is an obstacle, and told of as such.
  const adapter = await readAdapterConfig(path.resolve(dataFolder, base.folder)).catch(() => null);
  if (adapter === null) return;
  try {
    refuseOtherShape(lora, { name: base.name, adapter });
  } catch (error) {
    if (error instanceof ConfigError || error instanceof AdapterError)
      throw new AppError("BAD_REQUEST", error.message, { cause: error });
    throw error;
  }
}

async function checkDatasets(db: Db, run: NewRun): Promise<void> {
  const { data }: StageSettings = stageSettings[run.stage];
  for (const { datasetId, role } of run.datasets) {
    const [dataset] = await db
      .select({ name: datasets.name, kind: datasets.kind })
      .from(datasets)
      .where(eq(datasets.id, datasetId));
    if (!dataset) throw new AppError("NOT_FOUND", "There is no such dataset.");
    if (dataset.kind !== data[role]) {
      throw new AppError(
        "BAD_REQUEST",
        `Dataset “${dataset.name}” holds ${dataset.kind}; ${run.stage} takes ${data[role]} here.`,
      );
    }
  }
}

type StoredRun = NewRun & {
  config: Record<string, unknown>;
  /** Uploaded ones. */
  suiteIds: string[];
  obstacles: Obstacle[];
  actorId: string | null;
};

async function insertRun(tx: Tx, run: StoredRun): Promise<string> {
  const { name, stage, config, baseCheckpointId, priority, requirements, clonedFrom, actorId } = run;
  const erased = run.obstacles.map(({ text }) => text).join(" ");
  const [row] = await tx
    .insert(runs)
    .values({
      number: await nextNumber(tx),
      name,
      stage,
      config,
      baseCheckpointId,
      priority,
      requirements,
      clonedFromId: clonedFrom?.id ?? null,
      createdBy: actorId,
      notReproducible: erased === "" ? null : erased,
    })
    .returning({ id: runs.id });
  if (!row) throw new Error("The run was not stored.");
  const places = new Map<string, number>();
  const learned = run.datasets.map(({ datasetId, role }) => {
    const position = places.get(role) ?? 0;
    places.set(role, position + 1);
    return { runId: row.id, datasetId, role, position };
  });
  if (learned.length > 0) await tx.insert(runDatasets).values(learned);
  await nameSuites(tx, row.id, run.suiteIds);
  if (run.rewardModels.length > 0) await tx.insert(runRewardModels).values(inOrder(row.id, run.rewardModels));
  return row.id;
}

/** The value function starts as a copy of the first that scores, so their order counts. */
function inOrder(runId: string, models: readonly RunRewardModel[]) {
  return models.map(({ checkpointId, role }, at) => ({
    runId,
    checkpointId,
    role,
    position: models.slice(0, at).filter((before) => before.role === role).length,
  }));
}

/** One after the other: whoever comes at the same time waits for this transaction's end. */
async function nextNumber(tx: Tx): Promise<number> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune run numbers'))`);
  const [highest] = await tx.select({ number: max(runs.number) }).from(runs);
  return (highest?.number ?? 0) + 1;
}

export type CloneChange = Partial<
  Pick<NewRun, "name" | "config" | "baseCheckpointId" | "datasets" | "rewardModels" | "priority">
> & {
  acceptErased: boolean;
};

/**
 * A new run with the settings of another one, but for what is given: `config` is laid over it key by key.
 * @throws {AppError} as `createRun`
 */
export async function cloneRun(
  db: Db,
  { runId, change }: { runId: string; change: CloneChange },
  act: Act,
): Promise<CreatedRuns> {
  const [run] = await db.select().from(runs).where(eq(runs.id, runId));
  if (!run) throw new AppError("NOT_FOUND", "There is no such run.");
  if (!isTrainable(run.stage)) throw new AppError("BAD_REQUEST", `Runs of ${run.stage} cannot be made here.`);
  return createRun(
    db,
    {
      name: change.name ?? run.name,
      stage: run.stage,
      config: { ...Object(run.config), ...Object(change.config ?? {}) },
      baseCheckpointId:
        change.baseCheckpointId === undefined ? run.baseCheckpointId : change.baseCheckpointId,
      datasets: change.datasets ?? (await readRunDatasets(db, runId)),
      rewardModels: change.rewardModels ?? (await readRunRewardModels(db, runId)),
      priority: change.priority ?? run.priority,
      requirements: run.requirements as Requirements,
      acceptErased: change.acceptErased,
      clonedFrom: { id: run.id, number: run.number },
    },
    act,
  );
}
