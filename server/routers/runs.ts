/** @file Training runs, for admins: start, steer, watch. */
import { z } from "zod";
import { whileSignedIn } from "../auth/open-streams";
import type { Env } from "../env";
import { cloneRun, createRun } from "../runs/create-run";
import { endRunWith } from "../runs/end-run";
import { readPpoTimings } from "../runs/ppo-timings";
import { requirementsSchema, stages } from "../runs/protocol";
import { countRuns, listRuns, readRun } from "../runs/read-runs";
import { listTimeline } from "../runs/read-timeline";
import { keepCheckpoint } from "../runs/retention";
import { listenToRuns } from "../runs/run-changes";
import { readEpisodes } from "../runs/run-episodes";
import { readMetrics } from "../runs/run-metrics";
import { watchRun } from "../runs/run-watch";
import { describeStages, trainableStages } from "../runs/stage-settings";
import { prioritiseRun, steerRun } from "../runs/steer-run";
import { runStatuses, timelineKinds } from "../runs/timeline";
import { procedure, router } from "../trpc";

const runKey = z.object({ runId: z.uuid() });
const name = z.string().trim().min(1, "A name has at least one character.").max(100);
const checkpointId = z.string().regex(/^[0-9a-f]{64}$/, "must be the id of a checkpoint");
const priority = z.int().min(-100).max(100);
const config = z.record(z.string().max(100), z.unknown());
const datasets = z
  .array(z.object({ datasetId: z.uuid(), role: z.enum(["data", "pretrainMix"]).default("data") }))
  .max(50);
const rewardModels = z
  .array(z.object({ checkpointId, role: z.enum(["score", "judge"]).default("score") }))
  .max(10);
/** Start although rows of a dataset were erased. */
const acceptErased = z.boolean().default(false);

const actOf = ({ user, env }: { user: { id: string }; env: Env }) => ({
  actorId: user.id,
  dataFolder: env.ATTUNE_DATA,
  servedPrecision: env.ATTUNE_PRECISION,
});

