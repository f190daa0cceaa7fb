/** @file Demonstrations: the ideal answer, written where a batch asks for one or where no response would do. */
import { and, asc, eq, isNull, ne, sql } from "drizzle-orm";
import { batches, demonstrations, rankingTasks, taskClaims } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { checkMessageText } from "../message-text";
import { findClaim, insertClaim } from "./claims";
import { ensureLabeler } from "./labelers";
import { claimGone } from "./task-view";
import { closeWhenDone, copyResponses, readTask } from "./tasks";

export type Demonstrating = {
  claimId: string;
  labelerId: string;
  text: string;
  editedFromId: string | null;
  pastedCharacters: number;
  activeMs: number;
};

/**
 * Stores a demonstration under its claim's id: a second submit finds the first. An earlier one of the same labeler to
 * the same prompt stays as an older version.
 * @throws {AppError} BAD_REQUEST for an empty text or a response of another task; NOT_FOUND when the claim is gone
 */
export async function submitDemonstration(
  db: Db,
  { claimId, labelerId, text, editedFromId, pastedCharacters, activeMs }: Demonstrating,
): Promise<{ demonstrationId: string }> {
  const content = checkMessageText(text);
  return db.transaction(async (tx) => {
    const claim = await findClaim(tx, claimId, labelerId);
    if (!claim) return findSubmitted(tx, claimId, labelerId);
    const { task, batch } = await readTask(tx, claim.taskId);
    if (batch.task !== "demonstration") {
      throw new AppError("BAD_REQUEST", "This task asks for a ranking, not for a demonstration.");
    }
    if (editedFromId !== null && !claim.responseOrder.includes(editedFromId)) {
      throw new AppError("BAD_REQUEST", "The response it was edited from is not one of this task.");
    }
    const labeler = await ensureLabeler(tx, labelerId);
    await tx.insert(demonstrations).values({
      id: claim.id,
      promptId: task.promptId,
      taskId: task.id,
      labelerId,
      pseudonym: labeler.pseudonym,
      groupId: labeler.groupId,
      text: content,
      editedFromId,
      version: await retireCurrent(tx, task.promptId, labelerId),
      pastedCharacters,
      guidelinesVersion: batch.guidelinesVersion,
      activeMs: Math.max(claim.activeMs, activeMs),
    });
    await tx.delete(taskClaims).where(eq(taskClaims.id, claim.id));
    await closeWhenDone(tx, task.id);
    return { demonstrationId: claim.id };
  });
}

async function findSubmitted(tx: Tx, claimId: string, labelerId: string) {
  const isThere = await tx.$count(
    demonstrations,
    and(eq(demonstrations.id, claimId), eq(demonstrations.labelerId, labelerId)),
  );
  if (isThere === 0) throw claimGone();
  return { demonstrationId: claimId };
}

/** @returns the version that comes after it */
async function retireCurrent(tx: Tx, promptId: string, labelerId: string): Promise<number> {
  const [last] = await tx
    .update(demonstrations)
    .set({ isCurrent: false })
    .where(
      and(
        eq(demonstrations.promptId, promptId),
        eq(demonstrations.labelerId, labelerId),
        eq(demonstrations.isCurrent, true),
      ),
    )
    .returning({ version: demonstrations.version });
  return (last?.version ?? 0) + 1;
}

/**
 * After "none acceptable": the same prompt, asking its labeler for an answer that would do. It is claimed for them, so
 * that it is what they get next. Once a prompt.
 */
export async function openDemonstrationTask(
  tx: Tx,
  { taskId, labelerId }: { taskId: string; labelerId: string },
): Promise<void> {
  const { task, batch } = await readTask(tx, taskId);
  const asked = await tx
    .select({ id: rankingTasks.id })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(
      and(
        eq(rankingTasks.promptId, task.promptId),
        eq(batches.task, "demonstration"),
        ne(rankingTasks.status, "excluded"),
      ),
    );
  if (asked.length > 0) return;
  const [made] = await tx
    .insert(rankingTasks)
    .values({
      batchId: await ensureFallbackBatch(tx, batch.guidelinesVersion),
      promptId: task.promptId,
      status: "open",
      openPlaces: 1,
      position: 0,
    })
    .returning({ id: rankingTasks.id });
  if (!made) throw new Error(`The demonstration task after ${taskId} was not stored.`);
  await copyResponses(tx, taskId, made.id);
  await insertClaim(tx, { taskId: made.id, labelerId, now: new Date() });
}

const fallbackName = "Where no response would do";

/** One batch, made by nobody, that gathers these tasks; a new one for each version of the guidelines. */
async function ensureFallbackBatch(tx: Tx, guidelinesVersion: number): Promise<string> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune fallback batch'))`);
  const [present] = await tx
    .select({ id: batches.id })
    .from(batches)
    .where(
      and(
        eq(batches.task, "demonstration"),
        eq(batches.status, "open"),
        eq(batches.guidelinesVersion, guidelinesVersion),
        isNull(batches.createdBy),
        eq(batches.name, fallbackName),
      ),
    )
    .orderBy(asc(batches.createdAt))
    .limit(1);
  if (present) return present.id;
  const [made] = await tx
    .insert(batches)
    .values({
      name: fallbackName,
      task: "demonstration",
      status: "open",
      k: 0,
      guidelinesVersion,
      hasRatings: false,
    })
    .returning({ id: batches.id });
  if (!made) throw new Error("The batch for demonstrations was not stored.");
  return made.id;
}
