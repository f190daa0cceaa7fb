/** @file The one way in for prompts: personal data masked, near-duplicates, too many of one person and too long ones put aside. */
import { and, eq, inArray, or, sql } from "drizzle-orm";
import { prompts } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { storableText } from "../message-text";
import { foldConversation, type PromptMessage } from "./fold-text";
import { addCounts, type MaskedCounts, maskPersonalData } from "./personal-data";
import { splitOf } from "./split";
import { isUsablePrompt } from "./usable-prompts";

type PromptRow = typeof prompts.$inferSelect;

/** InstructGPT (arXiv 2203.02155, section 3.2): at most 200 prompts of one user. */
export const maxPromptsPerOwner = 200;
/** About 4,000 tokens: half of the default model's context, so that an answer fits behind it. */
export const maxPromptCharacters = 16_000;
/**
 * Two prompts are near-duplicates where they fold to the same text, or begin alike for this share of the longer one and for
 * at least so many characters: "What is 2 + 2?" and "What is 2 + 3?" are two prompts.
 */
export const duplicateShare = 0.8;
export const minSharedCharacters = 40;
/** What the index over neighbours holds of each text. */
const indexedCharacters = 400;

export type NewPrompt = {
  source: PromptRow["source"];
  form?: PromptRow["form"];
  useCase?: string;
  /** Ends with a turn of the user; a system prompt comes first. */
  messages: readonly PromptMessage[];
  /** Whose words it holds; null where they are nobody's here. */
  ownerId: string | null;
  conversationId?: string;
  messageId?: string;
  importId?: string;
  /** Keeps prompts without an owner in one split. */
  group?: string | null;
  isSensitive?: boolean;
  priority?: number;
  createdBy: string | null;
};

export type AddedPrompt = {
  promptId: string;
  status: "ready" | "removed";
  removedBy: PromptRow["removedBy"];
  duplicateOfId: string | null;
  masked: MaskedCounts;
};

/**
 * Stores a prompt, ready or put aside by the first rule that removes it: near-duplicate, owner's limit, length. The row is
 * there in either case, so that a lead sees what each rule removed.
 * @throws {AppError} BAD_REQUEST where the messages are no prompt
 */
export async function addPrompt(db: Db, prompt: NewPrompt): Promise<AddedPrompt> {
  checkMessages(prompt.messages);
  const { messages, masked: inMessages } = maskMessages(prompt.messages);
  const useCase = maskPersonalData(storableText(prompt.useCase ?? ""));
  const masked = addCounts(inMessages, useCase.masked);
  const foldedText = storableText(foldConversation(messages).slice(0, maxPromptCharacters));
  return db.transaction(async (tx) => {
    // Two of the same kind that come at once must see each other.
    await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune prompts'))`);
    const removal = await findRemoval(tx, { ...prompt, messages, foldedText });
    const { group = null, ...values } = prompt;
    const [row] = await tx
      .insert(prompts)
      .values({
        ...values,
        ...removal,
        useCase: useCase.text,
        messages: removal?.removedBy === "tooLong" ? cutMessages(messages) : messages,
        foldedText,
        split: splitOf({ ownerId: prompt.ownerId, group, foldedText }),
        status: removal ? "removed" : "ready",
        masked,
      })
      .returning({ id: prompts.id });
    if (!row) throw new Error("The prompt was not stored.");
    return {
      promptId: row.id,
      status: removal ? "removed" : "ready",
      removedBy: removal?.removedBy ?? null,
      duplicateOfId: removal?.duplicateOfId ?? null,
      masked,
    };
  });
}

/** @throws {AppError} BAD_REQUEST, naming the turn */
function checkMessages(messages: readonly PromptMessage[]): void {
  const fault = findFault(messages);
  if (fault !== null) throw new AppError("BAD_REQUEST", `The prompt ${fault}.`);
}

/** Why these messages are no prompt, as the rest of a sentence; null where they are one. */
export function findFault(messages: readonly PromptMessage[]): string | null {
  if (messages.length === 0) return "has no turn";
  for (const [i, { role, content }] of messages.entries()) {
    if (content.trim() === "") return `has an empty turn (number ${i + 1})`;
    if (role === "system" && i > 0) return `has a system prompt at turn ${i + 1}; only the first may be one`;
  }
  if (messages.at(-1)?.role !== "user") return "does not end with a turn of the user";
  return null;
}

