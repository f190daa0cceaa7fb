/** @file Regression cases: what every candidate answers anew, and what came of it. */
import { z } from "zod";
import { judgeCase } from "../domain/cases/judge-case";
import { archiveCase, newCaseSchema, pinCase } from "../domain/cases/pin-case";
import { listCases, readCase } from "../domain/cases/read-cases";
import { procedure, router } from "../trpc";

const key = z.object({ caseId: z.uuid() });

export const casesRouter = router({
  /** All of them, with the newest results of the live policy and of a candidate. */
  list: procedure("evaluations.read")
    .input(
      z.object({
        /** Null: the one that was evaluated last. */
        candidateId: z.string().min(1).max(100).nullable().default(null),
        isArchived: z.boolean().default(false),
      }),
    )
    .query(({ ctx, input }) => listCases(ctx.db, { ...input, precision: ctx.env.ATTUNE_PRECISION })),

  /** One, with what every policy answered to it. */
  get: procedure("evaluations.read")
    .input(key)
    .query(({ ctx, input }) => readCase(ctx.db, input.caseId)),

  /** From a prompt or a transcript behind a figure, or written by hand. */
  pin: procedure("models.manage")
    .input(newCaseSchema)
    .mutation(({ ctx, input }) => pinCase(ctx.db, input, { actorId: ctx.user.id })),

  /** An archived case is not rerun, and no gate asks for it. */
  archive: procedure("models.manage")
    .input(key.extend({ isArchived: z.boolean() }))
    .mutation(({ ctx, input }) => archiveCase(ctx.db, { ...input, actorId: ctx.user.id })),

  /** Whether the answer of a run to a case for eyes is good. */
  judge: procedure("models.manage")
    .input(
      key.extend({ runId: z.uuid(), isGood: z.boolean(), note: z.string().trim().max(2000).default("") }),
    )
    .mutation(({ ctx, input }) => judgeCase(ctx.db, { ...input, actorId: ctx.user.id })),
});
