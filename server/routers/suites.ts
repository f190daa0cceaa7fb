/** @file What checkpoints reached on task suites. */
import { z } from "zod";
import { suiteVariants } from "@/model/eval/suites/suite-result";
import { readEvaluation, readLastEvaluation, readTranscripts } from "../domain/evaluation/suite-reports";
import { deleteSuite, listSuites } from "../domain/evaluation/uploaded-suites";
import { procedure, router } from "../trpc";

export const suitesRouter = router({
  /** Those that ship, and those that were uploaded. */
  list: procedure("evaluations.read").query(({ ctx }) => listSuites(ctx.db)),

  /** Refused while an evaluation refers to it. They are uploaded over /api/suites. */
  delete: procedure("models.manage")
    .input(z.object({ suiteId: z.string().regex(/^[0-9a-f]{64}$/) }))
    .mutation(({ ctx, input }) =>
      deleteSuite(ctx.db, { ...input, actorId: ctx.user.id, dataFolder: ctx.env.ATTUNE_DATA }),
    ),

  /** What a run of the stage eval measured; null: nothing yet. */
  ofRun: procedure("evaluations.read")
    .input(z.object({ runId: z.uuid() }))
    .query(({ ctx, input }) => readEvaluation(ctx.db, input)),

  /** The newest evaluation of a checkpoint; null: there is none. */
  ofCheckpoint: procedure("evaluations.read")
    .input(z.object({ checkpointId: z.string().min(1).max(100) }))
    .query(({ ctx, input }) => readLastEvaluation(ctx.db, input)),

  /** What was asked and said, the worst first. */
  transcripts: procedure("evaluations.read")
    .input(
      z.object({
        runId: z.uuid(),
        suite: z.string().max(60),
        variant: z.enum(suiteVariants),
        limit: z.int().min(1).max(500).default(50),
      }),
    )
    .query(({ ctx, input }) => readTranscripts(ctx.db, input)),
});
