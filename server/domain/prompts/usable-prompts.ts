/** @file The one rule of which prompts may be ranked, shown or trained on now. Every queue and every snapshot goes through it. */
import { type SQL, sql } from "drizzle-orm";
import { conversations, prompts } from "@/drizzle/schema";
import { isUsableConversation } from "../usable-conversations";

/**
 * True for a prompt that may be used now: no rule and no person pulled it, and, where it was taken from a conversation,
 * that conversation may be used now. Evaluated at reading time, so a withdrawn consent holds at once.
 *
 * Correlates with `prompts` of the query it is put into; joins nothing. The query must not name `conversations` under that
 * name and mean another row by it.
 */
export const isUsablePrompt: SQL<boolean> = sql<boolean>`(
  ${prompts.status} = 'ready'
  and (
    ${prompts.source} <> 'conversation'
    or exists (
      select 1 from ${conversations}
      where ${conversations.id} = ${prompts.conversationId} and ${isUsableConversation}
    )
  )
)`;
