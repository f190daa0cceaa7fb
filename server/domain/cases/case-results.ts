/** @file What a checkpoint answered to each case, and whether that holds: by the newest evaluation in one form. */
import { createHash } from "node:crypto";
import { and, desc, eq, isNotNull, or, type SQL, sql } from "drizzle-orm";
import {
  caseVerdicts,
  checkpoints,
  evaluations,
  evaluationTranscripts,
  regressionCases,
  runs,
  users,
} from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import type { Db } from "../../db/db";

/** Of eyes: good, bad (by anybody), or unread: found good by nobody whose word counts. */
export type CaseOutcome = "held" | "failed" | "good" | "bad" | "unread";

export type CaseVerdict = {
  judgedBy: string | null;
  by: string | null;
  isGood: boolean;
  note: string;
  at: Date;
};

export type CaseResult = {
  caseId: string;
  checkpoint: { id: string; name: string };
  run: { id: string; number: number };
  at: Date;
  precision: EvalReport["precision"];
  response: string;
  isFinished: boolean | null;
  outcome: CaseOutcome;
  verdicts: CaseVerdict[];
};

/** Verdicts are of words: another answer must be read anew. */
export const hashResponse = (response: string) => createHash("sha256").update(response).digest("hex");

type Which = { where: SQL | undefined; askerId?: string | null; limit?: number };

/** Newest first. @param askerId who asks for the promotion, and passes no case for it */
export async function readCaseResults(
  db: Db,
  { where, askerId = null, limit = 5_000 }: Which,
): Promise<CaseResult[]> {
  const rows = await db
    .select({
      caseId: regressionCases.id,
      kind: regressionCases.kind,
      checkpoint: { id: checkpoints.id, name: checkpoints.name },
      run: { id: runs.id, number: runs.number },
      at: evaluations.createdAt,
      precision: sql<EvalReport["precision"]>`${evaluations.report} ->> 'precision'`,
      response: sql<string>`${evaluationTranscripts.transcript} ->> 'response'`,
      isFinished: sql<boolean | null>`(${evaluationTranscripts.transcript} ->> 'isFinished')::boolean`,
      held: sql<number | null>`(${evaluationTranscripts.transcript} -> 'values' ->> 'held')::float8`,
    })
    .from(evaluationTranscripts)
    .innerJoin(regressionCases, eq(regressionCases.id, evaluationTranscripts.caseId))
    .innerJoin(evaluations, eq(evaluations.runId, evaluationTranscripts.runId))
    .innerJoin(runs, eq(runs.id, evaluations.runId))
    .innerJoin(checkpoints, eq(checkpoints.id, evaluations.checkpointId))
    .where(and(isNotNull(evaluationTranscripts.caseId), where))
    .orderBy(desc(evaluations.createdAt), desc(runs.number), evaluationTranscripts.position)
    .limit(limit);
  const verdicts = await readVerdicts(
    db,
    rows.filter(({ kind }) => kind === "eyes"),
  );
  return rows.map(({ kind, held, ...row }) => {
    const own = verdicts.get(keyOf({ ...row, sha256: hashResponse(row.response) })) ?? [];
    return {
      ...row,
      outcome: kind === "eyes" ? outcomeOf(own, askerId) : held === 1 ? "held" : "failed",
      verdicts: own,
    };
  });
}

/** By its newest evaluation that asked the case, in this form. */
export async function readNewestResults(
  db: Db,
  {
    checkpointId,
    precision,
    askerId = null,
  }: { checkpointId: string; precision: EvalReport["precision"]; askerId?: string | null },
): Promise<Map<string, CaseResult>> {
  const newest = sql`not exists (
    select 1 from ${evaluationTranscripts} later join ${evaluations} told on told.run_id = later.run_id
    where later.case_id = ${evaluationTranscripts.caseId} and told.checkpoint_id = ${checkpointId}
      and told.report ->> 'precision' = ${precision} and told.created_at > ${evaluations.createdAt}
  )`;
  const where = and(
    eq(evaluations.checkpointId, checkpointId),
    sql`${evaluations.report} ->> 'precision' = ${precision}`,
    newest,
  );
  const results = await readCaseResults(db, { where, askerId });
  // The oldest of those told at one moment is written over by the newest.
  return new Map(results.toReversed().map((result) => [result.caseId, result]));
}

/**
 * A win rate leaves out who asks and who approves, for it would be them who say that the candidate is better. A case is a check:
 * that an approver reads the answer is what approving is for, so their word counts. Who asks passes nothing for their own
 * request, and may fail it, as anybody may.
 */
function outcomeOf(verdicts: readonly CaseVerdict[], askerId: string | null): CaseOutcome {
  if (verdicts.some(({ isGood }) => !isGood)) return "bad";
  return verdicts.some(({ judgedBy }) => askerId === null || judgedBy !== askerId) ? "good" : "unread";
}

type Read = { caseId: string; checkpoint: { id: string } };

const keyOf = ({ caseId, checkpoint, sha256 }: Read & { sha256: string }) =>
  `${caseId} ${checkpoint.id} ${sha256}`;

async function readVerdicts(db: Db, read: readonly Read[]): Promise<Map<string, CaseVerdict[]>> {
  const found = new Map<string, CaseVerdict[]>();
  if (read.length === 0) return found;
  const rows = await db
    .select({ verdict: caseVerdicts, by: users.name })
    .from(caseVerdicts)
    .leftJoin(users, eq(users.id, caseVerdicts.judgedBy))
    .where(or(...[...new Set(read.map(({ caseId }) => caseId))].map((id) => eq(caseVerdicts.caseId, id))))
    .orderBy(caseVerdicts.createdAt);
  for (const { verdict, by } of rows) {
    const { caseId, checkpointId, responseSha256, judgedBy, isGood, note, createdAt } = verdict;
    const key = keyOf({ caseId, checkpoint: { id: checkpointId }, sha256: responseSha256 });
    found.set(key, [...(found.get(key) ?? []), { judgedBy, by, isGood, note, at: createdAt }]);
  }
  return found;
}
