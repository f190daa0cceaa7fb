/** @file Reviewing demonstrations: those that wait, read without their labeler's name, and rated 1-7 with a note. */
import { and, asc, count, desc, eq, isNotNull, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import { batches, demonstrations, prompts, rankingTasks, responses } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { isConsentedPrompt } from "../prompts/usable-prompts";

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
    if (before.labelerId === reviewerId) {
      throw new AppError("FORBIDDEN", "Nobody reviews their own demonstration. Leave it to another lead.");
    }
    if (!before.isCurrent) {
      throw new AppError("CONFLICT", "Its labeler has written a newer version meanwhile. Review that one.");
    }
    if (before.rating !== basedOn) {
      throw new AppError(
        "CONFLICT",
        `Somebody rated this ${before.rating} of 7 meanwhile. Go on with the next one.`,
      );
    }
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

async function lockDemonstration(tx: Tx, id: string) {
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
    note: made.reviewComment ?? "",
    reviewedAt: made.reviewedAt,
  }));
}
