/** @file Reviewing demonstrations: those that wait, read without their labeler's name, and rated 1-7 with a note. */
import { and, asc, count, desc, eq, isNotNull, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import { batches, demonstrations, prompts, rankingTasks, responses, taskSkips } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { mailLabeler } from "../mail";
import { isConsentedPrompt } from "../prompts/usable-prompts";
import { readTask } from "./tasks";

export const mostNoteCharacters = 5_000;

export type ReviewedDemonstration = {
  id: string;
  prompt: (typeof prompts.$inferSelect)["messages"];
  isSensitive: boolean;
  text: string;
  /** The response it was made from by editing, as it was. */
  editedFrom: string | null;
  pastedCharacters: number;
  activeMs: number;
  version: number;
  /** What its batch is for; null where its task is gone. */
  purpose: (typeof batches.$inferSelect)["purpose"] | null;
  guidelinesVersion: number;
  createdAt: Date;
  /** 1-7; null = not reviewed. */
  rating: number | null;
  /** Given back to its labeler, who has not written it again yet. */
  isReturned: boolean;
  note: string;
  reviewedAt: Date | null;
};

/** Current, still there, readable, and written by somebody else: nobody reviews their own. */
const isForReviewer = (reviewerId: string): SQL | undefined =>
  and(
    eq(demonstrations.isCurrent, true),
    ne(demonstrations.text, ""),
    or(isNull(demonstrations.labelerId), ne(demonstrations.labelerId, reviewerId)),
    isConsentedPrompt,
  );

const testsFirst = sql`(${batches.purpose} is not distinct from 'qualification') desc`;

/**
 * What waits for a review, tests of qualification first as somebody waits for their result, then oldest first.
 * @returns `waiting` counts all of them
 */
export async function listWaitingDemonstrations(
  db: Db,
  { reviewerId, limit }: { reviewerId: string; limit: number },
): Promise<{ demonstrations: ReviewedDemonstration[]; waiting: number }> {
  const where = and(eq(demonstrations.status, "submitted"), isForReviewer(reviewerId));
  const [counted] = await db
    .select({ waiting: count() })
    .from(demonstrations)
    .innerJoin(prompts, eq(prompts.id, demonstrations.promptId))
    .where(where);
  return {
    demonstrations: await readDemonstrations(
      db,
      where,
      [testsFirst, asc(demonstrations.createdAt), asc(demonstrations.id)],
      limit,
    ),
    waiting: counted?.waiting ?? 0,
  };
}

/** What this reviewer rated last, to be looked at again. */
export function listReviewedDemonstrations(
  db: Db,
  { reviewerId, limit }: { reviewerId: string; limit: number },
): Promise<ReviewedDemonstration[]> {
  return readDemonstrations(
    db,
    and(
      eq(demonstrations.reviewedBy, reviewerId),
      isNotNull(demonstrations.reviewedAt),
      isForReviewer(reviewerId),
    ),
    [desc(demonstrations.reviewedAt)],
    limit,
  );
}

async function readDemonstrations(
  db: Db,
  where: SQL | undefined,
  order: SQL[],
  limit: number,
): Promise<ReviewedDemonstration[]> {
  const rows = await db
    .select({
      demonstration: demonstrations,
      prompt: prompts.messages,
      isSensitive: prompts.isSensitive,
      editedFrom: responses.text,
      purpose: batches.purpose,
    })
    .from(demonstrations)
    .innerJoin(prompts, eq(prompts.id, demonstrations.promptId))
    .leftJoin(responses, eq(responses.id, demonstrations.editedFromId))
    .leftJoin(rankingTasks, eq(rankingTasks.id, demonstrations.taskId))
    .leftJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(where)
    .orderBy(...order)
    .limit(limit);
  return rows.map(({ demonstration: made, ...row }) => ({
    ...row,
    id: made.id,
    text: made.text,
    pastedCharacters: made.pastedCharacters,
    activeMs: made.activeMs,
    version: made.version,
    guidelinesVersion: made.guidelinesVersion,
    createdAt: made.createdAt,
    rating: made.rating,
    isReturned: made.status === "returned",
    note: made.reviewComment ?? "",
    reviewedAt: made.reviewedAt,
  }));
}

export type Review = {
  demonstrationId: string;
  rating: number;
  /** For its labeler; may be empty. */
  note: string;
  /** The rating that the reviewer saw and changes; null = none was there. */
  basedOn: number | null;
  reviewerId: string;
};

/**
 * Rates a demonstration, or changes its rating. Datasets made before keep what they took.
 * @throws {AppError} NOT_FOUND; FORBIDDEN for one's own; CONFLICT when somebody else rated it meanwhile, or its labeler wrote
 * a newer version
 */
export async function reviewDemonstration(
  db: Db,
  { demonstrationId, rating, note, basedOn, reviewerId }: Review,
): Promise<void> {
  await db.transaction(async (tx) => {
    const before = await lockDemonstration(tx, demonstrationId);
    checkMayReview(before, { reviewerId, basedOn });
    await tx
      .update(demonstrations)
      .set({
        status: "accepted",
        rating,
        reviewComment: note,
        reviewedBy: reviewerId,
        reviewedAt: new Date(),
      })
      .where(eq(demonstrations.id, demonstrationId));
    // A sitting that waited for this rating is scored by whoever next looks at it (qualification/sittings.ts).
    await appendAudit(tx, {
      actorId: reviewerId,
      action: "demonstration.reviewed",
      subject: demonstrationId,
      details: { rating, from: before.rating },
    });
  });
}

export type Returning = { demonstrationId: string; note: string; basedOn: number | null; reviewerId: string };

/**
 * Gives a demonstration back to its labeler, to be written again: it is their next task, with the note and their text. It is
 * in no dataset made from then on.
 * @throws {AppError} as `reviewDemonstration`; CONFLICT also where nobody could be given it
 */
export async function returnDemonstration(
  db: Db,
  { demonstrationId, note, basedOn, reviewerId }: Returning,
): Promise<void> {
  await db.transaction(async (tx) => {
    const before = await lockDemonstration(tx, demonstrationId);
    checkMayReview(before, { reviewerId, basedOn });
    await checkCanBeRedone(tx, before);
    await tx
      .update(demonstrations)
      .set({
        status: "returned",
        rating: null,
        reviewComment: note,
        reviewedBy: reviewerId,
        reviewedAt: new Date(),
      })
      .where(eq(demonstrations.id, demonstrationId));
    if (before.taskId && before.labelerId) {
      await mailLabeler(tx, before.labelerId, {
        text: "A demonstration of yours was given back, to be written again.",
        path: "/label",
      });
      // Skipped before, when it was given back for something else.
      await tx
        .delete(taskSkips)
        .where(and(eq(taskSkips.taskId, before.taskId), eq(taskSkips.labelerId, before.labelerId)));
    }
    await appendAudit(tx, {
      actorId: reviewerId,
      action: "demonstration.returned",
      subject: demonstrationId,
      details: { from: before.rating },
    });
  });
}

/** Only an open batch gives its tasks out, and what a test asked is answered once. */
async function checkCanBeRedone(tx: Tx, { labelerId, taskId }: Demonstration): Promise<void> {
  if (labelerId === null || taskId === null) {
    throw new AppError("CONFLICT", "Its labeler or its task is gone: nobody could write it again.");
  }
  const { task, batch } = await readTask(tx, taskId);
  if (batch.purpose !== "work") {
    throw new AppError("CONFLICT", "What a test asked is answered once. Rate it as it is.");
  }
  if (batch.status === "closed" || task.status === "excluded") {
    throw new AppError("CONFLICT", "Its batch is closed, or its prompt was pulled. Rate it as it is.");
  }
}

function checkMayReview(
  { labelerId, isCurrent, rating }: Demonstration,
  { reviewerId, basedOn }: { reviewerId: string; basedOn: number | null },
): void {
  if (labelerId === reviewerId) {
    throw new AppError("FORBIDDEN", "Nobody reviews their own demonstration. Leave it to another lead.");
  }
  if (!isCurrent) {
    throw new AppError("CONFLICT", "Its labeler has written a newer version meanwhile. Review that one.");
  }
  if (rating !== basedOn) {
    throw new AppError(
      "CONFLICT",
      rating === null
        ? "Somebody gave this back meanwhile. Go on with the next one."
        : `Somebody rated this ${rating} of 7 meanwhile. Go on with the next one.`,
    );
  }
}

type Demonstration = typeof demonstrations.$inferSelect;

async function lockDemonstration(tx: Tx, id: string): Promise<Demonstration> {
  const [found] = await tx
    .select({ demonstration: demonstrations })
    .from(demonstrations)
    .innerJoin(prompts, eq(prompts.id, demonstrations.promptId))
    .where(and(eq(demonstrations.id, id), ne(demonstrations.text, ""), isConsentedPrompt))
    .for("update", { of: demonstrations });
  if (!found) {
    throw new AppError("NOT_FOUND", "There is no such demonstration, or it may not be read any more.");
  }
  return found.demonstration;
}

export type OwnDemonstration = {
  id: string;
  /** Beginning of the prompt's last turn. */
  promptStart: string;
  submittedAt: Date;
  activeMs: number;
  rating: number | null;
  /** Given back, to be written again. */
  isReturned: boolean;
  note: string;
  reviewedAt: Date | null;
};

const ownLimit = 50;
const promptStartCharacters = 160;

/** A labeler's newest 50, current versions, with what reviewers said of them; never who. */
export async function listOwnDemonstrations(db: Db, labelerId: string): Promise<OwnDemonstration[]> {
  const rows = await db
    .select({ made: demonstrations, messages: prompts.messages })
    .from(demonstrations)
    .innerJoin(prompts, eq(prompts.id, demonstrations.promptId))
    .where(and(eq(demonstrations.labelerId, labelerId), eq(demonstrations.isCurrent, true)))
    .orderBy(desc(demonstrations.createdAt))
    .limit(ownLimit);
  return rows.map(({ made, messages }) => ({
    id: made.id,
    promptStart: (messages.at(-1)?.content ?? "").slice(0, promptStartCharacters),
    submittedAt: made.createdAt,
    activeMs: made.activeMs,
    rating: made.rating,
    isReturned: made.status === "returned",
    note: made.reviewComment ?? "",
    reviewedAt: made.reviewedAt,
  }));
}
