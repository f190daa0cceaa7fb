/** @file Sitting the qualification test: begun, handed in, scored, and what follows from the figures. */
import { and, asc, desc, eq, inArray, sql } from "drizzle-orm";
import { labelers, qualifications, rankingTasks, taskClaims } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { agreement, type Labeler, lockLabeler } from "../labeling/labelers";
import { mailLabeler } from "../mail";
import { type Figures, judge, passes, scoreAnswers } from "./score";
import { readDemonstrationAnswers, readRankingAnswers } from "./sitting-answers";
import { findSitting, readProgress } from "./sitting-progress";
import { batchIdsOf, cutoffsOf, findTestFor, readTest, type Test } from "./tests";

const dayMs = 24 * 60 * 60 * 1000;

export type SittingRow = typeof qualifications.$inferSelect;

/** Own sittings, the newest first. */
export function listOwnSittings(db: Db, labelerId: string): Promise<SittingRow[]> {
  return db
    .select()
    .from(qualifications)
    .where(eq(qualifications.labelerId, labelerId))
    .orderBy(desc(qualifications.startedAt));
}

export type MaySit = { may: true } | { may: false; from: Date | null; text: string };

/**
 * Whether one may sit now: so many days after a failed sitting, and so often. Sittings before a lead asked for another do
 * not count. Says nothing of a sitting under way.
 */
export function maySit(
  { retakeAfterDays, mostSittings }: Pick<Test, "retakeAfterDays" | "mostSittings">,
  { sittings, askedAt, now }: { sittings: readonly SittingRow[]; askedAt: Date | null; now: Date },
): MaySit {
  const counted = sittings.filter(
    ({ status, startedAt }) => status === "failed" && (!askedAt || startedAt > askedAt),
  );
  if (mostSittings !== null && counted.length >= mostSittings) {
    return {
      may: false,
      from: null,
      text: `You have sat the test ${counted.length} times, as often as it may be sat. Speak with your labeling lead.`,
    };
  }
  const lastEnd = Math.max(0, ...counted.map(({ endedAt }) => endedAt?.getTime() ?? 0));
  const from = new Date(lastEnd + retakeAfterDays * dayMs);
  if (counted.length === 0 || from <= now) return { may: true };
  return {
    may: false,
    from,
    text: `The test may be sat again ${retakeAfterDays} days after the last time.`,
  };
}

type Starting = { labelerId: string; areas: readonly string[] };

/**
 * Begins a sitting of the test that is open to this labeler; one that is under way is gone on with.
 * @throws {AppError} PRECONDITION_FAILED before the agreement; NOT_FOUND without a test; CONFLICT for who is qualified, waits for
 * a result or has to wait; BAD_REQUEST for an area the test does not name
 */
export async function startSitting(
  db: Db,
  { labelerId, areas }: Starting,
  now = new Date(),
): Promise<{ sittingId: string }> {
  return db.transaction(async (tx) => {
    const labeler = await lockLabeler(tx, labelerId);
    checkMaySitAtAll(labeler);
    const present = await findSitting(tx, labelerId);
    if (present?.status === "sitting") return { sittingId: present.id };
    if (present) throw new AppError("CONFLICT", "Your last sitting is being reviewed. Wait for its result.");
    const found = await findTestFor(tx, labeler);
    if (!found) throw new AppError("NOT_FOUND", "No qualification test is open to you now.");
    const { test } = found;
    const unknown = areas.filter((area) => !test.areas.includes(area));
    if (unknown.length > 0) {
      throw new AppError(
        "BAD_REQUEST",
        `The test does not ask about ${unknown.join(", ")}. Load the page again.`,
      );
    }
    const answer = maySit(test, {
      sittings: await listOwnSittings(tx, labelerId),
      askedAt: labeler.requalifyAskedAt,
      now,
    });
    if (!answer.may) throw new AppError("CONFLICT", answer.text);
    // Drafts of an earlier sitting would come back half done.
    await dropClaims(tx, labelerId, batchIdsOf(test));
    const [made] = await tx
      .insert(qualifications)
      .values({ labelerId, batchId: test.batchId, status: "sitting", areas: [...new Set(areas)] })
      .returning({ id: qualifications.id });
    if (!made) throw new Error("The sitting was not stored.");
    return { sittingId: made.id };
  });
}

function checkMaySitAtAll(labeler: Labeler): void {
  if (labeler.agreementVersion !== agreement.version) {
    throw new AppError("PRECONDITION_FAILED", "Accept the engagement agreement first.");
  }
  if (labeler.setAsideAt) {
    throw new AppError("CONFLICT", "Your work is set aside for now. Speak with your labeling lead.");
  }
  if (labeler.qualifiedAt) throw new AppError("CONFLICT", "You are qualified: work is waiting for you.");
}

async function dropClaims(tx: Tx, labelerId: string, batchIds: string[]): Promise<void> {
  await tx
    .delete(taskClaims)
    .where(
      and(
        eq(taskClaims.labelerId, labelerId),
        inArray(
          taskClaims.taskId,
          tx
            .select({ id: rankingTasks.id })
            .from(rankingTasks)
            .where(inArray(rankingTasks.batchId, batchIds)),
        ),
      ),
    );
}

/**
 * Hands the test in: nothing of it can be changed any more. Scored at once where no demonstration waits for a rating.
 * @throws {AppError} CONFLICT while something is unanswered, or when there is no sitting under way
 */
