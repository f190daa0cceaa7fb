/** @file What `attune run …` and `attune gc` ask for: runs by number, models by folder or id, datasets line by line. */
import path from "node:path";
import { eq, like } from "drizzle-orm";
import { z } from "zod";
import { checkpoints, datasetKinds, runs } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { registerCheckpoint } from "../domain/checkpoints";
import { addLines, sealDataset, startDataset } from "../domain/datasets-make";
import type { Env } from "../env";
import { AppError } from "../errors";
import { cloneRun, createRun } from "./create-run";
import { requirementsSchema } from "./protocol";
import { listRuns, readRun, readRunSummary } from "./read-runs";
import { applyRetention, planRetention } from "./retention";
import { readRunUpdate } from "./run-watch";
import { trainableStages } from "./stage-settings";
import { steerRun } from "./steer-run";

/** Its number, as people see it, or its id. */
const run = z.union([z.int().positive(), z.uuid()]);
/** A checkpoint folder of this machine, the id of a checkpoint or its beginning. */
const model = z.union([z.string().refine(path.isAbsolute), z.string().regex(/^[0-9a-f]{6,64}$/)]);
const config = z.record(z.string().max(100), z.unknown());
const acceptErased = z.boolean().default(false);

export const runCommands = [
  z.object({ command: z.literal("listRuns"), limit: z.int().min(1).max(1000).default(50) }),
  z.object({ command: z.literal("showRun"), run }),
  /** What is new on the timeline and in the metrics since `cursor`; null: from the beginning. */
  z.object({ command: z.literal("followRun"), run, cursor: z.int().nonnegative().nullable() }),
  z.object({
    command: z.literal("startRun"),
    name: z.string().trim().min(1).max(100),
    stage: z.enum(trainableStages),
    config,
    /** Null: a model from scratch. */
    model: model.nullable(),
    datasets: z.array(z.object({ datasetId: z.uuid(), role: z.enum(["data", "pretrainMix"]) })),
    /** Of PPO. */
    rewardModels: z.array(z.object({ model, role: z.enum(["score", "judge"]) })).default([]),
    priority: z.int().min(-100).max(100).default(0),
    requirements: requirementsSchema.default({}),
  }),
  z.object({
    command: z.literal("steerRun"),
    run,
    steer: z.enum(["pause", "resume", "cancel"]),
    acceptErased,
  }),
  z.object({
    command: z.literal("cloneRun"),
    run,
    name: z.string().trim().min(1).max(100).optional(),
    config,
    acceptErased,
  }),
  z.object({
    command: z.literal("startDataset"),
    name: z.string().min(1).max(200),
    kind: z.enum(datasetKinds),
  }),
  z.object({
    command: z.literal("addLines"),
    datasetId: z.uuid(),
    part: z.int().nonnegative(),
    text: z.string(),
    onBadLine: z.enum(["refuse", "skip"]),
  }),
  z.object({ command: z.literal("sealDataset"), datasetId: z.uuid() }),
  /** `isDryRun`: only says what would go, and why. */
  z.object({
    command: z.literal("collectGarbage"),
    budgetBytes: z.number().nonnegative().nullable(),
    isDryRun: z.boolean(),
  }),
] as const;

export type RunCommand = z.infer<(typeof runCommands)[number]>;

type Parts = { db: Db; env: Env };

/** Nobody is signed in on the command line: the audit log names no person. */
const actOf = ({ env }: Parts) => ({
  actorId: null,
  dataFolder: env.ATTUNE_DATA,
  servedPrecision: env.ATTUNE_PRECISION,
});

export const runHandlers: {
  [K in RunCommand["command"]]: (
    parts: Parts,
    command: Extract<RunCommand, { command: K }>,
  ) => Promise<object>;
} = {
  listRuns: ({ db }, { limit }) => listRuns(db, { cursor: null, limit }),
  async showRun({ db, env }, command) {
    const runId = await findRun(db, command.run);
    return { run: await readRun(db, { runId, dataFolder: env.ATTUNE_DATA }) };
  },
  async followRun({ db }, command) {
    const { update, upTo } = await readRunUpdate(db, await findRun(db, command.run), command.cursor ?? 0);
    return { ...update, cursor: upTo };
  },
  async startRun(parts, { model: base, rewardModels: named, ...input }) {
    const baseCheckpointId = base && (await findCheckpoint(parts, base));
    const rewardModels = [];
    for (const { model, role } of named)
      rewardModels.push({ checkpointId: await findCheckpoint(parts, model), role });
    const { runIds } = await createRun(
      parts.db,
      { ...input, baseCheckpointId, rewardModels, acceptErased: false },
      actOf(parts),
    );
    return readCreated(parts, runIds);
  },
  async steerRun(parts, { run: which, ...steering }) {
    const runId = await findRun(parts.db, which);
    await steerRun(parts.db, { runId, ...steering }, actOf(parts));
    return { run: await readRunSummary(parts.db, runId) };
  },
  async cloneRun(parts, { run: which, command: _, ...change }) {
    const source = await findRun(parts.db, which);
    const { runIds } = await cloneRun(parts.db, { runId: source, change }, actOf(parts));
    return readCreated(parts, runIds);
  },
  startDataset: ({ db }, { name, kind }) => startDataset(db, { name, kind, description: "", actorId: null }),
  addLines: ({ db }, { command: _, ...lines }) => addLines(db, lines),
  sealDataset: ({ db }, { datasetId }) => sealDataset(db, { datasetId, actorId: null }),
  async collectGarbage({ db, env }, { budgetBytes, isDryRun }) {
    const plan = await planRetention(db, budgetBytes);
    if (isDryRun) return { ...plan, removed: null };
    const removed = await applyRetention(db, plan, { dataFolder: env.ATTUNE_DATA, actorId: null });
    return { ...plan, removed };
  },
};

/** The first, and all of them where there are several seeds. */
async function readCreated({ db }: Parts, runIds: readonly string[]): Promise<object> {
  const [run, ...others] = await Promise.all(runIds.map((runId) => readRunSummary(db, runId)));
  return { run, ...(others.length > 0 && { seeds: [run, ...others] }) };
}

/** @throws {AppError} NOT_FOUND */
async function findRun(db: Db, which: number | string): Promise<string> {
  const is = typeof which === "number" ? eq(runs.number, which) : eq(runs.id, which);
  const [found] = await db.select({ id: runs.id }).from(runs).where(is);
  if (found) return found.id;
  throw new AppError("NOT_FOUND", `There is no run ${which}. \`attune run list\` shows those there are.`);
}

async function findCheckpoint({ db, env }: Parts, model: string): Promise<string> {
  if (path.isAbsolute(model)) return registerCheckpoint(db, model, env.ATTUNE_DATA);
  const found = await db
    .select({ id: checkpoints.id })
    .from(checkpoints)
    .where(like(checkpoints.id, `${model}%`))
    .limit(2);
  const [only] = found;
  if (only && found.length === 1) return only.id;
  throw new AppError(
    "NOT_FOUND",
    only
      ? `Several checkpoints begin with ${model}. Give more of its id.`
      : `No checkpoint begins with ${model}.`,
  );
}
