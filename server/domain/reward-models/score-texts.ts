/** @file Scoring texts by hand or by program: which reward model, how much at once. */
import { and, desc, eq, isNull, or } from "drizzle-orm";
import { z } from "zod";
import { checkpoints } from "@/drizzle/schema";
import { messageSchema } from "@/model/data/rankings/ranked-prompt";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import type { ResponseScore, ScoreRequest } from "../../scoring/protocol";
import type { Scoring } from "../../scoring/scoring";
import { checkMessageLength } from "../message-text";

export const mostResponses = 64;
const mostTurns = 200;

/** A conversation that ends with what is answered, and answers to it. */
export const scoreTextsSchema = z.object({
  prompt: z
    .array(messageSchema)
    .min(1)
    .max(mostTurns)
    .refine(
      (turns) => turns.at(-1)?.role === "user",
      "must end with a user's turn: a response follows what a user said",
    ),
  responses: z.array(z.string()).min(1).max(mostResponses),
});

/** @throws {AppError} BAD_REQUEST for another kind of checkpoint; NOT_FOUND; TOO_LARGE; what scoring refuses */
export async function scoreTexts(
  { db, scoring }: { db: Db; scoring: Scoring },
  { model, signal, ...request }: ScoreRequest & { model: string; signal?: AbortSignal | undefined },
): Promise<{ checkpointId: string; scores: ResponseScore[] }> {
  for (const { content } of request.prompt) checkMessageLength(content);
  for (const response of request.responses) checkMessageLength(response);
  const checkpointId = await findRewardModel(db, model);
  return { checkpointId, scores: await scoring.score(checkpointId, request, signal) };
}

/** By id, or the newest of a name. */
async function findRewardModel(db: Db, model: string): Promise<string> {
  const [row] = await db
    .select({ id: checkpoints.id, stage: checkpoints.stage })
    .from(checkpoints)
    .where(and(or(eq(checkpoints.id, model), eq(checkpoints.name, model)), isNull(checkpoints.deletedAt)))
    .orderBy(desc(checkpoints.createdAt))
    .limit(1);
  if (!row) throw new AppError("NOT_FOUND", `There is no reward model “${model}” on this server.`);
  if (row.stage !== "reward") {
    throw new AppError("BAD_REQUEST", `“${model}” answers; only a reward model scores answers.`);
  }
  return row.id;
}
