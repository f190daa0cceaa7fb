/** @file What people say about answers: thumb, reasons, words, what it should have said, and better/same/worse after a regenerate. */
import { and, eq, isNull } from "drizzle-orm";
import { conversations, feedback, messages } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import { checkMessageText, storableText } from "./message-text";

/** Reasons a person may tick, and with which thumb each is offered. */
export const feedbackReasons = [
  { tag: "correct", label: "Correct", thumb: 1 },
  { tag: "helpful", label: "Helpful", thumb: 1 },
  { tag: "clear", label: "Clear and well put", thumb: 1 },
  { tag: "incorrect", label: "Not correct", thumb: -1 },
  { tag: "unhelpful", label: "Did not help", thumb: -1 },
  { tag: "instructions", label: "Did not follow instructions", thumb: -1 },
  { tag: "tooLong", label: "Too long", thumb: -1 },
  { tag: "tooShort", label: "Too short", thumb: -1 },
  { tag: "refused", label: "Refused without need", thumb: -1 },
  { tag: "unsafe", label: "Harmful or unsafe", thumb: -1 },
] as const satisfies readonly { tag: string; label: string; thumb: 1 | -1 }[];

export type FeedbackTag = (typeof feedbackReasons)[number]["tag"];
export const feedbackTags = feedbackReasons.map(({ tag }) => tag) as [FeedbackTag, ...FeedbackTag[]];

export type Feedback = {
  thumb: 1 | -1 | null;
  tags: FeedbackTag[];
  comment: string;
  /** What the answer should have said. */
  correction: string;
  /** This answer against an earlier one to the same question. */
  comparison: { comparedToId: string; verdict: "better" | "same" | "worse" } | null;
  updatedAt: Date;
};

/** Fields left out stay as they are. */
export type FeedbackChange = {
  thumb?: 1 | -1 | null;
  tags?: FeedbackTag[];
  comment?: string;
  correction?: string;
  comparison?: { comparedToId: string; verdict: "better" | "same" | "worse" } | null;
};

/**
 * Writes or changes the reader's one feedback on an answer.
 * @throws {AppError} NOT_FOUND for answers of other people; BAD_REQUEST when the compared answer is not a sibling
 */
export async function giveFeedback(
  db: Db,
  { messageId, userId, change }: { messageId: string; userId: string; change: FeedbackChange },
): Promise<Feedback> {
  const answer = await findOwnAnswer(db, messageId, userId);
  if (change.comparison) await checkSibling(db, answer, change.comparison.comparedToId);
  const { comparison, ...rest } = change;
  const values = {
    ...rest,
    ...(change.comment !== undefined && { comment: storableText(change.comment) }),
    ...(change.correction && { correction: checkMessageText(change.correction) }),
    ...(comparison !== undefined && {
      comparedToId: comparison?.comparedToId ?? null,
      comparison: comparison?.verdict ?? null,
    }),
    updatedAt: new Date(),
  };
  const [row] = await db
    .insert(feedback)
    .values({ messageId, userId, ...values })
    .onConflictDoUpdate({ target: [feedback.messageId, feedback.userId], set: values })
    .returning();
  if (!row) throw new Error(`Feedback on ${messageId} was neither inserted nor updated`);
  return toFeedback(row);
}

/** Takes back everything the reader said about an answer. */
export async function clearFeedback(
  db: Db,
  { messageId, userId }: { messageId: string; userId: string },
): Promise<void> {
  await findOwnAnswer(db, messageId, userId);
  await db.delete(feedback).where(and(eq(feedback.messageId, messageId), eq(feedback.userId, userId)));
}

export function toFeedback(row: typeof feedback.$inferSelect): Feedback {
  return {
    thumb: row.thumb === 1 ? 1 : row.thumb === -1 ? -1 : null,
    // A tag that later versions drop from the list stays stored and is no longer shown.
    tags: feedbackTags.filter((tag) => row.tags.includes(tag)),
    comment: row.comment,
    correction: row.correction,
    comparison:
      row.comparedToId && row.comparison ? { comparedToId: row.comparedToId, verdict: row.comparison } : null,
    updatedAt: row.updatedAt,
  };
}

type Answer = { id: string; parentId: string | null };

async function findOwnAnswer(db: Db, messageId: string, userId: string): Promise<Answer> {
  const [answer] = await db
    .select({ id: messages.id, parentId: messages.parentId })
    .from(messages)
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .where(
      and(
        eq(messages.id, messageId),
        eq(messages.role, "assistant"),
        eq(conversations.userId, userId),
        isNull(conversations.deletedAt),
      ),
    );
  if (!answer) throw new AppError("NOT_FOUND", "There is no such answer.");
  return answer;
}

async function checkSibling(db: Db, answer: Answer, comparedToId: string): Promise<void> {
  const [other] = await db
    .select({ parentId: messages.parentId })
    .from(messages)
    .where(and(eq(messages.id, comparedToId), eq(messages.role, "assistant")));
  // No parent means no question: all conversations that begin with an answer have that in common.
  const isSibling = answer.parentId !== null && other?.parentId === answer.parentId;
  if (comparedToId === answer.id || !isSibling) {
    throw new AppError("BAD_REQUEST", "Only two answers to the same question can be compared.");
  }
}