export function maskMessages(messages: readonly PromptMessage[]): {
  messages: PromptMessage[];
  masked: MaskedCounts;
} {
  let masked: MaskedCounts = {};
  const clean = messages.map(({ role, content }) => {
    const found = maskPersonalData(storableText(content));
    masked = addCounts(masked, found.masked);
    return { role, content: found.text };
  });
  return { messages: clean, masked };
}

type Folded = Pick<NewPrompt, "messages" | "ownerId" | "priority"> & { foldedText: string };
type Removal = { removedBy: NonNullable<PromptRow["removedBy"]>; duplicateOfId?: string };

async function findRemoval(
  tx: Db,
  { foldedText, ownerId, messages, priority = 0 }: Folded,
): Promise<Removal | null> {
  const duplicateOfId = await findDuplicate(tx, foldedText);
  if (duplicateOfId) {
    await raisePriority(tx, duplicateOfId, priority);
    return { removedBy: "duplicate", duplicateOfId };
  }
  if (ownerId && (await countOf(tx, ownerId)) >= maxPromptsPerOwner) return { removedBy: "ownerLimit" };
  return lengthOf(messages) > maxPromptCharacters ? { removedBy: "tooLong" } : null;
}

const lengthOf = (messages: readonly PromptMessage[]) =>
  messages.reduce((sum, { content }) => sum + content.length, 0);

/** What somebody disliked comes first, also where an equal prompt was there before. */
async function raisePriority(tx: Db, promptId: string, priority: number): Promise<void> {
  await tx
    .update(prompts)
    .set({ priority: sql`greatest(${prompts.priority}, ${priority})` })
    .where(eq(prompts.id, promptId));
}

function countOf(tx: Db, ownerId: string): Promise<number> {
  return tx.$count(
    prompts,
    and(eq(prompts.ownerId, ownerId), inArray(prompts.status, ["ready", "reported"])),
  );
}

/**
 * A prompt in use, or reported, that this one repeats. One that may not be used now stands in nobody's way.
 *
 * With n = max(40, 80 % of the longer text), both must agree in their first n characters. The new text's own 80 % is thus
 * common to all candidates, which makes them neighbours in the order of the index.
 */
async function findDuplicate(tx: Db, foldedText: string): Promise<string | null> {
  // PostgreSQL counts code points, JavaScript counts halves of some.
  const points = Array.from(foldedText);
  const shared = Math.max(Math.ceil(points.length * duplicateShare), minSharedCharacters);
  const start = points.slice(0, Math.min(shared, indexedCharacters)).join("");
  const head = sql`(left(${prompts.foldedText}, ${sql.raw(String(indexedCharacters))})) collate "C"`;
  const needed = sql`greatest(ceil(char_length(${prompts.foldedText}) * ${duplicateShare}::float8)::int, ${shared}::int)`;
  const beginsAlike = sql`(char_length(${prompts.foldedText}) <= ${Math.floor(points.length / duplicateShare)}::int
    and left(${prompts.foldedText}, ${needed}) = left(${foldedText}, ${needed})
    and ${points.length}::int >= ${minSharedCharacters}::int)`;
  const [found] = await tx
    .select({ id: prompts.id })
    .from(prompts)
    .where(
      and(
        // U+10FFFF sorts behind every text that begins with `start`.
        sql`${head} >= ${start} and ${head} <= ${`${start}\u{10FFFF}`}`,
        or(eq(prompts.foldedText, foldedText), beginsAlike),
        or(isUsablePrompt, eq(prompts.status, "reported")),
      ),
    )
    .orderBy(prompts.createdAt, prompts.id)
    .limit(1);
  return found?.id ?? null;
}

/** The newest turns of a prompt that no policy will see: enough to tell what it was. */
function cutMessages(messages: readonly PromptMessage[]): PromptMessage[] {
  const kept: PromptMessage[] = [];
  let left = maxPromptCharacters;
  for (const { role, content } of [...messages].reverse()) {
    if (left <= 0) break;
    kept.unshift({ role, content: storableText(content.slice(-left)) });
    left -= content.length;
  }
  return kept;
}