export const runsRouter = router({
  /** What a run can be of: each stage's settings as JSON Schema with descriptions and defaults, and the kinds of its datasets. */
  stages: procedure("runs.read").query(() => describeStages()),

  /** Newest first. */
  list: procedure("runs.read")
    .input(
      z.object({
        statuses: z.array(z.enum(runStatuses)).min(1).optional(),
        stage: z.enum(stages).optional(),
        cursor: z.int().nullish(),
        limit: z.int().min(1).max(100).default(50),
      }),
    )
    .query(async ({ ctx, input }) => ({
      ...(await listRuns(ctx.db, { ...input, cursor: input.cursor ?? null })),
      counts: await countRuns(ctx.db),
    })),

  /** One run whole: settings, checkpoints, and what would keep it from starting. */
  get: procedure("runs.read")
    .input(runKey)
    .query(({ ctx, input }) => readRun(ctx.db, { ...input, dataFolder: ctx.env.ATTUNE_DATA })),

  /** Logs, samples, incidents, phases, changes of state, checkpoints; newest first. */
  timeline: procedure("runs.read")
    .input(
      runKey.extend({
        kinds: z.array(z.enum(timelineKinds)).min(1).optional(),
        before: z.int().nullish(),
        limit: z.int().min(1).max(500).default(100),
      }),
    )
    .query(({ ctx, input }) => listTimeline(ctx.db, { ...input, before: input.before ?? null })),

  /** Curves of one run or several to compare, thinned out to `points` with mean, least and greatest of each. */
  metrics: procedure("runs.read")
    .input(
      z.object({
        runIds: z.array(z.uuid()).min(1).max(20),
        names: z.array(z.string().max(60)).min(1).max(50).nullable().default(null),
        points: z.int().min(10).max(5000).default(500),
      }),
    )
    .query(({ ctx, input }) => readMetrics(ctx.db, input)),

  /** Of PPO: responses of the last step at or before `step` (null: the newest) with per-token KL and value. */
  episodes: procedure("runs.read")
    .input(runKey.extend({ step: z.int().nonnegative().nullable().default(null) }))
    .query(({ ctx, input }) => readEpisodes(ctx.db, input)),

  /** How long iterations of PPO took here, for an estimate. */
  ppoTimings: procedure("runs.read").query(({ ctx }) => readPpoTimings(ctx.db)),

  /** One run, live: what is new since `lastEventId` (the `cursor` of `get`), then what comes. */
  watch: procedure("runs.read")
    .input(runKey.extend({ lastEventId: z.string().max(20).nullish() }))
    .subscription(({ ctx, input, signal: left }) =>
      whileSignedIn(ctx, left, (signal) =>
        watchRun(ctx.db, { ...input, lastEventId: input.lastEventId ?? null, signal }),
      ),
    ),

  /** Ids of runs that changed: reload them. */
  changes: procedure("runs.read").subscription(({ ctx, signal: left }) =>
    whileSignedIn(ctx, left, (signal) => listenToRuns(null, signal)),
  ),

  /** Puts a run into the queue, or one for each of `config.seeds`. `config`: what differs from the stage's defaults. */
  create: procedure("runs.manage")
    .input(
      z.object({
        name,
        stage: z.enum(trainableStages),
        config: config.default({}),
        baseCheckpointId: checkpointId.nullable(),
        /** None of an evaluation. */
        datasets: datasets.default([]),
        /** Of PPO; the value function starts as a copy of the first. */
        rewardModels: rewardModels.default([]),
        priority: priority.default(0),
        requirements: requirementsSchema.default({}),
        acceptErased,
      }),
    )
    .mutation(({ ctx, input }) => createRun(ctx.db, input, actOf(ctx))),

  /** A new run with another one's settings, but for what is given; `config` is laid over the other's. */
  clone: procedure("runs.manage")
    .input(
      runKey.extend({
        name: name.optional(),
        config: config.optional(),
        baseCheckpointId: checkpointId.nullable().optional(),
        datasets: datasets.optional(),
        rewardModels: rewardModels.optional(),
        priority: priority.optional(),
        acceptErased,
      }),
    )
    .mutation(({ ctx, input: { runId, ...change } }) => cloneRun(ctx.db, { runId, change }, actOf(ctx))),

  /** A waiting run waits on; a running one saves, then lets go of its worker. */
  pause: procedure("runs.manage")
    .input(runKey)
    .mutation(({ ctx, input }) => steerRun(ctx.db, { ...input, steer: "pause" }, actOf(ctx))),

  /** Back into the queue, also after a failure; it goes on from its last checkpoint. */
  resume: procedure("runs.manage")
    .input(runKey.extend({ acceptErased }))
    .mutation(({ ctx, input }) => steerRun(ctx.db, { ...input, steer: "resume" }, actOf(ctx))),

  /** For good. Its checkpoints stay. */
  cancel: procedure("runs.manage")
    .input(runKey)
    .mutation(({ ctx, input }) => steerRun(ctx.db, { ...input, steer: "cancel" }, actOf(ctx))),

  /** Ends a paused or failed run with one of its checkpoints as its result. */
  endWith: procedure("runs.manage")
    .input(runKey.extend({ checkpointId }))
    .mutation(({ ctx, input }) => endRunWith(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Higher goes first. */
  prioritise: procedure("runs.manage")
    .input(runKey.extend({ priority }))
    .mutation(({ ctx, input }) => prioritiseRun(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Keeps a checkpoint whatever retention says (a reason), or leaves it to retention again (null). */
  keepCheckpoint: procedure("runs.manage")
    .input(z.object({ checkpointId, reason: z.string().trim().min(1).max(200).nullable() }))
    .mutation(({ ctx, input }) => keepCheckpoint(ctx.db, { ...input, actorId: ctx.user.id })),
});
