/** @file A person's conversations: reading, naming, arranging, deleting with undo. Every function takes whose they are. */
import { and, desc, eq, isNotNull, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import { consentEvents, conversations, messages } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import { consentNoticeVersion } from "./consent";
import { storableText } from "./message-text";
import { type Message, readMessages, readNewestLeaf } from "./messages";
import { type SamplingOverrides, samplingOverridesSchema } from "./sampling";
import { isUsableConversation } from "./usable-conversations";

export type ConversationSummary = {
  id: string;
  title: string;
  /** `api`: traffic of one of the person's keys. */
  source: "chat" | "api" | "import";
  isPinned: boolean;
  isArchived: boolean;
  /** An answer is being made right now. */
  isAnswering: boolean;
  createdAt: Date;
  updatedAt: Date;
};

export type Conversation = ConversationSummary & {
  systemPrompt: string;
  sampling: SamplingOverrides;
  /** So many answers are written to each question, while a reward model is in use that picks the best. */
  bestOf: number;
  /** The person's answer for this conversation; null = the account's answer holds. */
  consent: boolean | null;
  /** Whether it may be used to improve the assistant, all answers considered. */
  isUsable: boolean;
  /** The end of the branch on screen; null while there are no messages. */
  activeLeafId: string | null;
};

export type ConversationPage = {
  /** All pinned ones; on the first page only. */
  pinned: ConversationSummary[];
  conversations: ConversationSummary[];
  /** Null = this was the last page. */
  nextCursor: string | null;
};

/** How long a deletion can be undone. */
export const undoWindowMs = 60 * 60 * 1000;
export const maxSystemPromptCharacters = 20_000;
export const maxTitleCharacters = 200;

// Drizzle writes columns of a query over one table without their table; inside the subquery that would name its own.
// A nested fragment keeps the table.
const isAnswering = sql<boolean>`exists (
  select from ${messages}
  where ${messages.conversationId} = ${sql`${conversations.id}`} and ${messages.status} in ('queued', 'streaming')
)`;

export const summaryColumns = {
  id: conversations.id,
  title: conversations.title,
  source: conversations.source,
  isPinned: sql<boolean>`${conversations.pinnedAt} is not null`,
  isArchived: sql<boolean>`${conversations.archivedAt} is not null`,
  isAnswering,
  createdAt: conversations.createdAt,
  updatedAt: conversations.updatedAt,
};

/** Rows of `userId` that are not deleted. Every query here goes through it. */
export function ownedBy(userId: string, conversationId?: string): SQL | undefined {
  return and(
    eq(conversations.userId, userId),
    isNull(conversations.deletedAt),
    conversationId === undefined ? undefined : eq(conversations.id, conversationId),
  );
}

const notFound = () => new AppError("NOT_FOUND", "There is no such conversation.");

/** Newest first, by page. */
export async function listConversations(
  db: Db,
  options: { userId: string; archived: boolean; cursor: string | null; limit: number },
): Promise<ConversationPage> {
  const inView = and(
    ownedBy(options.userId),
    options.archived ? isNotNull(conversations.archivedAt) : isNull(conversations.archivedAt),
  );
  // The archive is one list in order of time; pins matter only among what is at hand.
  const unpinned = options.archived ? undefined : isNull(conversations.pinnedAt);
  const after = options.cursor === null ? undefined : readCursor(options.cursor);
  const rows = await db
    .select(summaryColumns)
    .from(conversations)
    .where(
      and(
        inView,
        unpinned,
        after &&
          or(
            lt(conversations.updatedAt, after.updatedAt),
            and(eq(conversations.updatedAt, after.updatedAt), lt(conversations.id, after.id)),
          ),
      ),
    )
    .orderBy(desc(conversations.updatedAt), desc(conversations.id))
    .limit(options.limit + 1);
  const pinned =
    options.archived || after
      ? []
      : await db
          .select(summaryColumns)
          .from(conversations)
          .where(and(inView, isNotNull(conversations.pinnedAt)))
          .orderBy(desc(conversations.pinnedAt));
  const page = rows.slice(0, options.limit);
  const last = page.at(-1);
  return {
    pinned,
    conversations: page,
    nextCursor: rows.length > options.limit && last ? writeCursor(last) : null,
  };
}

/** Milliseconds are all a Date holds: `updatedAt` is always written from one, so pages neither skip nor repeat rows. */
function writeCursor({ updatedAt, id }: { updatedAt: Date; id: string }): string {
  return `${updatedAt.getTime()}.${id}`;
}

function readCursor(cursor: string): { updatedAt: Date; id: string } {
  const match = /^(\d{1,15})\.([0-9a-f-]{36})$/.exec(cursor);
  if (!match?.[1] || !match[2]) throw new AppError("BAD_REQUEST", "The page cursor is not one of ours.");
  return { updatedAt: new Date(Number(match[1])), id: match[2] };
}

/** @throws {AppError} NOT_FOUND, for other people's and deleted ones too */
export async function readConversation(
  db: Db,
  { conversationId, userId }: { conversationId: string; userId: string },
): Promise<Conversation> {
  const [row] = await db
    .select({
      ...summaryColumns,
      systemPrompt: conversations.systemPrompt,
      sampling: conversations.sampling,
      bestOf: conversations.bestOf,
      consent: conversations.consent,
      isUsable: isUsableConversation,
      activeLeafId: conversations.activeLeafId,
    })
    .from(conversations)
    .where(ownedBy(userId, conversationId));
  if (!row) throw notFound();
  return { ...row, sampling: samplingOverridesSchema.parse(row.sampling) };
}

/** A conversation with its whole tree of messages, oldest first. */
export async function readConversationTree(
  db: Db,
  key: { conversationId: string; userId: string },
): Promise<{ conversation: Conversation; messages: Message[] }> {
  const conversation = await readConversation(db, key);
  return { conversation, messages: await readMessages(db, conversation.id, key.userId) };
}

export type ConversationChange = {
  title?: string;
  isPinned?: boolean;
  isArchived?: boolean;
  systemPrompt?: string;
  sampling?: SamplingOverrides;
  bestOf?: number;
};

/** Changes what is given, leaves the rest. Does not move the conversation in the list. */
export async function changeConversation(
  db: Db,
  { conversationId, userId, change }: { conversationId: string; userId: string; change: ConversationChange },
): Promise<Conversation> {
  const now = new Date();
  const [row] = await db
    .update(conversations)
    .set({
      // A column must be set even if nothing changes, or there is no statement to run.
      updatedAt: sql`${conversations.updatedAt}`,
      ...(change.title !== undefined && { title: storableText(change.title.trim()), titledByUser: true }),
      ...(change.isPinned !== undefined && { pinnedAt: change.isPinned ? now : null }),
      ...(change.isArchived !== undefined && { archivedAt: change.isArchived ? now : null }),
      ...(change.systemPrompt !== undefined && { systemPrompt: storableText(change.systemPrompt) }),
      ...(change.sampling !== undefined && { sampling: change.sampling }),
      ...(change.bestOf !== undefined && { bestOf: change.bestOf }),
    })
    .where(ownedBy(userId, conversationId))
    .returning({ id: conversations.id });
  if (!row) throw notFound();
  return readConversation(db, { conversationId, userId });
}

/** The person's answer for one conversation; null = the account's answer holds. Recorded as an event in the same transaction. */
export async function setConversationConsent(
  db: Db,
  { conversationId, userId, consent }: { conversationId: string; userId: string; consent: boolean | null },
): Promise<Conversation> {
  await db.transaction(async (tx) => {
    const rows = await tx
      .update(conversations)
      .set({ consent })
      .where(ownedBy(userId, conversationId))
      .returning({ id: conversations.id });
    if (rows.length === 0) throw notFound();
    await tx
      .insert(consentEvents)
      .values({ userId, conversationId, granted: consent, noticeVersion: consentNoticeVersion });
  });
  return readConversation(db, { conversationId, userId });
}

/**
 * Shows the branch through `messageId`, down to its newest leaf.
 * @returns the new end of the branch on screen
 */
export async function chooseBranch(
  db: Db,
  { messageId, userId }: { messageId: string; userId: string },
): Promise<{ conversationId: string; activeLeafId: string }> {
  const [message] = await db
    .select({ conversationId: messages.conversationId })
    .from(messages)
    .innerJoin(conversations, eq(conversations.id, messages.conversationId))
    .where(and(eq(messages.id, messageId), ownedBy(userId)));
  if (!message) throw new AppError("NOT_FOUND", "There is no such message.");
  const activeLeafId = await readNewestLeaf(db, messageId);
  await db.update(conversations).set({ activeLeafId }).where(ownedBy(userId, message.conversationId));
  return { conversationId: message.conversationId, activeLeafId };
}

/** Hides a conversation; undoable for {@link undoWindowMs}, then the sweep removes it for good. */
export async function deleteConversation(
  db: Db,
  { conversationId, userId }: { conversationId: string; userId: string },
): Promise<{ undoUntil: Date }> {
  const deletedAt = new Date();
  const rows = await db
    .update(conversations)
    .set({ deletedAt })
    .where(ownedBy(userId, conversationId))
    .returning({ id: conversations.id });
  if (rows.length === 0) throw notFound();
  return { undoUntil: new Date(deletedAt.getTime() + undoWindowMs) };
}

/** Takes a deletion back. @throws {AppError} NOT_FOUND once the undo window is over */
export async function restoreConversation(
  db: Db,
  { conversationId, userId }: { conversationId: string; userId: string },
): Promise<Conversation> {
  const rows = await db
    .update(conversations)
    .set({ deletedAt: null })
    .where(
      and(
        eq(conversations.id, conversationId),
        eq(conversations.userId, userId),
        sql`${conversations.deletedAt} > ${new Date(Date.now() - undoWindowMs)}`,
      ),
    )
    .returning({ id: conversations.id });
  if (rows.length === 0) throw notFound();
  return readConversation(db, { conversationId, userId });
}
