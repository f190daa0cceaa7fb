/** @file What a run of the stage eval measured: its report, and what was asked and said. */
import { eq, sql } from "drizzle-orm";
import { evaluations, evaluationTranscripts } from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import type { Tx } from "../db/db";
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
  await tx
    .insert(evaluationTranscripts)
    .values(
      transcripts.map(({ suite, variant, messages, response, expected, ...rest }, i) => ({
        runId,
        position: from + i,
        suite,
        variant,
        transcript: {
          ...rest,
          messages: messages.map(({ role, content }) => ({ role, content: storableText(content) })),
          response: storableText(response),
          expected: storableText(expected),
        },
      })),
    )
    .onConflictDoUpdate({
      target: [evaluationTranscripts.runId, evaluationTranscripts.position],
      set: {
        suite: sql`excluded.suite`,
        variant: sql`excluded.variant`,
        transcript: sql`excluded.transcript`,
      },
    });
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
