/** @file POST /v1/score: scores of responses by a reward model, for programs of those who manage models. */
import { z } from "zod";
import { withBoundedBody } from "../auth/request-checks";
import { scoreTexts, scoreTextsSchema } from "../domain/reward-models/score-texts";
import { AppError } from "../errors";
import { isAllowed } from "../permissions";
import { scoringServices } from "../scoring/scoring-services";
import { ParameterError } from "./api-error";
import type { ApiCall } from "./api-route";

const bodySchema = z.object({
  /** Id of a reward model's checkpoint, or its name. */
  model: z.string().min(1).max(200),
  /** The conversation that is answered, as in chat completions. */
  messages: scoreTextsSchema.shape.prompt,
  responses: scoreTextsSchema.shape.responses,
  /** Also the score at each token. */
  token_scores: z.boolean().default(false),
});

/** @throws {AppError} FORBIDDEN for whoever may not manage models; BAD_REQUEST naming the parameter */
export async function giveScores(request: Request, { db, holder }: ApiCall): Promise<Response> {
  if (!isAllowed(holder.user, "models.manage")) {
    throw new AppError("FORBIDDEN", "The owner of this key may not score. An admin can change that.");
  }
  const body: unknown = await (await withBoundedBody(request)).json().catch(() => null);
  const parsed = bodySchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const param = issue?.path.join(".") ?? "";
    throw new ParameterError(`${param || "body"}: ${issue?.message ?? "does not fit"}`, param || null);
  }
  const { model, messages, responses, token_scores: withTokens } = parsed.data;
  const { checkpointId, scores } = await scoreTexts(
    { db, scoring: scoringServices().scoring },
    { model, prompt: messages, responses, withTokens, signal: request.signal },
  );
  return Response.json({
    object: "list",
    model,
    checkpoint: checkpointId,
    data: scores.map(({ score, deviation, tokens, cutTokens, perToken }, index) => ({
      object: "score",
      index,
      score,
      ...(deviation !== null && { deviation }),
      tokens,
      cut_tokens: cutTokens,
      ...(perToken && { token_scores: perToken.map(({ text, score: at }) => ({ token: text, score: at })) }),
    })),
  });
}
