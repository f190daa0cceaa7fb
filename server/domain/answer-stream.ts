/** @file Watching one answer: what is there, then what comes, then how it ended. */
import { type TrackedEnvelope, tracked } from "@trpc/server";
import type { Db } from "../db/db";
import type { AnswerUpdate } from "../generation/answer-updates";
import type { ChatServices } from "../process-state";
import { readMessage } from "./messages";

/**
 * Every update carries the position in the answer as its id, so a reader who comes back with `lastEventId` gets what
 * follows it, once.
 * @throws {AppError} NOT_FOUND for messages that are not the reader's
 */
export async function* streamAnswer(
  db: Db,
  chat: ChatServices,
  options: {
    messageId: string;
    userId: string;
    lastEventId: string | null;
    signal?: AbortSignal | undefined;
  },
): AsyncGenerator<TrackedEnvelope<AnswerUpdate>, void, void> {
  const { messageId, userId, lastEventId, signal } = options;
  await readMessage(db, messageId, userId);
  let lastId = lastEventId ?? "0";
  for await (const { id, update } of chat.answers.follow(messageId, { lastEventId, signal })) {
    lastId = id;
    yield tracked(id, update);
  }
  if (signal?.aborted) return;
  // An answer leaves the live ones only after its last write: what the row says now is final.
  yield tracked(lastId, { type: "ended", message: await readMessage(db, messageId, userId) });
}
