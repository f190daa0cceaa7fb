/** @file The one consent rule: which conversations may be used to improve the assistant. Every dataset goes through it. */
import { type SQL, sql } from "drizzle-orm";
import { apiKeys, conversations, users } from "@/drizzle/schema";

/**
 * True for a conversation that may be used now. Evaluated at reading time, so a withdrawal holds at once.
 * - The person's own answer on the conversation comes before the account's; traffic of an API key follows the key.
 * - A conversation that is deleted (even while the deletion can be undone), and one whose key is gone or revoked
 *   without an answer of its own, is not usable. A closed account's are not either.
 *
 * Correlates with `conversations` of the query it is put into; joins nothing.
 */
export const isUsableConversation: SQL<boolean> = sql<boolean>`(
  ${conversations.deletedAt} is null
  and coalesce(
    ${conversations.consent},
    case when ${conversations.source} = 'api'
      then (select ${apiKeys.consent} and ${apiKeys.revokedAt} is null from ${apiKeys} where ${apiKeys.id} = ${conversations.apiKeyId})
      else (select ${users.consent} from ${users} where ${users.id} = ${conversations.userId})
    end,
    false
  )
)`;
