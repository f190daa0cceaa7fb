/** @file What a run of the stage eval measured: its report, and what was asked and said. */
import { eq, inArray, sql } from "drizzle-orm";
import { evaluations, evaluationTranscripts, regressionCases } from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import type { Tx } from "../db/db";
import { isCaseSuite } from "../domain/cases/case-suites";
import { storableText } from "../domain/message-text";
import type { WorkerEvent } from "./protocol";
import type { RunRow } from "./steer-run";
import { WorkerError } from "./worker-error";

type TranscriptsEvent = Extract<WorkerEvent, { type: "transcripts" }>;

type EvalRun = Pick<RunRow, "id" | "number" | "stage" | "baseCheckpointId">;

/**
 * What another worker told under the same numbers, before it was lost, is written over.
 * @throws {WorkerError} invalid for another stage's run
 */
export async function storeTranscripts(
  tx: Tx,
  run: EvalRun,
  { from, transcripts }: TranscriptsEvent,
): Promise<void> {
  const { id: runId } = run;
  measuredBy(run);
  const pinned = await findCases(tx, transcripts);
  const rows = transcripts.flatMap(({ suite, variant, messages, response, expected, ...rest }, i) => {
    const caseId = isCaseSuite(suite) ? rest.id : null;
    // A case whose owner left meanwhile: its words are not stored again.
    if (caseId !== null && !pinned.has(caseId)) return [];
    const transcript = {
      ...rest,
      messages: messages.map(({ role, content }) => ({ role, content: storableText(content) })),
      response: storableText(response),
      expected: storableText(expected),
    };
    return [{ runId, position: from + i, suite, variant, transcript, caseId }];
  });
  if (rows.length === 0) return;
  await tx
    .insert(evaluationTranscripts)
    .values(rows)
    .onConflictDoUpdate({
      target: [evaluationTranscripts.runId, evaluationTranscripts.position],
      set: {
        suite: sql`excluded.suite`,
        variant: sql`excluded.variant`,
        transcript: sql`excluded.transcript`,
        caseId: sql`excluded.case_id`,
      },
    });
}

/** Locked, so that none is erased before its words are stored. */
async function findCases(tx: Tx, transcripts: TranscriptsEvent["transcripts"]): Promise<Set<string>> {
  const ids = transcripts.filter(({ suite }) => isCaseSuite(suite)).map(({ id }) => id);
  if (ids.length === 0) return new Set();
  const rows = await tx
    .select({ id: regressionCases.id })
    .from(regressionCases)
    .where(inArray(sql`${regressionCases.id}::text`, ids))
    .for("share");
  return new Set(rows.map(({ id }) => id));
}

/** The checkpoint that the run measures. */
function measuredBy({ number, stage, baseCheckpointId }: EvalRun): string {
  if (stage === "eval" && baseCheckpointId !== null) return baseCheckpointId;
  throw new WorkerError("invalid", `Run ${number} is of ${stage}: it measures nothing.`);
}

/** @throws {WorkerError} invalid for another stage's run, or a report on another checkpoint than the run's base */
export async function storeReport(tx: Tx, run: EvalRun, report: EvalReport): Promise<void> {
  const { id, number } = run;
  const baseCheckpointId = measuredBy(run);
  if (report.checkpoint !== baseCheckpointId)
    throw new WorkerError(
      "invalid",
      `Run ${number} measures ${baseCheckpointId}, and the report is on ${report.checkpoint}.`,
    );
  const values = { runId: id, checkpointId: baseCheckpointId, report };
  await tx
    .insert(evaluations)
    .values(values)
    .onConflictDoUpdate({ target: evaluations.runId, set: { report, createdAt: new Date() } });
}

/** @throws {WorkerError} invalid for an evaluation that has told no report */
export async function checkMeasured(tx: Tx, run: EvalRun): Promise<void> {
  if (run.stage !== "eval") return;
  if ((await tx.$count(evaluations, eq(evaluations.runId, run.id))) > 0) return;
  throw new WorkerError("invalid", `Run ${run.number} is an evaluation, and no report of it came.`);
}
