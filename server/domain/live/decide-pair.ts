/** @file What becomes of two drafts: the person says which is better, writes on without saying, or one of them fails. */
import { and, eq, inArray, isNull, or, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import { conversations, draftPairs, messages } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { ownedBy } from "../conversations";
import { type Message, type MessageStatus, readMessage } from "../messages";

export const draftPlaces = ["first", "second"] as const;
export type DraftPlace = (typeof draftPlaces)[number];

type PairRow = typeof draftPairs.$inferSelect;
export type PairVerdict = NonNullable<PairRow["verdict"]>;

export type PairChoice = {
  pairId: string;
  userId: string;
  verdict: PairVerdict;
  /** Where neither is better: which the conversation goes on with. */
  goesOnWith: DraftPlace;
};

/** Such answers can be compared. */
const whole: readonly MessageStatus[] = ["complete", "length"];

/**
 * Once, for good. The draft that was not taken stays beside it in the tree.
 * @returns both drafts, the one that goes on first
 * @throws {AppError} NOT_FOUND for other people's; CONFLICT once decided, or while one is being written
 */
export async function decidePair(
  db: Db,
  { pairId, userId, verdict, goesOnWith }: PairChoice,
): Promise<{ conversationId: string; drafts: [Message, Message] }> {
  const place = verdict === "first" || verdict === "second" ? verdict : goesOnWith;
  const { pair, conversationId } = await db.transaction(async (tx) => {
    const found = await lockPair(tx, { pairId, userId });
    if (found.pair.decidedAt) throw new AppError("CONFLICT", "These two drafts were decided on already.");
    await checkWhole(tx, found.pair);
    await tx.update(draftPairs).set({ verdict, decidedAt: new Date() }).where(eq(draftPairs.id, pairId));
    await tx
      .update(conversations)
      .set({ activeLeafId: draftAt(found.pair, place), updatedAt: new Date() })
      .where(eq(conversations.id, found.conversationId));
    return found;
  });
  const [goesOn, other] = [place, place === "first" ? "second" : "first"] as const;
  return {
    conversationId,
    drafts: [
      await readMessage(db, draftAt(pair, goesOn), userId),
      await readMessage(db, draftAt(pair, other), userId),
    ],
  };
}

const draftAt = ({ firstId, secondId }: PairRow, place: DraftPlace) =>
  place === "first" ? firstId : secondId;

async function lockPair(tx: Tx, { pairId, userId }: { pairId: string; userId: string }) {
  const found = await lockConversationOf(
    tx,
    tx.select({ id: draftPairs.questionId }).from(draftPairs).where(eq(draftPairs.id, pairId)),
    ownedBy(userId),
  );
  const [pair] = await tx.select().from(draftPairs).where(eq(draftPairs.id, pairId)).for("update");
  if (!found || !pair) throw new AppError("NOT_FOUND", "There are no such drafts.");
  return { pair, conversationId: found.id };
}

/** Taken before its drafts, by everything that writes both: in one order nobody waits for somebody who waits for them. */
async function lockConversationOf(tx: Tx, messageIds: SQLWrapper, where?: SQL) {
  const [conversation] = await tx
    .select({ id: conversations.id })
    .from(conversations)
    .where(
      and(
        where,
        inArray(
          conversations.id,
          tx.select({ id: messages.conversationId }).from(messages).where(inArray(messages.id, messageIds)),
        ),
      ),
    )
    .for("update");
  return conversation ?? null;
}

async function checkWhole(tx: Tx, { firstId, secondId }: PairRow): Promise<void> {
  const ended = and(inArray(messages.id, [firstId, secondId]), inArray(messages.status, [...whole]));
  if ((await tx.$count(messages, ended)) === 2) return;
  throw new AppError("CONFLICT", "Both drafts must be written to their end before one is chosen.");
}

/**
 * The person goes on without a word about the two: nothing counts.
 * @param messageId a draft, or any other message
 * @returns the draft that is left behind; null where there is nothing undecided
 */
export async function passOver(db: Db | Tx, messageId: string): Promise<string | null> {
  const [pair] = await db
    .update(draftPairs)
    .set({ decidedAt: new Date() })
    .where(and(isUndecided, hasDraft(messageId)))
    .returning();
  if (!pair) return null;
  return pair.firstId === messageId ? pair.secondId : pair.firstId;
}

const isUndecided = isNull(draftPairs.decidedAt);
const hasDraft = (messageId: string) =>
  or(eq(draftPairs.firstId, messageId), eq(draftPairs.secondId, messageId));

/** A draft has ended. Where it was cut off, there is nothing to compare, and the conversation goes on with the one that is whole. */
export async function settleEnded(
  db: Db,
  { messageId, status }: { messageId: string; status: MessageStatus },
): Promise<void> {
  if (whole.includes(status)) return;
  // Most answers are no drafts: their conversations need no lock.
  if ((await db.$count(draftPairs, and(isUndecided, hasDraft(messageId)))) === 0) return;
  await db.transaction(async (tx) => {
    const conversation = await lockConversationOf(tx, sql`(${messageId})`);
    const otherId = await passOver(tx, messageId);
    if (!conversation || otherId === null || status !== "failed") return;
    await tx
      .update(conversations)
      .set({ activeLeafId: otherId })
      .where(and(eq(conversations.id, conversation.id), eq(conversations.activeLeafId, messageId)));
  });
}

/** At start: those that the last stop of the server cut off. */
export async function settleCutPairs(db: Db): Promise<void> {
  await db.execute(sql`
    update draft_pairs p set decided_at = now()
    where p.decided_at is null and exists (
      select from messages m where m.id in (p.first_id, p.second_id) and m.status not in ('complete', 'length')
    )`);
}
