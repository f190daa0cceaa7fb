/** @file Messages as the app sees them, and how a branch is read out of the tree. */
import { and, asc, eq, inArray, isNull, or, sql } from "drizzle-orm";
import { checkpoints, conversations, draftPairs, feedback, messages } from "@/drizzle/schema";
import type { ChatMessage } from "@/model/runtime/types";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import { type Feedback, toFeedback } from "./feedback";

export type MessageRow = typeof messages.$inferSelect;
export type MessageStatus = MessageRow["status"];

export type Message = {
  id: string;
  conversationId: string;
  /** Messages with the same parent are siblings: edits of a question, or several answers to one. */
  parentId: string | null;
  role: "user" | "assistant";
  content: string;
  status: MessageStatus;
  /** What went wrong, in words for the person; null unless `status` is `failed`. */
  error: string | null;
  /** Who answered; null for questions, and for drafts as long as nobody has chosen: the choice is blind. */
  checkpoint: { id: string; name: string } | null;
  /** One of two drafts of a live comparison, between which the reader has not chosen; null: an answer like any other. */
  draft: { pairId: string; place: "first" | "second"; otherId: string } | null;
  /** The other of two drafts that were chosen between, or passed over: no answer to compare with once more. */
  draftedWithId: string | null;
  /** A draft that the conversation does not go on with: not chosen, or the second where nothing was said of the two. */
  isLeftBehind: boolean;
  /** It is the best of so many; null: one alone was written. */
  bestOf: number | null;
  /** What the reward model gave the best; null where they were not compared, or there was one alone. */
  score: number | null;
  /** Oldest turns that did not fit the context and were not seen by the policy. */
  droppedTurns: number;
  /** Cut from the beginning of the question, where it alone did not fit the context. */
  cutCharacters: number;
  promptTokens: number | null;
  responseTokens: number | null;
  createdAt: Date;
  finishedAt: Date | null;
  /** What the reader said about this answer. */
  feedback: Feedback | null;
};

/** The messages of a conversation, oldest first, with the reader's own feedback. Does not check whose it is. */
export async function readMessages(db: Db, conversationId: string, readerId: string): Promise<Message[]> {
  const rows = await selectMessages(db, readerId)
    .where(eq(messages.conversationId, conversationId))
    .orderBy(asc(messages.createdAt), asc(messages.id));
  return rows.map(toMessage);
}

/**
 * One message of the reader's own conversations.
 * @throws {AppError} NOT_FOUND, for other people's and deleted ones too
 */
export async function readMessage(db: Db, messageId: string, readerId: string): Promise<Message> {
  const [row] = await selectMessages(db, readerId)
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .where(
      and(eq(messages.id, messageId), eq(conversations.userId, readerId), isNull(conversations.deletedAt)),
    );
  if (!row) throw new AppError("NOT_FOUND", "There is no such message.");
  return toMessage(row);
}

function selectMessages(db: Db, readerId: string) {
  return db
    .select({
      message: messages,
      checkpointName: checkpoints.name,
      feedback,
      pair: {
        id: draftPairs.id,
        firstId: draftPairs.firstId,
        secondId: draftPairs.secondId,
        verdict: draftPairs.verdict,
        decidedAt: draftPairs.decidedAt,
      },
    })
    .from(messages)
    .leftJoin(checkpoints, eq(checkpoints.id, messages.checkpointId))
    .leftJoin(feedback, and(eq(feedback.messageId, messages.id), eq(feedback.userId, readerId)))
    .leftJoin(draftPairs, or(eq(draftPairs.firstId, messages.id), eq(draftPairs.secondId, messages.id)))
    .$dynamic();
}

type SelectedMessage = {
  message: MessageRow;
  checkpointName: string | null;
  feedback: typeof feedback.$inferSelect | null;
  pair: Pick<typeof draftPairs.$inferSelect, "id" | "firstId" | "secondId" | "verdict" | "decidedAt"> | null;
};

