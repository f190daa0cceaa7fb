/** @file Taking in rankings: each once however often it is sent, a redo as a new version beside the old one. */
import { createHash, randomInt } from "node:crypto";
import { and, eq, gt, sql } from "drizzle-orm";
import { type batches, rankedResponses, rankings, rankingTasks, taskClaims } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { storableText } from "../message-text";
import { findClaim, hasRanked } from "./claims";
import { openDemonstrationTask } from "./demonstrate";
import { explain } from "./explain";
import { ensureLabeler } from "./labelers";
import { putAway } from "./skips";
import type { Explanation, Submission } from "./task-schema";
import { claimGone } from "./task-view";
import { closeWhenDone, copyResponses, onePlace, readTask } from "./tasks";

const dayMs = 24 * 60 * 60 * 1000;
/** A repeated task comes back after so many days: long enough to have forgotten it. */
const repeatAfterDays = { from: 14, to: 28 };

export type Submitted = { rankingId: string; explanation: Explanation | null };

/**
 * Stores a ranking. Its id is the claim's, so that a second submit of the same claim finds the first.
 * @throws {AppError} BAD_REQUEST naming what is missing; NOT_FOUND when the claim is gone; CONFLICT when the prompt was
 * withdrawn meanwhile (the time spent still counts)
 */
export async function submitRanking(
  db: Db,
  { labelerId, ...submission }: Submission & { labelerId: string },
): Promise<Submitted> {
  const outcome = await db.transaction(async (tx) => {
    const claim = await findClaim(tx, submission.claimId, labelerId);
    if (!claim) return findSubmitted(tx, submission.claimId, labelerId);
    const { task, batch } = await readTask(tx, claim.taskId);
    if (task.status === "excluded") {
      await putAway(tx, claim, {
        kind: "skip",
        reason: "The prompt was withdrawn meanwhile.",
        ...submission,
      });
      return null;
    }
    checkComplete(submission, claim.responseOrder, batch);
    const isRedo = await hasRanked(tx, task.id, labelerId);
    const version = isRedo ? await retireCurrent(tx, task.id, labelerId) : 1;
    const labeler = await ensureLabeler(tx, labelerId);
    await tx.insert(rankings).values({
      id: claim.id,
      taskId: task.id,
      labelerId,
      pseudonym: labeler.pseudonym,
      groupId: labeler.groupId,
      version,
      mode: submission.mode,
      noneAcceptable: submission.noneAcceptable,
      responseOrder: claim.responseOrder,
      guidelinesVersion: batch.guidelinesVersion,
      startedAt: claim.claimedAt,
      activeMs: Math.max(claim.activeMs, submission.activeMs),
    });
    await insertRanks(tx, claim.id, submission);
    await tx.delete(taskClaims).where(eq(taskClaims.id, claim.id));
    if (!isRedo && claim.releasedAt !== null) await takeLatePlace(tx, task.id);
    await closeWhenDone(tx, task.id);
    if (!isRedo && batch.purpose === "work")
      await planRepeat(tx, { claimId: claim.id, labelerId, task, batch });
    if (submission.noneAcceptable && batch.purpose === "work") {
      await openDemonstrationTask(tx, { taskId: task.id, labelerId });
    }
    const explanation = batch.purpose === "practice" ? await explain(tx, claim.id) : null;
    return { rankingId: claim.id, explanation };
  });
  if (outcome) return outcome;
  throw new AppError(
    "CONFLICT",
    "This prompt was withdrawn while you worked on it, so its ranking is not kept. Your time counts. Go on with the next one.",
  );
}

/** The ranking that an earlier submit of this claim made. */
async function findSubmitted(tx: Tx, claimId: string, labelerId: string): Promise<Submitted> {
  const [ranking] = await tx
    .select({ taskId: rankings.taskId })
    .from(rankings)
    .where(and(eq(rankings.id, claimId), eq(rankings.labelerId, labelerId)));
  if (!ranking) throw claimGone();
  const { batch } = await readTask(tx, ranking.taskId);
  return {
    rankingId: claimId,
    explanation: batch.purpose === "practice" ? await explain(tx, claimId) : null,
  };
}

