/** @file Finding conversations by words in their titles and messages. */
import { and, desc, sql } from "drizzle-orm";
import { conversations, messages } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { type ConversationSummary, ownedBy, summaryColumns } from "./conversations";

export type SearchHit = {
  conversation: ConversationSummary;
  /** Where in the conversation; null when only the title matches. */
  messageId: string | null;
  /** Text around the first word found, with `…` where cut; empty when only the title matches. */
  snippet: string;
};

const maxWords = 8;
const snippetBefore = 60;
const snippetLength = 200;

/** Conversations whose title, or one of whose messages, holds all the words. Archived ones included, newest first. */
export async function searchConversations(
  db: Db,
  { userId, query, limit }: { userId: string; query: string; limit: number },
): Promise<SearchHit[]> {
  const words = query.split(/\s+/u).filter(Boolean).slice(0, maxWords);
  const [firstWord] = words;
  if (firstWord === undefined) return [];
  const hasAll = (text: typeof conversations.title | typeof messages.content) =>
    and(...words.map((word) => sql`${text} ilike ${containing(word)}`));
  // One row per conversation: its newest message that holds all the words, if there is one.
  const rows = await db
    .select({
      conversation: summaryColumns,
      messageId: sql<string | null>`hit.id`,
      content: sql<string | null>`hit.excerpt`,
      start: sql<number | null>`hit.start`,
      length: sql<number | null>`hit.length`,
    })
    .from(conversations)
    .leftJoin(
      sql`lateral (
        select ${messages.id} as id, length(${messages.content}) as length, at.start as start,
          substr(${messages.content}, at.start, ${snippetLength}) as excerpt
        from ${messages}, lateral (
          select greatest(1, position(lower(${firstWord}) in lower(${messages.content})) - ${snippetBefore}) as start
        ) at
        where ${messages.conversationId} = ${conversations.id} and ${hasAll(messages.content)}
        order by ${messages.createdAt} desc limit 1
      ) hit`,
      sql`true`,
    )
    .where(and(ownedBy(userId), sql`(hit.id is not null or ${hasAll(conversations.title)})`))
    .orderBy(desc(conversations.updatedAt), desc(conversations.id))
    .limit(limit);
  return rows.map(({ conversation, messageId, content, start, length }) => ({
    conversation,
    messageId,
    snippet: content === null ? "" : trimExcerpt(content, start ?? 1, length ?? 0),
  }));
}

/** A LIKE pattern for text that contains the word as it is written. */
function containing(word: string): string {
  return `%${word.replace(/[\\%_]/g, "\\$&")}%`;
}

function trimExcerpt(excerpt: string, start: number, length: number): string {
  const text = excerpt.replace(/\s+/gu, " ").trim();
  return `${start > 1 ? "…" : ""}${text}${start - 1 + snippetLength < length ? "…" : ""}`;
}
