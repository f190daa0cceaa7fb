/** @file Questions and answers: asking, editing, regenerating, retrying, continuing, stopping. Rows first, then generation. */
import { randomUUID } from "node:crypto";
import { and, eq, ne, notExists, sql } from "drizzle-orm";
import { alias } from "drizzle-orm/pg-core";
import { consentEvents, conversations, draftPairs, messages } from "@/drizzle/schema";
import type { ChatMessage } from "@/model/runtime/types";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import type { Place } from "../generation/admission";
import type { ChatServices } from "../process-state";
import { liveChannel } from "./channels";
import { checkAnswers } from "./checkpoints";
import { consentNoticeVersion } from "./consent";
import { ownedBy } from "./conversations";
import { fallbackTitle, titleConversation } from "./conversations-title";
import { decidePair, type PairChoice, passOver, settleEnded } from "./live/decide-pair";
import { drawPair } from "./live/draw-pair";
import { checkMessageText, storableText } from "./message-text";
import { type Message, type MessageRow, readBranch, readMessage } from "./messages";
import { offersBestOf } from "./reward-models/pick-best";
import { resolveSampling, type SamplingOverrides, samplingOverridesSchema } from "./sampling";
import { readSettings } from "./settings";

export type Exchange = {
  conversationId: string;
  question: Message;
  /** Being made; watch it with `chat.stream`. */
  answer: Message;
  /** Where a live comparison drew this question: another one, to choose between the two. */
  otherDraft: Message | null;
};

export type NewConversationSettings = {
  systemPrompt?: string | undefined;
  sampling?: SamplingOverrides | undefined;
  bestOf?: number | undefined;
  consent?: boolean | null | undefined;
};

/** Turns an API client or a temporary chat may send along. */
export const maxTurns = 1000;

type Asking = { userId: string; checkpointId: string | null };

/**
 * Stores a question with its answer to be, and starts generation. The same `messageId` a second time returns what the
 * first time made.
 * @throws {AppError} NOT_FOUND, TOO_LARGE, TOO_MANY_REQUESTS, UNAVAILABLE; CONFLICT while the answer before is unfinished
 */
export async function sendMessage(
  db: Db,
  chat: ChatServices,
  input: Asking & {
    messageId: string;
    conversationId: string | null;
    parentId: string | null;
    content: string;
    settings: NewConversationSettings;
  },
): Promise<Exchange> {
  const content = checkMessageText(input.content);
  const done = await findExchange(db, input.messageId, input.userId);
  if (done) return done;
  const started = await withPlace(chat, input.userId, async (place) => {
    const conversationId = input.conversationId ?? randomUUID();
    const policy = choosePolicy(chat, { ...input, conversationId });
    const spare: SparePlace = { generation: chat.generation, place: null };
    const made = await db
      .transaction(async (tx) => {
        await checkAnswers(tx, policy.checkpointId);
        const conversation =
          input.conversationId === null
            ? await createConversation(tx, input.userId, {
                ...input.settings,
                conversationId,
                title: fallbackTitle(content),
              })
            : await lockConversation(tx, input.conversationId, input.userId);
        if (input.parentId !== null) await checkFollows(tx, input.parentId, conversation.id);
        const leftBehindId = input.parentId === null ? null : await passOver(tx, input.parentId);
        const now = new Date();
        const [question] = await tx
          .insert(messages)
          .values({
            id: input.messageId,
            conversationId: conversation.id,
            parentId: input.parentId,
            role: "user",
            content,
            createdAt: now,
            finishedAt: now,
          })
          .onConflictDoNothing()
          .returning();
        // Sent twice at once and the other was faster: undo this one.
        if (!question) throw new SentTwice();
        return {
          leftBehindId,
          ...(await insertAnswers(tx, spare, { conversation, question, policy, userId: input.userId })),
        };
      })
      .catch((error: unknown) => {
        spare.place?.release();
        throw error;
      });
    startAnswer(db, chat, { ...made.answer, userId: input.userId, place });
    if (made.other) startAnswer(db, chat, { ...made.other, userId: input.userId });
    // Nobody reads it any more.
    if (made.leftBehindId) void chat.answers.stop(made.leftBehindId);
    return true;
  }).catch((error: unknown) => {
    if (error instanceof SentTwice) return false;
    throw error;
  });
  const exchange = await findExchange(db, input.messageId, input.userId);
  if (!exchange) throw new AppError("CONFLICT", "This message id is taken. Send the message again.");
  if (started) announce(chat, input.userId, exchange.conversationId);
  return exchange;
}

