/** @file Evaluations: two policies side by side, who preferred which, how sure that is. */
import { z } from "zod";
import { askAgain } from "../domain/evaluation/ask-again";
import { readComparison } from "../domain/evaluation/comparison";
import {
  checkpointIdSchema,
  createEvaluation,
  newEvaluationSchema,
} from "../domain/evaluation/create-evaluation";
import { judgeEndpointOf } from "../domain/evaluation/endpoint-judge";
import { judgeKeySchema } from "../domain/evaluation/judge-key";
import { addJudge } from "../domain/evaluation/judges";
import { listEvaluations, readEvaluation } from "../domain/evaluation/list-evaluations";
import { listRated, ratedFigures, readRatings } from "../domain/evaluation/ratings";
import { sliceKinds } from "../domain/evaluation/slices";
import { readStrengths } from "../domain/evaluation/strengths";
import { listTranscripts } from "../domain/evaluation/transcripts";
import { readWinRate } from "../domain/evaluation/win-rates";
import { processState } from "../process-state";
import { procedure, router } from "../trpc";

const key = z.object({ batchId: z.uuid() });
const pair = z.object({ candidateId: checkpointIdSchema, opponentId: checkpointIdSchema });
const question = pair.extend({
  judge: judgeKeySchema,
  /** People whose judgments are left out. */
  without: z.array(z.uuid()).max(100).default([]),
});

export const evaluationsRouter = router({
  /** Newest first, each with its progress. */
  list: procedure("evaluations.read").query(({ ctx }) => listEvaluations(ctx.db)),

  get: procedure("evaluations.read")
    .input(key)
    .query(({ ctx, input }) => readEvaluation(ctx.db, input.batchId)),

  /** Two policies: the evaluations that compared them, and who judges. */
  comparison: procedure("evaluations.read")
    .input(pair)
    .query(({ ctx, input }) => readComparison(ctx.db, input)),

  /** What keeps models from judging, while something does. */
  hindrances: procedure("evaluations.read").query(() => {
    const { scoring } = processState();
    return [...(scoring?.judging.hindrances() ?? []), ...(scoring?.endpointJudging?.hindrances() ?? [])];
  }),

  /** How often the candidate is preferred by one judge, in all evaluations of these two. */
  winRate: procedure("evaluations.read")
    .input(question)
    .query(({ ctx, input }) => readWinRate(ctx.db, input)),

  /** The texts behind it, worst losses first. */
  transcripts: procedure("evaluations.read")
    .input(
      question.extend({
        slice: z
          .object({ by: z.enum(sliceKinds), value: z.string().max(100) })
          .nullable()
          .default(null),
        group: z.enum(["training", "heldOut"]).nullable().default(null),
        cursor: z.int().min(0).nullish(),
        limit: z.int().min(1).max(50).default(10),
      }),
    )
    .query(({ ctx, input }) => listTranscripts(ctx.db, { ...input, cursor: input.cursor ?? 0 })),

  /** Helpful, honest, harmless and flags, as people rated both while they ranked answers for training. */
  ratings: procedure("evaluations.read")
    .input(pair)
    .query(({ ctx, input }) => readRatings(ctx.db, input)),

  /** The answers behind one of those figures, the worst first. */
  ratedTexts: procedure("evaluations.read")
    .input(z.object({ checkpointId: checkpointIdSchema, figure: z.enum(ratedFigures) }))
    .query(({ ctx, input }) => listRated(ctx.db, input)),

  /** All policies that were ever compared, by one judge. */
  strengths: procedure("evaluations.read")
    .input(question.pick({ judge: true }))
    .query(({ ctx, input }) => readStrengths(ctx.db, input)),

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

  /** The model that ATTUNE_JUDGE_URL is asked for; null: none is set. */
  endpoint: procedure("evaluations.read").query(({ ctx }) => judgeEndpointOf(ctx.env)?.model ?? null),

  /** Pairs that the endpoint's model could not judge are put to it once more. */
  askAgain: procedure("models.manage")
    .input(pair.extend({ name: z.string().min(1).max(200) }))
    .mutation(async ({ ctx, input }) => ({
      pairs: await askAgain(ctx.db, { ...input, actorId: ctx.user.id }),
    })),

  /** Another model judges the pairs of an evaluation too, those that labelers are done with as well. */
  addJudge: procedure("models.manage")
    .input(
      key.extend({
        judge: z.union([z.object({ rewardModelId: checkpointIdSchema }), z.literal("endpoint")]),
      }),
    )
    .mutation(({ ctx, input }) =>
      addJudge(ctx.db, { ...input, endpoint: judgeEndpointOf(ctx.env), actorId: ctx.user.id }),
    ),
});
