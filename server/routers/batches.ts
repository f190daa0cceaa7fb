/** @file Batches of labeling tasks, for leads: made, watched, steered, their rankings reviewed. */
import { z } from "zod";
import {
  batchTasks,
  newBatchSchema,
  promptFilterSchema,
  responseSources,
} from "../domain/batches/batch-schema";
import { listBatchTasks, previewTask, taskStatuses } from "../domain/batches/batch-tasks";
import { countPrompts } from "../domain/batches/choose-prompts";
import { createBatch } from "../domain/batches/create-batch";
import { listDoubtModels } from "../domain/batches/doubt-queue";
import { listBatches, listPolicies, readBatch } from "../domain/batches/read-batches";
import { adjudicateTask, adjudicationSchema, listRankings, returnRanking } from "../domain/batches/review";
import { batchSteers, prioritiseBatch, steerBatch } from "../domain/batches/steer-batch";
import { readInfluence } from "../domain/lineage/influence";
import { processState } from "../process-state";
import { procedure, router } from "../trpc";

const batchKey = z.object({ batchId: z.uuid() });
const taskKey = z.object({ taskId: z.uuid() });
const comment = z.string().trim().min(1, "Say what to look at again.").max(2_000);

export const batchesRouter = router({
  /** Those under way first, each with its progress. */
  list: procedure("labeling.lead").query(({ ctx }) => listBatches(ctx.db)),

  get: procedure("labeling.lead")
    .input(batchKey)
    .query(({ ctx, input }) => readBatch(ctx.db, input.batchId)),

  /** Checkpoints that can be sampled from. */
  policies: procedure("labeling.lead").query(({ ctx }) => listPolicies(ctx.db)),

  /** Reward models whose doubt can order tasks. */
  doubtModels: procedure("labeling.lead").query(({ ctx }) => listDoubtModels(ctx.db)),

  /** What keeps reward models from ordering tasks, while something does. */
  doubtHindrances: procedure("labeling.lead").query(() => processState().scoring?.doubts.hindrances() ?? []),

  /** How many prompts a filter finds. */
  countPrompts: procedure("labeling.lead")
    .input(
      z.object({
        task: z.enum(batchTasks),
        responsesFrom: z.enum(responseSources).default("policies"),
        filter: promptFilterSchema,
      }),
    )
    .query(({ ctx, input }) => countPrompts(ctx.db, input)),

  /** What is being sampled in the background, and what keeps it from going on. */
  sampling: procedure("labeling.lead").query(
    () => processState().chat?.sampling.status() ?? { active: [], hindrances: [] },
  ),

  create: procedure("labeling.lead")
    .input(newBatchSchema)
    .mutation(async ({ ctx, input }) => {
      const made = await createBatch(ctx.db, input, {
        actorId: ctx.user.id,
        dataFolder: ctx.env.ATTUNE_DATA,
      });
      processState().chat?.sampling.wake();
      return made;
    }),

  /** Opens, pauses or closes it. */
  steer: procedure("labeling.lead")
    .input(batchKey.extend({ steer: z.enum(batchSteers) }))
    .mutation(({ ctx, input }) => steerBatch(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Higher goes first. */
  prioritise: procedure("labeling.lead")
    .input(batchKey.extend({ priority: z.int().min(-100).max(100) }))
    .mutation(({ ctx, input }) => prioritiseBatch(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Its tasks, in order. */
  tasks: procedure("labeling.lead")
    .input(
      batchKey.extend({
        status: z.enum(taskStatuses).nullable().default(null),
        cursor: z.object({ position: z.int(), id: z.uuid() }).nullish(),
        limit: z.int().min(1).max(100).default(25),
      }),
    )
    .query(({ ctx, input }) => listBatchTasks(ctx.db, { ...input, cursor: input.cursor ?? null })),

  /** One task as labelers see it. */
  preview: procedure("labeling.lead")
    .input(taskKey)
    .query(({ ctx, input }) => previewTask(ctx.db, input.taskId)),

  /** From its rankings forward: snapshots, reward models, and every policy that learned from them. */
  influence: procedure("labeling.lead")
    .input(taskKey)
    .query(({ ctx, input }) => readInfluence(ctx.db, input.taskId)),

  /** The rankings of a batch, newest first; or of one task. */
  rankings: procedure("labeling.lead")
    .input(
      batchKey.extend({
        taskId: z.uuid().nullable().default(null),
        labelerId: z.uuid().nullable().default(null),
        cursor: z.string().max(100).nullish(),
        limit: z.int().min(1).max(100).default(25),
      }),
    )
    .query(({ ctx, input }) => listRankings(ctx.db, { ...input, cursor: input.cursor ?? null })),

  /** Gives a ranking back to its labeler, to be done again. */
  returnRanking: procedure("labeling.lead")
    .input(z.object({ rankingId: z.uuid(), comment }))
    .mutation(({ ctx, input }) => returnRanking(ctx.db, { ...input, actorId: ctx.user.id })),

  /** The lead's own ranking of a task: beside the labelers', never over them. */
  adjudicate: procedure("labeling.lead")
    .input(adjudicationSchema)
    .mutation(({ ctx, input }) => adjudicateTask(ctx.db, { ...input, actorId: ctx.user.id })),
});
