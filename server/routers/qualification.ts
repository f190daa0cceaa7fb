/** @file The way to qualification: known answers, tests and sittings for leads; a labeler's own sitting. */
import { z } from "zod";
import {
  askAgain,
  countAreas,
  decideSitting,
  listSittings,
  readSitting,
} from "../domain/qualification/decide";
import {
  knownAnswerSchema,
  readKnownAnswer,
  removeKnownAnswer,
  setKnownAnswer,
} from "../domain/qualification/known-answers";
import { readOwnState } from "../domain/qualification/own-state";
import { startSitting, submitSitting } from "../domain/qualification/sittings";
import { newTestSchema, testSettingsSchema } from "../domain/qualification/test-schema";
import { askAllAgain, changeTest, listTests } from "../domain/qualification/tests";
import { procedure, router } from "../trpc";

const taskKey = z.object({ taskId: z.uuid() });
const reason = z.string().trim().min(1, "Give a reason; the labeler reads it.").max(500);

export const qualificationRouter = router({
  /** Practice sets and tests, with what keeps each from being opened. */
  tests: procedure("labeling.lead").query(({ ctx }) => listTests(ctx.db)),

  /** What a test is unless its lead says otherwise. */
  testDefaults: procedure("labeling.lead").query(() => newTestSchema.parse({})),

  changeTest: procedure("labeling.lead")
    .input(z.object({ batchId: z.uuid(), settings: testSettingsSchema }))
    .mutation(({ ctx, input }) => changeTest(ctx.db, { ...input, actorId: ctx.user.id })),

  /** What a task expects, and the rankings that may be taken over. */
  knownAnswer: procedure("labeling.lead")
    .input(taskKey)
    .query(({ ctx, input }) => readKnownAnswer(ctx.db, input.taskId)),

  setKnownAnswer: procedure("labeling.lead")
    .input(knownAnswerSchema)
    .mutation(({ ctx, input }) => setKnownAnswer(ctx.db, { ...input, actorId: ctx.user.id })),

  removeKnownAnswer: procedure("labeling.lead")
    .input(taskKey)
    .mutation(({ ctx, input }) => removeKnownAnswer(ctx.db, { ...input, actorId: ctx.user.id })),

  sittings: procedure("labeling.lead").query(({ ctx }) => listSittings(ctx.db)),

  /** One sitting with the answers behind its figures. */
  sitting: procedure("labeling.lead")
    .input(z.object({ sittingId: z.uuid() }))
    .query(({ ctx, input }) => readSitting(ctx.db, input.sittingId)),

  /** Otherwise than the cut-offs, with a reason. */
  decide: procedure("labeling.lead")
    .input(z.object({ sittingId: z.uuid(), isPassed: z.boolean(), reason }))
    .mutation(({ ctx, input }) => decideSitting(ctx.db, { ...input, actorId: ctx.user.id })),

  areas: procedure("labeling.lead").query(({ ctx }) => countAreas(ctx.db)),

  /** One labeler sits again before any more work. */
  askAgain: procedure("labeling.lead")
    .input(z.object({ userId: z.uuid(), reason }))
    .mutation(({ ctx, input }) => askAgain(ctx.db, { ...input, actorId: ctx.user.id })),

  /** All who are qualified do. */
  askAllAgain: procedure("labeling.lead")
    .input(z.object({ reason }))
    .mutation(({ ctx, input }) => askAllAgain(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Where one stands: the test, the last sitting, its figures. */
  own: procedure("labeling.work").query(({ ctx }) => readOwnState(ctx.db, ctx.user.id)),

  start: procedure("labeling.work")
    .input(z.object({ areas: z.array(z.string().max(60)).max(30).default([]) }))
    .mutation(({ ctx, input }) => startSitting(ctx.db, { labelerId: ctx.user.id, ...input })),

  /** Hands the test in. */
  submit: procedure("labeling.work").mutation(({ ctx }) => submitSitting(ctx.db, ctx.user.id)),
});
