/** @file Where a labeler stands: the test open to them, their last sitting with its figures, and what to do next. */
import { and, eq } from "drizzle-orm";
import { batches } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { agreement, ensureLabeler } from "../labeling/labelers";
import { type Cutoffs, judge, type Verdicts } from "./score";
import { readDemonstrationAnswers } from "./sitting-answers";
import { findSitting, readProgress } from "./sitting-progress";
import { listOwnSittings, type MaySit, maySit, type SittingRow, settleOwnSitting } from "./sittings";
import type { TestSettings } from "./test-schema";
import { countTestTasks, cutoffsOf, findTestFor, readTest, settingsOf } from "./tests";

export type OwnSitting = Pick<
  SittingRow,
  | "id"
  | "status"
  | "areas"
  | "startedAt"
  | "submittedAt"
  | "endedAt"
  | "flagAgreement"
  | "flagDecisions"
  | "rankingAgreement"
  | "rankingPairs"
  | "demonstrationRating"
  | "ratedDemonstrations"
> & {
  progress: { answered: number; total: number };
  /** Demonstrations without a rating. */
  waiting: number;
  /** By which it was decided; of one that was not, those of today. */
  cutoffs: Cutoffs;
  verdicts: Verdicts;
  /** A lead decided otherwise than the cut-offs. */
  decisionReason: string | null;
};

export type OwnState = {
  hasAgreed: boolean;
  qualifiedAt: Date | null;
  setAsideReason: string | null;
  /** A lead asked to sit again. */
  requalifyReason: string | null;
  test: (TestSettings & { name: string; rankings: number; demonstrations: number }) | null;
  /** The newest. */
  sitting: OwnSitting | null;
  sittings: number;
  /** Null: no test is open to them. */
  maySit: MaySit | null;
  hasPractice: boolean;
};

export async function readOwnState(db: Db, labelerId: string, now = new Date()): Promise<OwnState> {
  await settleOwnSitting(db, labelerId);
  const labeler = await ensureLabeler(db, labelerId);
  const sittings = await listOwnSittings(db, labelerId);
  const found = await findTestFor(db, labeler);
  const [last] = sittings;
  return {
    hasAgreed: labeler.agreementVersion === agreement.version,
    qualifiedAt: labeler.qualifiedAt,
    setAsideReason: labeler.setAsideAt ? (labeler.setAsideReason ?? "") : null,
    requalifyReason: labeler.requalifyReason,
    test: found && {
      name: found.name,
      ...settingsOf(found.test),
      ...(await countTestTasks(db, found.test)),
    },
    sitting: last ? await describe(db, last) : null,
    sittings: sittings.length,
    maySit: found && maySit(found.test, { sittings, askedAt: labeler.requalifyAskedAt, now }),
    hasPractice:
      (await db.$count(batches, and(eq(batches.purpose, "practice"), eq(batches.status, "open")))) > 0,
  };
}

async function describe(db: Db, row: SittingRow): Promise<OwnSitting> {
  const test = await readTest(db, row.batchId);
  const underWay = await findSitting(db, row.labelerId);
  const written = row.status === "reviewing" ? await readDemonstrationAnswers(db, row.id) : [];
  const { labelerId: _, batchId: _batch, decidedBy: _by, ...shown } = row;
  const cutoffs = cutoffsOf(row, test);
  return {
    ...shown,
    progress: underWay ? await readProgress(db, underWay) : { answered: 0, total: 0 },
    waiting: written.filter(({ rating }) => rating === null).length,
    cutoffs,
    verdicts: judge(row, cutoffs),
  };
}
