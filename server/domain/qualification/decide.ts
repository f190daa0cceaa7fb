/** @file Sittings as a lead sees them: the figures, the answers behind them, a decision other than the cut-offs', another sitting. */
import { asc, count, desc, eq, inArray, isNotNull, sql } from "drizzle-orm";
import {
  batches,
  demonstrations,
  labelers,
  prompts,
  qualifications,
  qualificationTests,
  rankingTasks,
  responses,
  users,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { releaseClaims } from "../labeling/claims";
import { isConsentedPrompt } from "../prompts/usable-prompts";
import { type Cutoffs, type JudgedResponse, judge, scoreTask, shareOf, type Verdicts } from "./score";
import { readDemonstrationAnswers, readRankingAnswers } from "./sitting-answers";
import { findSitting, readProgress } from "./sitting-progress";
import { endSitting, lockSitting, type SittingRow, settleReviewed, takeFigures } from "./sittings";
import { checkTestIsOpen, cutoffsOf } from "./tests";

export type ListedSitting = Omit<SittingRow, "cutoffs"> & {
  labeler: { id: string; name: string; isQualified: boolean };
  testName: string;
  /** By which it was decided; of one that was not, those of today. */
  cutoffs: Cutoffs;
  verdicts: Verdicts;
  /** The labeler's newest: the one that can be decided. */
  isNewest: boolean;
  decidedByName: string | null;
};

const listed = 200;

/** The newest first; those whose last demonstration was rated meanwhile are decided. */
export async function listSittings(db: Db): Promise<ListedSitting[]> {
  await settleReviewed(db);
  return selectSittings(db).orderBy(desc(qualifications.startedAt)).limit(listed).then(describeAll);
}

type Selected = Awaited<ReturnType<typeof selectSittings>>[number];

function selectSittings(db: Db) {
  return db
    .select({
      sitting: qualifications,
      labeler: users,
      qualifiedAt: labelers.qualifiedAt,
      test: qualificationTests,
      testName: batches.name,
      isNewest: sql<boolean>`not exists (
        select 1 from qualifications later
        where later.labeler_id = ${qualifications.labelerId} and later.started_at > ${qualifications.startedAt}
      )`,
      decidedByName: sql<
        string | null
      >`(select name from users decider where decider.id = ${qualifications.decidedBy})`,
    })
    .from(qualifications)
    .innerJoin(users, eq(users.id, qualifications.labelerId))
    .innerJoin(labelers, eq(labelers.userId, qualifications.labelerId))
    .innerJoin(batches, eq(batches.id, qualifications.batchId))
    .innerJoin(qualificationTests, eq(qualificationTests.batchId, qualifications.batchId))
    .$dynamic();
}

const describeAll = (rows: Selected[]): ListedSitting[] =>
  rows.map(({ sitting, labeler, qualifiedAt, test, ...rest }) => ({
    ...sitting,
    ...rest,
    labeler: { id: labeler.id, name: labeler.name, isQualified: qualifiedAt !== null },
    cutoffs: cutoffsOf(sitting, test),
    verdicts: judge(sitting, cutoffsOf(sitting, test)),
  }));

export type SittingDetail = ListedSitting & {
  progress: { answered: number; total: number } | null;
  rankings: {
    taskId: string;
    /** The prompt's last turn; null where nobody may read it now. */
    prompt: string | null;
    explanation: string;
    activeMs: number;
    /** Lettered by place; the text is null where nobody may read it now. */
    responses: (JudgedResponse & { text: string | null })[];
    rankingAgreement: number | null;
    flagAgreement: number | null;
  }[];
  demonstrations: {
    id: string;
    prompt: string | null;
    text: string;
    rating: number | null;
    comment: string | null;
  }[];
};

/** @throws {AppError} NOT_FOUND */
export async function readSitting(db: Db, sittingId: string): Promise<SittingDetail> {
  const [sitting] = describeAll(await selectSittings(db).where(eq(qualifications.id, sittingId)));
  if (!sitting) throw new AppError("NOT_FOUND", "There is no such sitting.");
  const answers = await readRankingAnswers(db, sittingId);
  const written = await readDemonstrationAnswers(db, sittingId);
  const tasks = await readTaskTexts(
    db,
    [...answers, ...written].map(({ taskId }) => taskId),
  );
  const texts = await readResponseTexts(
    db,
    answers.flatMap((answer) => answer.responses.map(({ id }) => id)),
  );
  const details = await readWritten(
    db,
    written.map(({ id }) => id),
  );
  const underWay = sitting.status === "sitting" ? await findSitting(db, sitting.labelerId) : null;
  return {
    ...sitting,
    progress: underWay && (await readProgress(db, underWay)),
    rankings: answers.map(({ taskId, activeMs, responses: judged }) => {
      const task = tasks.get(taskId);
      const shares = scoreTask(judged);
      return {
        taskId,
        prompt: task?.prompt ?? null,
        explanation: task?.explanation ?? "",
        activeMs,
        responses: judged.map((one) => ({
          ...one,
          text: task?.prompt === null ? null : (texts.get(one.id) ?? null),
        })),
        rankingAgreement: shareOf(shares.rankings),
        flagAgreement: shareOf(shares.flags),
      };
    }),
    demonstrations: written.map(({ id, taskId, rating }) => ({
      id,
      rating,
      prompt: tasks.get(taskId)?.prompt ?? null,
      text: details.get(id)?.text ?? "",
      comment: details.get(id)?.comment ?? null,
    })),
  };
}

async function readTaskTexts(db: Db, taskIds: string[]) {
  const rows = await db
    .select({
      id: rankingTasks.id,
      explanation: rankingTasks.explanation,
      messages: prompts.messages,
      isReadable: isConsentedPrompt,
    })
    .from(rankingTasks)
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(inArray(rankingTasks.id, taskIds));
  return new Map(
    rows.map(({ id, explanation, messages, isReadable }) => [
      id,
      { explanation, prompt: isReadable ? (messages.at(-1)?.content ?? "") : null },
    ]),
  );
}

async function readResponseTexts(db: Db, ids: string[]): Promise<Map<string, string>> {
  const rows = await db
    .select({ id: responses.id, text: responses.text })
    .from(responses)
    .where(inArray(responses.id, ids));
  return new Map(rows.map(({ id, text }) => [id, text]));
}

async function readWritten(db: Db, ids: string[]) {
  const rows = await db
    .select({ id: demonstrations.id, text: demonstrations.text, comment: demonstrations.reviewComment })
    .from(demonstrations)
    .where(inArray(demonstrations.id, ids));
  return new Map(rows.map((row) => [row.id, row]));
}

type Deciding = { sittingId: string; isPassed: boolean; reason: string; actorId: string };

/**
 * Cut-offs are soft: a lead passes somebody below them, or fails somebody above, and says why. Also ends a sitting that is
 * under way or waits for ratings.
 * @throws {AppError} NOT_FOUND; CONFLICT when it stands as it is to be, or a newer sitting came after it
 */
export async function decideSitting(
  db: Db,
  { sittingId, isPassed, reason, actorId }: Deciding,
): Promise<void> {
  await db.transaction(async (tx) => {
    const sitting = await lockSitting(tx, sittingId);
    if (sitting.status === (isPassed ? "passed" : "failed")) {
      throw new AppError("CONFLICT", `This sitting is ${sitting.status} already.`);
    }
    // Compared inside the database, whose clock is finer than JavaScript's.
    const later = await tx.$count(
      qualifications,
      sql`${qualifications.labelerId} = ${sitting.labelerId}
        and ${qualifications.startedAt} > (select started_at from qualifications own where own.id = ${sittingId})`,
    );
    if (later > 0)
      throw new AppError("CONFLICT", "This labeler has sat again since. Decide the newest sitting.");
    // An ended sitting keeps its figures: known answers may have changed since.
    const hasEnded = sitting.endedAt !== null;
    const { figures } = hasEnded ? { figures: null } : await takeFigures(tx, sittingId);
    await endSitting(tx, sitting, {
      isPassed,
      figures: figures ?? {},
      decidedBy: actorId,
      decisionReason: reason,
    });
    if (!isPassed) await takeWork(tx, sitting.labelerId);
    await appendAudit(tx, {
      actorId,
      action: "qualification.decided",
      subject: sitting.labelerId,
      details: { sitting: sittingId, from: sitting.status, isPassed },
    });
  });
}

async function takeWork(tx: Parameters<typeof releaseClaims>[0], labelerId: string): Promise<void> {
  await tx.update(labelers).set({ qualifiedAt: null }).where(eq(labelers.userId, labelerId));
  await releaseClaims(tx, labelerId);
}

/**
 * Until this labeler passes the test once more, they are given no work; what they are at may be finished. They may sit at once.
 * @throws {AppError} NOT_FOUND; PRECONDITION_FAILED while no test is open
 */
export async function askAgain(
  db: Db,
  { userId, reason, actorId }: { userId: string; reason: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    await checkTestIsOpen(tx);
    const asked = await tx
      .update(labelers)
      .set({ qualifiedAt: null, requalifyAskedAt: sql`now()`, requalifyReason: reason })
      .where(eq(labelers.userId, userId))
      .returning({ userId: labelers.userId });
    if (asked.length === 0) throw new AppError("NOT_FOUND", "This person has not begun to label.");
    await appendAudit(tx, { actorId, action: "labeler.requalificationAsked", subject: userId });
  });
}

/** Areas of competence over those who are qualified, from their newest sitting: InstructGPT looked at what the team covers. */
export async function countAreas(db: Db): Promise<{ area: string; labelers: number }[]> {
  const newest = db
    .selectDistinctOn([qualifications.labelerId], {
      labelerId: qualifications.labelerId,
      areas: qualifications.areas,
    })
    .from(qualifications)
    .innerJoin(labelers, eq(labelers.userId, qualifications.labelerId))
    .where(isNotNull(labelers.qualifiedAt))
    .orderBy(asc(qualifications.labelerId), desc(qualifications.startedAt))
    .as("newest");
  return db
    .select({ area: sql<string>`unnest(${newest.areas})`.as("area"), labelers: count() })
    .from(newest)
    .groupBy(sql`area`)
    .orderBy(desc(count()), sql`area`);
}
