/** @file A labeler's day: the next task, its draft, its ranking, and their own work. */
import { z } from "zod";
import { readOwnAgreement } from "../domain/agreement/own-agreement";
import { readGuidelines } from "../domain/batches/guidelines";
import { claimNext, purposes, saveDraft } from "../domain/labeling/claims";
import { submitDemonstration } from "../domain/labeling/demonstrate";
import { responseFlags } from "../domain/labeling/flags";
import { endAndGoOn } from "../domain/labeling/go-on";
import {
  acceptAgreement,
  agreement,
  countToday,
  ensureLabeler,
  findHindrance,
  setPreferences,
} from "../domain/labeling/labelers";
import { listOwnRankings, readOwnFigures, reopenRanking } from "../domain/labeling/own-work";
import { askAboutTask, listOwnQuestions, markAnswersRead } from "../domain/labeling/questions";
import { listOwnDemonstrations } from "../domain/labeling/review-demonstrations";
import { skipTask } from "../domain/labeling/skips";
import { submitRanking } from "../domain/labeling/submit";
import { activeMsSchema, draftSchema, submissionSchema } from "../domain/labeling/task-schema";
import { chooseMail, readMailChoice } from "../domain/mail";
import { createMailer } from "../mail";
import { processState } from "../process-state";
import { procedure, router } from "../trpc";

const work = procedure("labeling.work");
/** What the next task is to be for, which then comes in the same call; left out: none is asked for. */
const nextPurpose = z.enum(purposes).optional();
const reason = z.string().trim().min(1, "Say why in a few words.").max(1_000);

export const labelingRouter = router({
  flags: work.query(() => responseFlags),

  agreement: work.query(() => agreement),

  status: work.query(async ({ ctx }) => {
    const labeler = await ensureLabeler(ctx.db, ctx.user.id);
    return {
      mode: labeler.mode,
      seesSensitive: labeler.seesSensitive,
      today: await countToday(ctx.db, ctx.user.id),
      qualifiedAt: labeler.qualifiedAt,
      mail: await readMailChoice(ctx.db, {
        userId: ctx.user.id,
        isConfigured: createMailer(ctx.env) !== null,
      }),
      /** Why no work is given out to them; null = it is. */
      noTask: await findHindrance(ctx.db, labeler, "work"),
    };
  }),

  /** The version a task was given out with; left out: the newest. Who wrote it is no business of labelers. */
  guidelines: work.input(z.object({ version: z.int().min(1).optional() })).query(async ({ ctx, input }) => {
    const { version, text, changes, createdAt } = await readGuidelines(ctx.db, input.version ?? null);
    return { version, text, changes, createdAt };
  }),

  agree: work.mutation(({ ctx }) => acceptAgreement(ctx.db, ctx.user.id)),

  setPreferences: work
    .input(z.object({ mode: z.enum(["board", "guided"]).optional(), seesSensitive: z.boolean().optional() }))
    .mutation(({ ctx, input }) => setPreferences(ctx.db, { userId: ctx.user.id, ...input })),

  /** Of work given back, answers to questions and a decided test; for oneself. */
  chooseMail: work
    .input(z.object({ wantsMail: z.boolean() }))
    .mutation(({ ctx, input }) => chooseMail(ctx.db, { ...input, userId: ctx.user.id })),

  next: work
    .input(z.object({ purpose: z.enum(purposes).default("work") }))
    .mutation(({ ctx, input }) => claimNext(ctx.db, { labelerId: ctx.user.id, ...input })),

  saveDraft: work
    .input(
      z.object({
        claimId: z.uuid(),
        draft: draftSchema,
        draftVersion: z.int().min(0),
        activeMs: activeMsSchema,
      }),
    )
    .mutation(({ ctx, input }) => saveDraft(ctx.db, { labelerId: ctx.user.id, ...input })),

  submit: work
    .input(submissionSchema.extend({ nextPurpose }))
    .mutation(({ ctx: { db, user }, input: { nextPurpose, ...submission } }) =>
      endAndGoOn(db, { labelerId: user.id, nextPurpose }, async () => {
        const submitted = await submitRanking(db, { labelerId: user.id, ...submission });
        processState().scoring?.rankingScorer.wake();
        return submitted;
      }),
    ),

  submitDemonstration: work
    .input(
      z.object({
        claimId: z.uuid(),
        text: z.string(),
        editedFromId: z.uuid().nullable(),
        pastedCharacters: z.int().min(0),
        activeMs: activeMsSchema,
        nextPurpose,
      }),
    )
    .mutation(({ ctx: { db, user }, input: { nextPurpose, ...demonstration } }) =>
      endAndGoOn(db, { labelerId: user.id, nextPurpose }, () =>
        submitDemonstration(db, { labelerId: user.id, ...demonstration }),
      ),
    ),

  skip: work
    .input(
      z.object({
        claimId: z.uuid(),
        kind: z.enum(["skip", "cannotBeRanked", "report"]),
        reason,
        activeMs: activeMsSchema,
        nextPurpose,
      }),
    )
    .mutation(({ ctx: { db, user }, input: { nextPurpose, ...skip } }) =>
      endAndGoOn(db, { labelerId: user.id, nextPurpose }, () =>
        skipTask(db, { labelerId: user.id, ...skip }),
      ),
    ),

  recent: work.query(({ ctx }) => listOwnRankings(ctx.db, ctx.user.id)),

  reopen: work.input(z.object({ rankingId: z.uuid() })).mutation(async ({ ctx, input }) => ({
    task: await reopenRanking(ctx.db, { labelerId: ctx.user.id, ...input }),
  })),

  ask: work
    .input(z.object({ taskId: z.uuid(), question: z.string() }))
    .mutation(({ ctx, input }) => askAboutTask(ctx.db, { labelerId: ctx.user.id, ...input })),

  questions: work.query(({ ctx }) => listOwnQuestions(ctx.db, ctx.user.id)),

  /** Answers that were shown are not counted as new any more. */
  readAnswers: work
    .input(z.object({ questionIds: z.array(z.uuid()).max(100) }))
    .mutation(({ ctx, input }) => markAnswersRead(ctx.db, { labelerId: ctx.user.id, ...input })),

  /** Own demonstrations, with what reviewers said of them. */
  demonstrations: work.query(({ ctx }) => listOwnDemonstrations(ctx.db, ctx.user.id)),

  figures: work.query(async ({ ctx }) => ({
    ...(await readOwnFigures(ctx.db, ctx.user.id)),
    ...(await readOwnAgreement(ctx.db, ctx.user.id)),
  })),
});
