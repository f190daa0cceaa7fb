/** @file The best of several answers by the reward model in use, and whether there is one to go by. */
import { eq, isNull } from "drizzle-orm";
import { currentRewardModel } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import type { Best, Candidates } from "../../generation/best-of";
import type { Scoring } from "../../scoring/scoring";

/** Whether a conversation that asks for the best of several gets it: a reward model is in use, and scores. */
export async function offersBestOf(db: Db): Promise<boolean> {
  return (await db.$count(currentRewardModel, isNull(currentRewardModel.problem))) > 0;
}

/** The first of those that score highest. @throws {AppError} UNAVAILABLE where none is in use; what scoring refuses */
export async function pickBest(
  { db, scoring }: { db: Db; scoring: Scoring },
  { prompt, responses, signal }: Candidates,
): Promise<Best> {
  const [current] = await db
    .select({ checkpointId: currentRewardModel.checkpointId })
    .from(currentRewardModel)
    .where(eq(currentRewardModel.id, 1));
  if (!current) throw new AppError("UNAVAILABLE", "No reward model is in use any more.");
  const scored = await scoring.score(current.checkpointId, { prompt, responses, withTokens: false }, signal);
  const scores = scored.map(({ score }) => score);
  if (!scores.every(Number.isFinite))
    throw new AppError("UNAVAILABLE", "The reward model gave no finite score.");
  const score = Math.max(...scores);
  return { index: scores.indexOf(score), score, rewardModelId: current.checkpointId };
}
