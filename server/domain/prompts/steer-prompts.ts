/** @file What people decide about a prompt: pulled from every queue, brought back, blurred until opened. */
import { and, eq, ne } from "drizzle-orm";
import { prompts, rankingTasks } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { bringTasksBack, excludeTasks, pulledReason } from "../labeling/exclude-tasks";

/** One of a list: words about somebody's prompt must not enter the audit log, which is never erased. */
export const reportReasons = ["harmful", "personal", "other"] as const;
export type ReportReason = (typeof reportReasons)[number];

type Act = { promptId: string; actorId: string };

/** Pulls a prompt from every queue and every later snapshot. Joins the caller's transaction; reporting twice is harmless. */
export async function reportPrompt(
  db: Db,
  { promptId, actorId, reason }: Act & { reason: ReportReason },
): Promise<void> {
  await db.transaction(async (tx) => {
    const { status } = await lockPrompt(tx, promptId);
    if (status === "reported") return;
    await pullPrompt(tx, promptId);
    await appendAudit(tx, { actorId, action: "prompt.reported", subject: promptId, details: { reason } });
  });
}

/** Nobody is shown it again, in whatever batch, until a lead brings it back. */
export async function pullPrompt(tx: Tx, promptId: string): Promise<void> {
  await tx
    .update(prompts)
    .set({ status: "reported" })
    .where(and(eq(prompts.id, promptId), ne(prompts.status, "erased")));
  await excludeTasks(tx, eq(rankingTasks.promptId, promptId), pulledReason);
}

/**
 * Makes a removed or reported prompt ready, and its tasks as they were. Whether it may be used is still its owner's to say.
 * @throws {AppError} CONFLICT for one that is too long: no policy could answer it, and it is not stored whole
 */
export async function restorePrompt(db: Db, { promptId, actorId }: Act): Promise<void> {
  await db.transaction(async (tx) => {
    const { status, removedBy } = await lockPrompt(tx, promptId);
    if (status === "ready") return;
    if (removedBy === "tooLong") {
      throw new AppError("CONFLICT", "This prompt is too long to be answered and is not stored whole.");
    }
    await tx
      .update(prompts)
      .set({ status: "ready", removedBy: null, duplicateOfId: null })
      .where(eq(prompts.id, promptId));
    await bringTasksBack(tx, promptId);
    await appendAudit(tx, {
      actorId,
      action: "prompt.restored",
      subject: promptId,
      details: { from: removedBy ?? status },
    });
  });
}

export async function setPromptSensitive(
  db: Db,
  { promptId, actorId, isSensitive }: Act & { isSensitive: boolean },
): Promise<void> {
  await db.transaction(async (tx) => {
    const before = await lockPrompt(tx, promptId);
    if (before.isSensitive === isSensitive) return;
    await tx.update(prompts).set({ isSensitive }).where(eq(prompts.id, promptId));
    await appendAudit(tx, {
      actorId,
      action: "prompt.sensitivityChanged",
      subject: promptId,
      details: { isSensitive },
    });
  });
}

async function lockPrompt(tx: Tx, promptId: string) {
  const [prompt] = await tx.select().from(prompts).where(eq(prompts.id, promptId)).for("update");
  if (!prompt || prompt.status === "erased") throw new AppError("NOT_FOUND", "There is no such prompt.");
  return prompt;
}
