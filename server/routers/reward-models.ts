/** @file Reward models: how far they can be trusted, and scores of any text. */
import { z } from "zod";
import {
  chooseRewardModel,
  dropRewardModel,
  readCurrentRewardModel,
} from "../domain/reward-models/current-reward-model";
import { readLiveAccuracy } from "../domain/reward-models/live-accuracy";
import { listRewardModels, readRewardModel } from "../domain/reward-models/reward-models";
import { scoreTexts, scoreTextsSchema } from "../domain/reward-models/score-texts";
import { scoringServices } from "../scoring/scoring-services";
import { procedure, router } from "../trpc";

const key = z.object({ checkpointId: z.string().regex(/^[0-9a-f]{64}$/, "must be the id of a checkpoint") });

export const rewardModelsRouter = router({
  /** Newest first, each with the figures of its newest report. */
  list: procedure("runs.read").query(({ ctx }) => listRewardModels(ctx.db, ctx.env.ATTUNE_DATA)),

  /** One with its reports and the texts of their examples. */
  get: procedure("runs.read")
    .input(key)
    .query(({ ctx, input }) => readRewardModel(ctx.db, { ...input, dataFolder: ctx.env.ATTUNE_DATA })),

  /** The one in use, with how many rankings it has still to score and why it cannot; null: none is. */
  current: procedure("runs.read").query(({ ctx }) => readCurrentRewardModel(ctx.db)),

  /** From now on it scores new rankings before they may be trained on. */
  choose: procedure("models.manage")
    .input(key)
    .mutation(async ({ ctx, input }) => {
      await chooseRewardModel(ctx.db, { ...input, actorId: ctx.user.id });
      scoringServices().rankingScorer.wake();
    }),

  /** None is in use any more. */
  drop: procedure("models.manage").mutation(({ ctx }) => dropRewardModel(ctx.db, { actorId: ctx.user.id })),

  /** How it did on rankings that came while it was in use, over time and by policy. */
  live: procedure("runs.read")
    .input(key)
    .query(({ ctx, input }) => readLiveAccuracy(ctx.db, { ...input, dataFolder: ctx.env.ATTUNE_DATA })),

  /** Whether it is being measured, how far that is, or why it failed; null: neither. */
  evaluation: procedure("runs.read")
    .input(key)
    .query(({ input }) => scoringServices().evaluations.status(input.checkpointId)),

  /** Measures it on this server's rankings of prompts that its run never had. Goes on when the page is left. */
  evaluate: procedure("runs.manage")
    .input(key)
    .mutation(async ({ ctx, input }) => {
      await readRewardModel(ctx.db, { ...input, dataFolder: ctx.env.ATTUNE_DATA });
      await scoringServices().evaluations.start({ ...input, actorId: ctx.user.id });
    }),

  /** Stops measuring; nothing is kept of it. */
  cancelEvaluation: procedure("runs.manage")
    .input(key)
    .mutation(({ input }) => scoringServices().evaluations.cancel(input.checkpointId)),

  /** Scores of responses to a prompt, token by token. */
  score: procedure("models.manage")
    .input(scoreTextsSchema.extend(key.shape))
    .mutation(({ ctx, input: { checkpointId, ...texts }, signal }) =>
      scoreTexts(
        { db: ctx.db, scoring: scoringServices().scoring },
        { ...texts, model: checkpointId, withTokens: true, signal },
      ),
    ),
});
