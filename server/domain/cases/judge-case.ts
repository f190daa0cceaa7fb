/** @file What a person makes of an answer to a case that only eyes can tell. */
import { and, eq, sql } from "drizzle-orm";
import { caseVerdicts, evaluationTranscripts, regressionCases } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { hashResponse, readCaseResults } from "./case-results";
import { noCase } from "./pin-case";
import { isReadableCase } from "./usable-cases";

export type CaseJudgment = { caseId: string; runId: string; isGood: boolean; note: string; actorId: string };

/**
 * The last word of each person counts. It is of the words that were read: another answer needs another look.
 * @throws {AppError} NOT_FOUND; BAD_REQUEST for a case that a rule decides
 */
export async function judgeCase(
  db: Db,
  { caseId, runId, isGood, note, actorId }: CaseJudgment,
): Promise<void> {
  const [pinned] = await db
    .select({ kind: regressionCases.kind, number: regressionCases.number })
    .from(regressionCases)
    .where(and(eq(regressionCases.id, caseId), isReadableCase));
  if (!pinned) throw noCase();
  if (pinned.kind !== "eyes")
    throw new AppError("BAD_REQUEST", `Case ${pinned.number} is decided by its rule, not by people.`);
  const where = and(eq(regressionCases.id, caseId), eq(evaluationTranscripts.runId, runId));
  const [read] = await readCaseResults(db, { where, limit: 1 });
  if (!read) throw new AppError("NOT_FOUND", `This run has not asked case ${pinned.number}.`);
  const { id: checkpointId } = read.checkpoint;
  const verdict = { caseId, checkpointId, responseSha256: hashResponse(read.response), judgedBy: actorId };
  await db.transaction(async (tx) => {
    await tx
      .insert(caseVerdicts)
      .values({ ...verdict, isGood, note })
      .onConflictDoUpdate({
        target: [
          caseVerdicts.caseId,
          caseVerdicts.checkpointId,
          caseVerdicts.responseSha256,
          caseVerdicts.judgedBy,
        ],
        set: { isGood, note, createdAt: sql`now()` },
      });
    const details = { number: pinned.number, checkpoint: checkpointId, isGood };
    await appendAudit(tx, { actorId, action: "case.judged", subject: caseId, details });
  });
}
