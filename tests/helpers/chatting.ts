/** @file A person who chats through procedures. */
import { randomUUID } from "node:crypto";
import type { TrackedEnvelope } from "@trpc/server";
import type { Db } from "@/server/db/db";
import type { Message } from "@/server/domain/messages";
import type { AnswerUpdate } from "@/server/generation/answer-updates";
import { callerFor, makePerson } from "./test-context";

export type Caller = ReturnType<typeof callerFor>;

export async function newChatter(db: Db, name = "Ann"): Promise<{ userId: string; call: Caller }> {
  const user = await makePerson(db, { name });
  return { userId: user.id, call: callerFor(db, user) };
}

/** Sends a question with the defaults of a page that starts a conversation. */
export function send(
  call: Caller,
  content: string,
  where: { conversationId?: string | null; parentId?: string | null; messageId?: string } = {},
) {
  return call.chat.send({
    messageId: randomUUID(),
    conversationId: null,
    parentId: null,
    content,
    ...where,
  });
}

/** The updates of an answer with their ids, as they travel: a caller in the same process gets them in this form. */
export async function* follow(call: Caller, messageId: string, lastEventId: string | null) {
  const updates = await call.chat.stream({ messageId, lastEventId });
  for await (const update of updates as unknown as AsyncIterable<TrackedEnvelope<AnswerUpdate>>) yield update;
}

/** Resolves when the answer has its first word. */
export async function begun(call: Caller, messageId: string): Promise<void> {
  for await (const [, update] of follow(call, messageId, null)) {
    if (update.type === "delta" || (update.type === "snapshot" && update.text !== "")) return;
  }
}

/** Watches an answer to its end. */
export async function watch(
  call: Caller,
  messageId: string,
  lastEventId: string | null = null,
): Promise<{ updates: AnswerUpdate[]; lastId: string | null }> {
  const updates: AnswerUpdate[] = [];
  let lastId: string | null = null;
  for await (const [id, update] of follow(call, messageId, lastEventId)) {
    updates.push(update);
    lastId = id;
  }
  return { updates, lastId };
}

/** @returns the message as stored at the end */
export async function finished(call: Caller, messageId: string): Promise<Message> {
  const { updates } = await watch(call, messageId);
  const last = updates.at(-1);
  if (last?.type !== "ended") throw new Error("The stream ended without an end");
  return last.message;
}

/** Asks and waits for the answer. */
export async function exchange(call: Caller, content: string, where: Parameters<typeof send>[2] = {}) {
  const sent = await send(call, content, where);
  return { ...sent, answer: await finished(call, sent.answer.id) };
}