/** Asks a question again in other words: a sibling with the same parent. @throws like {@link sendMessage} */
export async function editQuestion(
  db: Db,
  chat: ChatServices,
  input: Asking & { messageId: string; newMessageId: string; content: string },
): Promise<Exchange> {
  const question = await readMessage(db, input.messageId, input.userId);
  if (question.role !== "user") throw new AppError("BAD_REQUEST", "Only questions can be edited.");
  return sendMessage(db, chat, {
    ...input,
    messageId: input.newMessageId,
    conversationId: question.conversationId,
    parentId: question.parentId,
    settings: {},
  });
}

/** Another answer to the same question, beside the old one. @throws like {@link sendMessage} */
export async function regenerateAnswer(
  db: Db,
  chat: ChatServices,
  input: Asking & { messageId: string; newMessageId: string },
): Promise<Message> {
  const old = await readMessage(db, input.messageId, input.userId);
  if (old.role !== "assistant" || old.parentId === null) {
    throw new AppError("BAD_REQUEST", "Only answers can be made again.");
  }
  const questionId = old.parentId;
  await withPlace(chat, input.userId, async (place) => {
    const policy = choosePolicy(chat, { ...input, conversationId: old.conversationId });
    const answer = await db.transaction(async (tx) => {
      await checkAnswers(tx, policy.checkpointId);
      // The conversation before its drafts, as everywhere: else two who wait for each other.
      const conversation = await lockConversation(tx, old.conversationId, input.userId);
      await passOver(tx, input.messageId);
      const [question] = await tx.select().from(messages).where(eq(messages.id, questionId));
      if (!question) throw new AppError("NOT_FOUND", "There is no such message.");
      return insertAnswer(tx, { conversation, question, policy, id: input.newMessageId });
    });
    if (answer) startAnswer(db, chat, { ...answer, userId: input.userId, place });
  }).catch((error: unknown) => {
    if (!(error instanceof SentTwice)) throw error;
  });
  announce(chat, input.userId, old.conversationId);
  return readMessage(db, input.newMessageId, input.userId);
}

const resumable = {
  continue: ["length", "stopped", "interrupted", "failed"],
  retry: ["failed", "interrupted", "stopped"],
} as const satisfies Record<string, readonly MessageRow["status"][]>;

/**
 * `continue` goes on with a cut answer by the checkpoint that began it; `retry` makes it anew by the live channel. In place.
 * An answer that is in the making already is returned as it is.
 * @throws {AppError} CONFLICT when it cannot be resumed: complete, or followed by other messages
 */
export async function resumeAnswer(
  db: Db,
  chat: ChatServices,
  { messageId, userId, mode }: { messageId: string; userId: string; mode: "continue" | "retry" },
): Promise<Message> {
  const before = await readMessage(db, messageId, userId);
  if (before.status === "queued" || before.status === "streaming") return before;
  if (before.draft) throw new AppError("CONFLICT", "Say first which of the two drafts is better.");
  const statuses: readonly MessageRow["status"][] = resumable[mode];
  if (before.role !== "assistant" || !statuses.includes(before.status)) {
    throw new AppError(
      "CONFLICT",
      mode === "continue"
        ? "This answer is complete."
        : "This answer did not fail. Use “again” for another one.",
    );
  }
  const keepsText = mode === "continue" && before.content !== "";
  await withPlace(chat, userId, async (place) => {
    const policy = choosePolicy(chat, {
      checkpointId: keepsText ? (before.checkpoint?.id ?? null) : null,
      conversationId: before.conversationId,
    });
    const resumed = await db.transaction(async (tx) => {
      const conversation = await lockConversation(tx, before.conversationId, userId);
      const child = alias(messages, "child");
      const [answer] = await tx
        .update(messages)
        .set({
          status: "queued",
          error: null,
          finishedAt: null,
          isResumed: true,
          ...(!keepsText && {
            content: "",
            score: null,
            rewardModelId: null,
            tokenIds: null,
            logprobs: null,
            seed: null,
            checkpointId: policy.checkpointId,
            channel: policy.channel,
          }),
        })
        .where(
          and(
            eq(messages.id, messageId),
            eq(messages.status, before.status),
            notExists(tx.select({ one: sql`1` }).from(child).where(eq(child.parentId, messageId))),
          ),
        )
        .returning();
      if (!answer) {
        throw new AppError("CONFLICT", "Other messages follow this answer. Use “again” for another one.");
      }
      // Retention counts from the last time anybody worked on it.
      await tx
        .update(conversations)
        .set({ updatedAt: new Date() })
        .where(eq(conversations.id, conversation.id));
      const leafId = keepsText ? answer.id : (answer.parentId ?? answer.id);
      return { answer, turns: await readTurns(tx, leafId, conversation), isFirst: false };
    });
    startAnswer(db, chat, { ...resumed, userId, place });
  });
  announce(chat, userId, before.conversationId);
  return readMessage(db, messageId, userId);
}

