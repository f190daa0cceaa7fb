/** @file Pinning a conversation as a regression case, and putting one away. */
import { and, eq, sql } from "drizzle-orm";
import { z } from "zod";
import { evaluationTranscripts, prompts, regressionCases } from "@/drizzle/schema";
import { expectationSchema } from "@/model/eval/suites/case-check";
import type { ChatMessage } from "@/model/runtime/types";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { storableText } from "../message-text";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { isActiveCase } from "./usable-cases";

const words = z.string().trim().min(1, "A turn is empty.").max(20_000);

/** Where its conversation comes from: never from a chat that its owner did not share. */
export const caseOriginSchema = z.discriminatedUnion("from", [
  z.object({
    from: z.literal("hand"),
    messages: z
      .array(z.object({ role: z.enum(["system", "user", "assistant"]), content: words }))
      .min(1, "A case has one turn of the user's at least.")
      .max(50)
      .refine((turns) => turns.at(-1)?.role === "user", "The last turn must be the user's: it is answered.")
      .refine(
        (turns) => turns.every(({ role }, i) => role !== "system" || i === 0),
        "The system prompt stands first.",
      ),
  }),
  /** What a suite asked, behind a figure. */
  z.object({ from: z.literal("transcript"), runId: z.uuid(), position: z.int().nonnegative() }),
  /** A prompt that two policies were compared on. */
  z.object({ from: z.literal("prompt"), promptId: z.uuid() }),
]);

export const newCaseSchema = z.object({
  title: z.string().trim().min(1, "A title has at least one character.").max(100),
  why: z.string().trim().max(2000).default(""),
  origin: caseOriginSchema,
  expects: expectationSchema,
});
export type NewCase = z.infer<typeof newCaseSchema>;

/** Each is answered by every candidate, so they are meant to be few. */
export const mostCases = 500;

/**
 * @throws {AppError} NOT_FOUND for a prompt or transcript that is not there or may not be read; BAD_REQUEST for a transcript that
 * asks nothing; CONFLICT for one that is a case already, or too many
 */
export async function pinCase(
  db: Db,
  { title, why, origin, expects: { kind, ...expects } }: NewCase,
  { actorId }: { actorId: string },
): Promise<{ caseId: string; number: number }> {
  return db.transaction(async (tx) => {
    const active = await tx.$count(regressionCases, isActiveCase);
    if (active >= mostCases)
      throw new AppError("CONFLICT", `${mostCases} cases are pinned, the most there may be: archive some.`);
    const [row] = await tx
      .insert(regressionCases)
      .values({ title, why, kind, expects, createdBy: actorId, ...(await readOrigin(tx, origin)) })
      .returning({ caseId: regressionCases.id, number: regressionCases.number });
    if (!row) throw new Error("The case was not stored.");
    await appendAudit(tx, {
      actorId,
      action: "case.pinned",
      subject: row.caseId,
      details: { number: row.number, kind, from: origin.from },
    });
    return row;
  });
}

type Origin = Pick<typeof regressionCases.$inferInsert, "source" | "promptId" | "messages">;

async function readOrigin(tx: Tx, origin: NewCase["origin"]): Promise<Origin> {
  switch (origin.from) {
    case "hand":
      return { source: "hand", messages: origin.messages.map(toStorable) };
    case "prompt": {
      const [prompt] = await tx
        .select({ id: prompts.id })
        .from(prompts)
        .where(and(eq(prompts.id, origin.promptId), isUsablePrompt));
      if (!prompt)
        throw new AppError("NOT_FOUND", "There is no such prompt, or it may not be used any more.");
      return { source: "prompt", promptId: prompt.id, messages: [] };
    }
    case "transcript":
      return { source: "suite", messages: await readAsked(tx, origin) };
  }
}

const toStorable = ({ role, content }: ChatMessage) => ({ role, content: storableText(content) });

async function readAsked(
  tx: Tx,
  { runId, position }: { runId: string; position: number },
): Promise<ChatMessage[]> {
  const [row] = await tx
    .select({
      // Written by `storeTranscripts` alone.
      messages: sql<ChatMessage[]>`${evaluationTranscripts.transcript} -> 'messages'`,
      caseId: evaluationTranscripts.caseId,
    })
    .from(evaluationTranscripts)
    .where(and(eq(evaluationTranscripts.runId, runId), eq(evaluationTranscripts.position, position)));
  if (!row) throw new AppError("NOT_FOUND", "There is no such transcript.");
  if (row.caseId !== null) throw new AppError("CONFLICT", "This is a regression case already.");
  if (row.messages.at(-1)?.role !== "user")
    throw new AppError("BAD_REQUEST", "Nothing was asked there: it measures how likely a text is.");
  return row.messages;
}

/** @throws {AppError} NOT_FOUND */
export async function archiveCase(
  db: Db,
  { caseId, isArchived, actorId }: { caseId: string; isArchived: boolean; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const [row] = await tx
      .update(regressionCases)
      .set(
        isArchived ? { archivedAt: new Date(), archivedBy: actorId } : { archivedAt: null, archivedBy: null },
      )
      .where(eq(regressionCases.id, caseId))
      .returning({ number: regressionCases.number });
    if (!row) throw noCase();
    const action = isArchived ? "case.archived" : "case.restored";
    await appendAudit(tx, { actorId, action, subject: caseId, details: { number: row.number } });
  });
}

export const noCase = () =>
  new AppError("NOT_FOUND", "There is no such case, or it may not be read any more.");
