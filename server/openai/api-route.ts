/** @file What every route of the OpenAI-compatible API does first: key, permission, limit; and last: errors in its shape. */
import { countAgainst } from "../auth/limits";
import { newRequestId } from "../context";
import type { Db } from "../db/db";
import { isRefusedValue, refusedValue } from "../db/refused-value";
import { authenticateApiKey, type KeyHolder } from "../domain/api-keys";
import { AppError, isAppError } from "../errors";
import { log } from "../log";
import { isAllowed } from "../permissions";
import { processState } from "../process-state";
import { errorResponse } from "./api-error";

export type ApiCall = { db: Db; holder: KeyHolder; requestId: string };

/** A route that a valid key of a person with `chat.use` may call. */
export async function apiRoute(
  request: Request,
  answer: (call: ApiCall) => Promise<Response>,
): Promise<Response> {
  const requestId = newRequestId();
  try {
    const { db } = processState();
    if (!db) throw new AppError("UNAVAILABLE", "The server is starting. Try again in a few seconds.");
    const holder = await authenticateApiKey(db, request.headers.get("authorization"));
    if (!holder) {
      throw new AppError(
        "UNAUTHORIZED",
        "The key is missing, wrong or revoked. Make one in Settings → API keys and send it as “Authorization: Bearer att_…”.",
      );
    }
    if (!isAllowed(holder.user, "chat.use")) {
      throw new AppError("FORBIDDEN", "The owner of this key may not chat.");
    }
    await countAgainst("mutationByUser", holder.user.id);
    const response = await answer({ db, holder, requestId });
    response.headers.set("x-request-id", requestId);
    return response;
  } catch (error) {
    if (isRefusedValue(error)) return errorResponse(refusedValue(error), requestId);
    if (!isAppError(error)) log.error({ err: error, requestId }, "API request failed");
    return errorResponse(error, requestId);
  }
}
