/** @file API traffic as a conversation, stored only if its key says that it may be used. */
import { and, desc, eq, isNull } from "drizzle-orm";
import { conversations, messages } from "@/drizzle/schema";
import type { ChatMessage, Sampling } from "@/model/runtime/types";
import type { Db, Tx } from "../db/db";
import type { KeyHolder } from "../domain/api-keys";
import { fallbackTitle } from "../domain/conversations-title";
import { storableText } from "../domain/message-text";
import { readPath } from "../domain/messages";
import type { ChatCall } from "./chat-request";
import type { Choice } from "./choices";

export type RecordedCompletion = {
  holder: KeyHolder;
  call: ChatCall;
  questionId: string;
  checkpoint: { id: string };
  channel: string | null;
  sampling: Sampling;
  choices: Choice[];
};

/** How many earlier answers with the same words are compared with the turns sent along. */
const maxCandidates = 8;

/**
 * Stores question and answers under the completion's id. A call that goes on with a stored conversation is added to it;
 * other earlier turns are stored as `supplied`: no policy of ours wrote them.
 */
export async function recordCompletion(db: Db, completion: RecordedCompletion): Promise<void> {
  const { call, holder, choices } = completion;
  const question = call.turns.at(-1);
  if (!holder.consent || !question || choices.every(({ tokenIds }) => tokenIds.length === 0)) return;
  const history = call.turns.slice(0, -1);
  await db.transaction(async (tx) => {
    const now = new Date();
    const place =
      (await findStored(tx, completion, history)) ?? (await storeHistory(tx, completion, history, now));
    await tx.insert(messages).values({
      id: completion.questionId,
      ...place,
      role: "user",
      content: question.content,
      createdAt: now,
      finishedAt: now,
    });
    const answers = await tx
      .insert(messages)
      .values(choices.map((choice) => answerRow(completion, { choice, place, now })))
      .returning({ id: messages.id });
    await tx
      .update(conversations)
      .set({ activeLeafId: answers[0]?.id ?? completion.questionId, updatedAt: now })
      .where(eq(conversations.id, place.conversationId));
  });
}

type Place = { conversationId: string; parentId: string | null };

function answerRow(
  { questionId, checkpoint, channel, sampling }: RecordedCompletion,
  { choice, place, now }: { choice: Choice; place: Place; now: Date },
): typeof messages.$inferInsert {
  return {
    conversationId: place.conversationId,
    parentId: questionId,
    role: "assistant",
    content: storableText(choice.text),
    status: choice.reason === "stop" ? "complete" : choice.reason === "length" ? "length" : "stopped",
    checkpointId: checkpoint.id,
    channel,
    // The choice's number, by which feedback over the API names it.
    sampling: { ...sampling, choice: choice.index },
    seed: choice.seed,
    promptTokens: choice.promptTokens,
    droppedTurns: choice.droppedTurns,
    cutCharacters: choice.cutCharacters,
    tokenIds: choice.tokenIds,
    logprobs: choice.logprobs,
    // In the order of the choices, after the question.
    createdAt: new Date(now.getTime() + 1 + choice.index),
    finishedAt: new Date(),
  };
}

/** The stored conversation of this key that the turns repeat word for word. */
async function findStored(
  tx: Tx,
  { holder, call }: RecordedCompletion,
  history: ChatMessage[],
): Promise<Place | null> {
  const last = history.at(-1);
  if (last?.role !== "assistant") return null;
  const candidates = await tx
    .select({ id: messages.id, conversationId: messages.conversationId })
    .from(messages)
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .where(
      and(
        eq(conversations.userId, holder.user.id),
        eq(conversations.apiKeyId, holder.apiKeyId),
        eq(conversations.systemPrompt, call.systemPrompt),
        isNull(conversations.deletedAt),
        eq(messages.role, "assistant"),
        eq(messages.content, last.content),
      ),
    )
    .orderBy(desc(messages.createdAt))
    .limit(maxCandidates);
  for (const { id, conversationId } of candidates) {
    const path = await readPath(tx, id);
    const isSame =
      path.length === history.length &&
      path.every(
        ({ role, content }, index) => history[index]?.role === role && history[index].content === content,
      );
    if (isSame) return { conversationId, parentId: id };
  }
  return null;
}

async function storeHistory(
  tx: Tx,
  { holder, call }: RecordedCompletion,
  history: ChatMessage[],
  now: Date,
): Promise<Place> {
  const [conversation] = await tx
    .insert(conversations)
    .values({
      userId: holder.user.id,
      apiKeyId: holder.apiKeyId,
      source: "api",
      title: fallbackTitle(call.turns[0]?.content ?? ""),
      systemPrompt: call.systemPrompt,
      sampling: call.sampling,
    })
    .returning({ id: conversations.id });
  if (!conversation) throw new Error("The conversation was not inserted");
  let parentId: string | null = null;
  for (const [index, { role, content }] of history.entries()) {
    const createdAt = new Date(now.getTime() - history.length + index);
    const isAnswer = role === "assistant";
    const [row]: { id: string }[] = await tx
      .insert(messages)
      .values({
        conversationId: conversation.id,
        parentId,
        role: isAnswer ? "assistant" : "user",
        content,
        status: isAnswer ? "supplied" : "complete",
        createdAt,
        finishedAt: createdAt,
      })
      .returning({ id: messages.id });
    parentId = row?.id ?? null;
  }
  return { conversationId: conversation.id, parentId };
}
