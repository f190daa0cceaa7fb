/** @file The one rule of which prompts may be ranked, shown or trained on now. Every queue and every snapshot goes through it. */
import { type SQL, sql } from "drizzle-orm";
import { conversations, prompts } from "@/drizzle/schema";
import { isUsableConversation } from "../usable-conversations";

// Selected from one table, Drizzle writes the columns of a fragment without their table; those of a nested one it leaves alone.
const nested = (inner: SQL) => sql<boolean>`${inner}`;

/**
 * True for a prompt whose words may be read by others now: where it was taken from a conversation, that conversation may be
 * used now. Says nothing of rules that removed it.
 */
export const isConsentedPrompt: SQL<boolean> = nested(sql`(
  ${prompts.status} <> 'erased'
  and (
    ${prompts.source} <> 'conversation'
    or exists (
      select 1 from ${conversations}
      where ${conversations.id} = ${prompts.conversationId} and ${isUsableConversation}
    )
  )
)`);

/**
 * True for a prompt that may be used now: no rule and no person pulled it, and its owner agrees. Evaluated at reading time,
 * so a withdrawn consent holds at once.
 *
 * Correlates with `prompts` of the query it is put into; joins nothing.
 */
export const isUsablePrompt: SQL<boolean> = nested(
  sql`(${prompts.status} = 'ready' and ${isConsentedPrompt})`,
);