export async function submitSitting(db: Db, labelerId: string): Promise<{ status: SittingRow["status"] }> {
  const sittingId = await db.transaction(async (tx) => {
    await lockLabeler(tx, labelerId);
    const sitting = await findSitting(tx, labelerId);
    if (!sitting) throw new AppError("CONFLICT", "You are not sitting a test now.");
    // Handed in by an earlier press already.
    if (sitting.status === "reviewing") return sitting.id;
    const { answered, total } = await readProgress(tx, sitting);
    if (answered < total) {
      const left = total - answered;
      throw new AppError(
        "CONFLICT",
        `${left} of ${total} tasks ${left === 1 ? "is" : "are"} not answered yet. Go on with the test, then hand it in.`,
      );
    }
    if (total === 0) {
      throw new AppError(
        "CONFLICT",
        "The test has no task for you: its prompts were withdrawn, or are yours. Speak with your labeling lead.",
      );
    }
    await dropClaims(tx, labelerId, sitting.batchIds);
    await tx
      .update(qualifications)
      .set({ status: "reviewing", submittedAt: sql`now()` })
      .where(eq(qualifications.id, sitting.id));
    return sitting.id;
  });
  return { status: await scoreSitting(db, sittingId) };
}

/**
 * Scores a sitting that was handed in, and decides it by the cut-offs once its last demonstration is rated. Harmless at any
 * other time: call it after every rating.
 * @throws {AppError} NOT_FOUND
 */
export async function scoreSitting(db: Db, sittingId: string): Promise<SittingRow["status"]> {
  return db.transaction(async (tx) => {
    const sitting = await lockSitting(tx, sittingId);
    if (sitting.status !== "reviewing") return sitting.status;
    const test = await readTest(tx, sitting.batchId);
    const { figures, waiting } = await takeFigures(tx, sittingId);
    if (waiting > 0) {
      await tx.update(qualifications).set(figures).where(eq(qualifications.id, sittingId));
      return "reviewing";
    }
    const isPassed = passes(judge(figures, cutoffsOf(sitting, test)));
    await endSitting(tx, sitting, { isPassed, figures });
    await appendAudit(tx, {
      actorId: null,
      action: isPassed ? "qualification.passed" : "qualification.failed",
      subject: sitting.labelerId,
      details: { sitting: sittingId, ...figures },
    });
    return isPassed ? "passed" : "failed";
  });
}

/** @throws {AppError} NOT_FOUND */
export async function lockSitting(tx: Tx, sittingId: string): Promise<SittingRow> {
  const [sitting] = await tx
    .select()
    .from(qualifications)
    .where(eq(qualifications.id, sittingId))
    .for("update");
  if (!sitting) throw new AppError("NOT_FOUND", "There is no such sitting.");
  return sitting;
}

/** @returns also how many demonstrations wait for a rating */
export async function takeFigures(db: Db, sittingId: string): Promise<{ figures: Figures; waiting: number }> {
  const tasks = await readRankingAnswers(db, sittingId);
  const written = await readDemonstrationAnswers(db, sittingId);
  const ratings = written.flatMap(({ rating }) => rating ?? []);
  return {
    figures: scoreAnswers(
      tasks.map(({ responses }) => responses),
      ratings,
    ),
    waiting: written.length - ratings.length,
  };
}

type Ending = {
  isPassed: boolean;
  /** Left out: as they are. */
  figures: Partial<Figures>;
};

/** Passing opens the work; failing takes nothing that a lead did not take. */
export async function endSitting(
  tx: Tx,
  sitting: SittingRow,
  { isPassed, figures, ...decision }: Ending & Partial<Pick<SittingRow, "decidedBy" | "decisionReason">>,
): Promise<void> {
  const { id, labelerId, batchId } = sitting;
  const status = isPassed ? "passed" : "failed";
  // A lead who decides again later does so by the cut-offs of the first time.
  const cutoffs = cutoffsOf(sitting, await readTest(tx, batchId));
  await tx
    .update(qualifications)
    .set({ status, endedAt: sql`now()`, cutoffs, ...figures, ...decision })
    .where(eq(qualifications.id, id));
  await mailLabeler(tx, labelerId, {
    text: `Your qualification test is decided: ${isPassed ? "passed" : "not passed"}.`,
    path: "/label/qualification",
  });
  if (!isPassed) return;
  await tx
    .update(labelers)
    .set({ qualifiedAt: sql`now()`, requalifyAskedAt: null, requalifyReason: null })
    .where(eq(labelers.userId, labelerId));
}

/** Scores this labeler's sitting if it waits for ratings. @returns whether it is passed now */
export async function settleOwnSitting(db: Db, labelerId: string): Promise<boolean> {
  const sitting = await findSitting(db, labelerId);
  if (sitting?.status !== "reviewing") return false;
  return (await scoreSitting(db, sitting.id)) === "passed";
}

/** Scores all that wait for ratings, oldest first: called before leads look at them, so that none hangs. */
export async function settleReviewed(db: Db): Promise<void> {
  const waiting = await db
    .select({ id: qualifications.id })
    .from(qualifications)
    .where(eq(qualifications.status, "reviewing"))
    .orderBy(asc(qualifications.startedAt));
  for (const { id } of waiting) await scoreSitting(db, id);
}
