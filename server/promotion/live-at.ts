/** @file GET /v1/promotions?channel=live&at=2026-03-03T14:00:00Z: what was live then; without `at`, the history. */
import { z } from "zod";
import { listHistory, whatWasLive } from "../domain/promotion/history";
import { AppError } from "../errors";
import type { ApiCall } from "../openai/api-route";
import { isAllowed } from "../permissions";

const querySchema = z.object({
  channel: z.string().max(40).default("live"),
  at: z.coerce.date().optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
  /** Rows older than this one. */
  before: z.coerce.number().int().optional(),
});

export async function answerLiveAt(request: Request, { db, holder }: ApiCall): Promise<Response> {
  if (!isAllowed(holder.user, "promotion.read")) {
    throw new AppError("FORBIDDEN", "The owner of this key may not read promotions.");
  }
  const query = querySchema.safeParse(Object.fromEntries(new URL(request.url).searchParams));
  if (!query.success) throw new AppError("BAD_REQUEST", z.prettifyError(query.error));
  const { channel, at, limit, before } = query.data;
  if (at)
    return Response.json({ channel, at: at.toISOString(), live: await whatWasLive(db, { channel, at }) });
  const { rows, nextCursor } = await listHistory(db, { channel, cursor: before ?? null, limit });
  return Response.json({ object: "list", data: rows, before: nextCursor });
}