/** Stops an answer within a token and returns it as it is kept. Harmless on one that has ended. */
export async function stopAnswer(
  db: Db,
  chat: ChatServices,
  { messageId, userId }: { messageId: string; userId: string },
): Promise<Message> {
  await readMessage(db, messageId, userId);
  await chat.answers.stop(messageId);
  return readMessage(db, messageId, userId);
}

/** See {@link decidePair}. */
export async function chooseDraft(db: Db, chat: ChatServices, choice: PairChoice): Promise<Message[]> {
  const { conversationId, drafts } = await decidePair(db, choice);
  announce(chat, choice.userId, conversationId);
  return drafts;
}

class SentTwice extends Error {}

/** Holds one of the person's places while rows are written; whoever starts generation takes it over. */
async function withPlace<T>(
  chat: ChatServices,
  userId: string,
  write: (place: Place) => Promise<T>,
): Promise<T> {
  const place = chat.generation.admit(userId);
  try {
    return await write(place);
  } catch (error) {
    place.release();
    throw error;
  }
}

type Policy = { checkpointId: string; channel: string | null };

function choosePolicy(
  chat: ChatServices,
  { checkpointId, conversationId }: { checkpointId: string | null; conversationId: string },
): Policy {
  return checkpointId === null
    ? chat.generation.route(liveChannel, conversationId)
    : { channel: null, checkpointId };
}

type ConversationRow = typeof conversations.$inferSelect;

async function createConversation(
  tx: Tx,
  userId: string,
  settings: NewConversationSettings & { conversationId: string; title: string },
): Promise<ConversationRow> {
  const [row] = await tx
    .insert(conversations)
    .values({
      id: settings.conversationId,
      userId,
      title: settings.title,
      systemPrompt: storableText(settings.systemPrompt ?? ""),
      sampling: settings.sampling ?? {},
      bestOf: settings.bestOf ?? 1,
      consent: settings.consent ?? null,
      createdAt: new Date(),
    })
    .returning();
  if (!row) throw new Error("The conversation was not inserted");
  if (row.consent !== null) {
    const { id: conversationId, consent: granted } = row;
    await tx
      .insert(consentEvents)
      .values({ userId, conversationId, granted, noticeVersion: consentNoticeVersion });
  }
  return row;
}

/** Locked, so that a deletion and a question at the same moment come one after the other. */
async function lockConversation(tx: Tx, conversationId: string, userId: string): Promise<ConversationRow> {
  const [row] = await tx.select().from(conversations).where(ownedBy(userId, conversationId)).for("update");
  if (!row) throw new AppError("NOT_FOUND", "There is no such conversation.");
  return row;
}

/** A question follows a finished answer of the same conversation. */
async function checkFollows(tx: Tx, parentId: string, conversationId: string): Promise<void> {
  const [parent] = await tx
    .select({ role: messages.role, status: messages.status })
    .from(messages)
    .where(and(eq(messages.id, parentId), eq(messages.conversationId, conversationId)));
  if (!parent) throw new AppError("NOT_FOUND", "There is no such message.");
  if (parent.role !== "assistant") throw new AppError("BAD_REQUEST", "A question follows an answer.");
  if (parent.status === "queued" || parent.status === "streaming") {
    throw new AppError("CONFLICT", "The answer before is still being made. Wait for it, or stop it.");
  }
}

type Pending = { answer: MessageRow; turns: ChatMessage[]; isFirst: boolean };

type Answering = { conversation: ConversationRow; question: MessageRow; policy: Policy };

/** Of a second draft: whoever writes the rows gives it back where they are undone. */
type SparePlace = { generation: ChatServices["generation"]; place: Place | null };

/** One answer; or two drafts, the first of them on the branch that is shown, where a live comparison draws the question. */
async function insertAnswers(
  tx: Tx,
  spare: SparePlace,
  { userId, ...asked }: Answering & { userId: string },
): Promise<{ answer: Pending; other: (Pending & { place: Place }) | null }> {
  const { conversation, question, policy } = asked;
  const pair =
    policy.channel === liveChannel
      ? await drawPair(tx, spare.generation, { userId, conversation, checkpointId: policy.checkpointId })
      : null;
  const place = pair && admitOrNull(spare.generation, userId);
  if (!pair || !place) return { answer: await insertAnswer(tx, asked), other: null };
  spare.place = place;
  const { challenger, isChallengerFirst, comparisonId, seed } = pair;
  const answer = await insertAnswer(tx, { ...asked, policy: isChallengerFirst ? challenger : policy });
  const aside = { policy: isChallengerFirst ? policy : challenger, isAside: true };
  const other = await insertAnswer(tx, { ...asked, ...aside });
  const ids = { questionId: question.id, firstId: answer.answer.id, secondId: other.answer.id };
  await tx.insert(draftPairs).values({ comparisonId, seed, userId, ...ids });
  return { answer, other: { ...other, isFirst: false, place } };
}

