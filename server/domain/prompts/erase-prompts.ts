/** @file Erasing the prompts of a person who leaves. */
import { eq, inArray } from "drizzle-orm";
import { prompts, responses } from "@/drizzle/schema";
import type { Tx } from "../../db/db";

/**
 * Blanks every prompt that holds this person's words, and what was answered to it (by the trigger on `prompts`).
 *
 * Before the account goes: its conversations and messages go with it, and a row that the trigger has just rewritten may no
 * longer point to one of them.
 */
export async function erasePersonPrompts(tx: Tx, userId: string): Promise<void> {
  const own = tx.select({ id: prompts.id }).from(prompts).where(eq(prompts.ownerId, userId));
  await tx.update(responses).set({ messageId: null }).where(inArray(responses.promptId, own));
  await tx
    .update(prompts)
    .set({ status: "erased", conversationId: null, messageId: null })
    .where(eq(prompts.ownerId, userId));
}