function toDraft(
  messageId: string,
  pair: SelectedMessage["pair"],
): Pick<Message, "draft" | "draftedWithId" | "isLeftBehind"> {
  if (!pair) return { draft: null, draftedWithId: null, isLeftBehind: false };
  const { id: pairId, firstId, secondId, verdict, decidedAt } = pair;
  const isFirst = messageId === firstId;
  const [place, otherId] = isFirst ? (["first", secondId] as const) : (["second", firstId] as const);
  return {
    draft: decidedAt ? null : { pairId, place, otherId },
    draftedWithId: decidedAt ? otherId : null,
    isLeftBehind: isFirst ? verdict === "second" : verdict === null || verdict === "first",
  };
}

function toMessage({ message, checkpointName, feedback, pair }: SelectedMessage): Message {
  return {
    id: message.id,
    conversationId: message.conversationId,
    parentId: message.parentId,
    role: message.role,
    content: message.content,
    status: message.status,
    error: message.error,
    checkpoint:
      message.checkpointId === null || (pair && !pair.decidedAt)
        ? null
        : { id: message.checkpointId, name: checkpointName ?? "" },
    ...toDraft(message.id, pair),
    bestOf: message.bestOf,
    score: message.score,
    droppedTurns: message.droppedTurns,
    cutCharacters: message.cutCharacters,
    promptTokens: message.promptTokens,
    responseTokens: message.tokenIds?.length ?? null,
    createdAt: message.createdAt,
    finishedAt: message.finishedAt,
    feedback: feedback && toFeedback(feedback),
  };
}

/** The turns from the first message down to `leafId`, system prompt first if there is one. Empty answers are left out. */
export async function readBranch(db: Db, leafId: string, systemPrompt: string): Promise<ChatMessage[]> {
  const branch = await readPath(db, leafId);
  const turns = branch
    .filter(({ content }) => content !== "")
    .map(({ role, content }) => ({ role, content }));
  return systemPrompt === "" ? turns : [{ role: "system", content: systemPrompt }, ...turns];
}

/** A message and its ancestors, first message first. */
export async function readPath(db: Db, leafId: string): Promise<MessageRow[]> {
  const ids = await db.execute<{ id: string; depth: number }>(sql`
    with recursive path(id, parent_id, depth) as (
      select id, parent_id, 0 from messages where id = ${leafId}
      union all
      select m.id, m.parent_id, depth + 1 from messages m join path on m.id = path.parent_id
    )
    select id, depth from path`);
  const depthById = new Map(ids.rows.map(({ id, depth }) => [id, depth]));
  const rows = await db
    .select()
    .from(messages)
    .where(inArray(messages.id, [...depthById.keys()]));
  return rows.sort((a, b) => (depthById.get(b.id) ?? 0) - (depthById.get(a.id) ?? 0));
}

/** The newest leaf below a message: where choosing a sibling leads. */
export async function readNewestLeaf(db: Db, messageId: string): Promise<string> {
  const leaves = await db.execute<{ id: string }>(sql`
    with recursive below(id, created_at) as (
      select id, created_at from messages where id = ${messageId}
      union all
      select m.id, m.created_at from messages m join below on m.parent_id = below.id
    )
    select id from below b
    where not exists (select from messages m where m.parent_id = b.id)
    order by exists (
      select from draft_pairs p
      where (p.second_id = b.id and (p.verdict is null or p.verdict = 'first')) or (p.first_id = b.id and p.verdict = 'second')
    ), created_at desc, id limit 1`);
  return leaves.rows[0]?.id ?? messageId;
}

/**
 * At start: nobody works on unfinished answers any more. Their text so far is kept and can be continued.
 * @returns how many there were
 */
export async function markUnfinishedInterrupted(db: Db): Promise<number> {
  const rows = await db
    .update(messages)
    .set({ status: "interrupted", finishedAt: new Date() })
    .where(inArray(messages.status, ["queued", "streaming"]))
    .returning({ id: messages.id });
  return rows.length;
}