/** A second draft is worth no refusal. */
function admitOrNull(generation: ChatServices["generation"], userId: string): Place | null {
  try {
    return generation.admit(userId);
  } catch {
    return null;
  }
}

async function insertAnswer(
  tx: Tx,
  {
    conversation,
    question,
    policy,
    id,
    isAside = false,
  }: Answering & {
    id?: string;
    /** Not on the branch that is shown. */
    isAside?: boolean;
  },
): Promise<Pending> {
  const now = new Date();
  const { defaultSampling } = await readSettings(tx);
  const [answer] = await tx
    .insert(messages)
    .values({
      ...(id !== undefined && { id }),
      conversationId: conversation.id,
      parentId: question.id,
      role: "assistant",
      content: "",
      status: "queued",
      ...policy,
      sampling: resolveSampling(defaultSampling, samplingOverridesSchema.parse(conversation.sampling)),
      bestOf: conversation.bestOf > 1 && (await offersBestOf(tx)) ? conversation.bestOf : null,
      // Later than its question, and than the draft before it, even where all fall into one millisecond: order is by time.
      createdAt: new Date(Math.max(now.getTime(), question.createdAt.getTime() + 1) + (isAside ? 1 : 0)),
    })
    .onConflictDoNothing()
    .returning();
  if (!answer) throw new SentTwice();
  await tx
    .update(conversations)
    .set({ ...(!isAside && { activeLeafId: answer.id }), updatedAt: now })
    .where(eq(conversations.id, conversation.id));
  return {
    answer,
    turns: await readTurns(tx, question.id, conversation),
    isFirst: question.parentId === null && !conversation.titledByUser,
  };
}

/** What the policy sees: the branch under the conversation's system prompt, or else the admin's. */
async function readTurns(tx: Tx, leafId: string, conversation: ConversationRow): Promise<ChatMessage[]> {
  const { defaultSystemPrompt } = await readSettings(tx);
  return readBranch(tx, leafId, conversation.systemPrompt || defaultSystemPrompt);
}

/** From here on the answer is made whether or not anybody watches. Never throws: the row tells how it went. */
function startAnswer(
  db: Db,
  chat: ChatServices,
  { answer, turns, isFirst, userId, place }: Pending & { userId: string; place: Place },
): void {
  const asked = resolveSampling({}, samplingOverridesSchema.parse(answer.sampling ?? {}));
  // An answer that goes on keeps its seed: noise is drawn by position, so it goes on as it would have. That of the best of
  // several is not the one that was asked for.
  const sampling = { ...asked, seed: answer.seed ?? asked.seed };
  chat.answers.start({
    answer,
    userId,
    place,
    request: { messages: turns, sampling, continueLast: answer.content !== "", priority: "chat" },
    onEnd: (ended) => {
      void settleEnded(db, { messageId: ended.id, status: ended.status })
        .catch((err: unknown) => chat.log.error({ err }, "a draft that was cut off was not settled"))
        .then(() => announce(chat, userId, answer.conversationId));
      if (isFirst && (ended.status === "complete" || ended.status === "length")) {
        void titleConversation(db, chat, { conversationId: answer.conversationId, userId, turns });
      }
    },
  });
}

function announce(chat: ChatServices, userId: string, conversationId: string): void {
  chat.changes.publish(userId, { conversationId, kind: "messages" });
}

/** What an earlier call with this message id made; null if there was none, or it was somebody else's. */
async function findExchange(db: Db, messageId: string, userId: string): Promise<Exchange | null> {
  const [found] = await db
    .select({ conversationId: messages.conversationId })
    .from(messages)
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .where(and(eq(messages.id, messageId), eq(messages.role, "user"), ownedBy(userId)));
  if (!found) return null;
  const [first] = await db
    .select({ id: messages.id })
    .from(messages)
    .where(and(eq(messages.parentId, messageId), ne(messages.role, "user")))
    .orderBy(messages.createdAt)
    .limit(1);
  if (!first) return null;
  const answer = await readMessage(db, first.id, userId);
  return {
    conversationId: found.conversationId,
    question: await readMessage(db, messageId, userId),
    answer,
    otherDraft: answer.draft && (await readMessage(db, answer.draft.otherId, userId)),
  };
}
