/** @file What a run of the stage eval measured: its report, and what was asked and said. */
import { sql } from "drizzle-orm";
import { evaluations, evaluationTranscripts } from "@/drizzle/schema";
import type { EvalReport } from "@/model/eval/eval-report";
import type { Tx } from "../db/db";
import { storableText } from "../domain/message-text";
import type { WorkerEvent } from "./protocol";
import type { RunRow } from "./steer-run";
import { WorkerError } from "./worker-error";

type TranscriptsEvent = Extract<WorkerEvent, { type: "transcripts" }>;

/** What another worker told under the same numbers, before it was lost, is written over. */
export async function storeTranscripts(
  tx: Tx,
  runId: string,
  { from, transcripts }: TranscriptsEvent,
): Promise<void> {
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

/** @throws {WorkerError} invalid for another stage's run, or a report on another checkpoint than the run's base */
export async function storeReport(
  tx: Tx,
  { id, number, stage, baseCheckpointId }: Pick<RunRow, "id" | "number" | "stage" | "baseCheckpointId">,
  report: EvalReport,
): Promise<void> {
  if (stage !== "eval" || baseCheckpointId === null)
    throw new WorkerError("invalid", `Run ${number} is of ${stage}: it measures nothing.`);
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
