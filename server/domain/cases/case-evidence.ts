/** @file What the gate of regression cases reads: each active case as the candidate answered it, beside what is live. */
import { asc } from "drizzle-orm";
import { regressionCases } from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import type { Db } from "../../db/db";
import type { Evidence } from "../promotion/gates";
import { readNewestResults } from "./case-results";
import { isActiveCase } from "./usable-cases";

type Compared = {
  candidateId: string;
  opponentId: string | null;
  /** Who asks for the promotion: their “good” does not count. */
  askerId: string | null;
  precision: EvalReport["precision"];
};

/** @returns null: no case is pinned */
export async function readCaseEvidence(
  db: Db,
  { candidateId, opponentId, askerId, precision }: Compared,
): Promise<Evidence["regressions"]> {
  const cases = await db
    .select({ id: regressionCases.id, number: regressionCases.number })
    .from(regressionCases)
    .where(isActiveCase)
    .orderBy(asc(regressionCases.number));
  if (cases.length === 0) return null;
  const own = await readNewestResults(db, { checkpointId: candidateId, precision, askerId });
  const live =
    opponentId === null ? new Map() : await readNewestResults(db, { checkpointId: opponentId, precision });
  const numbersOf = (has: (id: string) => boolean) =>
    cases.filter(({ id }) => has(id)).map(({ number }) => number);
  const isFailed = (id: string) => own.get(id)?.outcome === "failed";
  // What the live policy was not asked it counts as able to do.
  const isFailedByLive = (id: string) => live.get(id)?.outcome === "failed";
  return {
    cases: cases.length,
    failed: numbersOf((id) => isFailed(id) && !isFailedByLive(id)),
    failedByBoth: numbersOf((id) => isFailed(id) && isFailedByLive(id)),
    bad: numbersOf((id) => own.get(id)?.outcome === "bad"),
    unread: numbersOf((id) => own.get(id)?.outcome === "unread"),
    notRun: numbersOf((id) => !own.has(id)),
  };
}
