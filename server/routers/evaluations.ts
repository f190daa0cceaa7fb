/** @file Evaluations: two policies side by side, who preferred which, how sure that is. */
import { z } from "zod";
import { createEvaluation, newEvaluationSchema } from "../domain/evaluation/create-evaluation";
import { listEvaluations, readEvaluation } from "../domain/evaluation/list-evaluations";
import { processState } from "../process-state";
import { procedure, router } from "../trpc";

const key = z.object({ batchId: z.uuid() });

export const evaluationsRouter = router({
  /** Newest first, each with its progress. */
  list: procedure("evaluations.read").query(({ ctx }) => listEvaluations(ctx.db)),

  get: procedure("evaluations.read")
    .input(key)
    .query(({ ctx, input }) => readEvaluation(ctx.db, input.batchId)),

  /** Asks labelers, and reward models where some are named, which of two policies answers better. */
  create: procedure("models.manage")
    .input(newEvaluationSchema)
    .mutation(async ({ ctx, input }) => {
      const made = await createEvaluation(ctx.db, input, {
        actorId: ctx.user.id,
        dataFolder: ctx.env.ATTUNE_DATA,
      });
      processState().chat?.sampling.wake();
      return made;
    }),
});