const letters = "ABCDEFGHI";

/** @throws {AppError} BAD_REQUEST: every response stands in exactly one tier, and is rated where the batch asks for it */
function checkComplete(
  { tiers, ratings, mode }: Submission,
  order: readonly string[],
  { hasRatings, task }: typeof batches.$inferSelect,
): void {
  const placed = tiers.flat();
  const name = (id: string) => letters[order.indexOf(id)] ?? id;
  const unknown = placed.filter((id) => !order.includes(id));
  if (unknown.length > 0) {
    throw new AppError(
      "BAD_REQUEST",
      `The ranking names ${unknown.length} responses that are not in this task.`,
    );
  }
  const twice = placed.filter((id, index) => placed.indexOf(id) !== index);
  if (twice.length > 0) throw new AppError("BAD_REQUEST", `Placed twice: ${twice.map(name).join(", ")}.`);
  const missing = order.filter((id) => !placed.includes(id));
  if (missing.length > 0) {
    throw new AppError("BAD_REQUEST", `Not placed yet: ${missing.map(name).join(", ")}.`);
  }
  if ((mode === "pairwise") !== (task === "pairwise")) {
    throw new AppError("BAD_REQUEST", "Two responses are compared, more are ranked.");
  }
  const unrated = hasRatings ? order.filter((id) => typeof ratings[id]?.overall !== "number") : [];
  if (unrated.length > 0) {
    throw new AppError("BAD_REQUEST", `Not rated yet: ${unrated.map(name).join(", ")}.`);
  }
}

/** @returns the version that comes after it */
async function retireCurrent(tx: Tx, taskId: string, labelerId: string): Promise<number> {
  const [last] = await tx
    .update(rankings)
    .set({ isCurrent: false })
    .where(
      and(
        eq(rankings.taskId, taskId),
        eq(rankings.labelerId, labelerId),
        eq(rankings.kind, "labeler"),
        eq(rankings.isCurrent, true),
      ),
    )
    .returning({ version: rankings.version });
  return (last?.version ?? 0) + 1;
}

async function insertRanks(tx: Tx, rankingId: string, { tiers, ratings }: Submission): Promise<void> {
  await tx.insert(rankedResponses).values(
    tiers.flatMap((tier, index) =>
      tier.map((responseId) => {
        const { note = "", ...rating } = ratings[responseId] ?? {};
        return { rankingId, responseId, rank: index + 1, ...rating, note: storableText(note) };
      }),
    ),
  );
}

/** A ranking that comes after its claim expired is kept, also where others have filled the task meanwhile. */
async function takeLatePlace(tx: Tx, taskId: string): Promise<void> {
  await tx
    .update(rankingTasks)
    .set({ openPlaces: sql`${rankingTasks.openPlaces} - ${onePlace}` })
    .where(and(eq(rankingTasks.id, taskId), gt(rankingTasks.openPlaces, 0)));
}

type Repeating = {
  claimId: string;
  labelerId: string;
  task: typeof rankingTasks.$inferSelect;
  batch: typeof batches.$inferSelect;
};

/** The batch's share of tasks comes back to the same labeler after weeks. Which ones follows from the claim's id. */
async function planRepeat(tx: Tx, { claimId, labelerId, task, batch }: Repeating): Promise<void> {
  if (task.repeatOfId !== null || task.isGold || shareOf(claimId) >= batch.repeatShare) return;
  const days = randomInt(repeatAfterDays.from, repeatAfterDays.to + 1);
  const [repeat] = await tx
    .insert(rankingTasks)
    .values({
      batchId: task.batchId,
      promptId: task.promptId,
      status: "open",
      openPlaces: 1,
      position: task.position,
      repeatOfId: task.id,
      onlyForId: labelerId,
      notBefore: new Date(Date.now() + days * dayMs),
    })
    .returning({ id: rankingTasks.id });
  if (!repeat) throw new Error(`The repeat of task ${task.id} was not stored.`);
  await copyResponses(tx, task.id, repeat.id);
}

/** Evenly spread over 0..1. */
function shareOf(id: string): number {
  return createHash("sha256").update(id).digest().readUInt32BE(0) / 2 ** 32;
}
