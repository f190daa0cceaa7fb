/** @file The rankings that a reward model is measured with on this server: of prompts that its run never had. */
import { and, asc, eq, isNotNull } from "drizzle-orm";
import { checkpoints, datasetRows, runDatasets } from "@/drizzle/schema";
import type { JsonItem } from "@/model/data/rankings/layout";
import { layoutOf, layouts } from "@/model/data/rankings/layouts";
import { ItemFault, type RankedPrompt } from "@/model/data/rankings/ranked-prompt";
import { createLeakIndex, type LeakIndex, type LeakReport, type SplitItem } from "@/model/eval/reward/leaks";
import type { RankedRecord } from "@/model/eval/reward/score-rankings";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { readRankedPrompts } from "../exchange/read-ranked-prompts";

/** More would keep the machine busy for an hour and narrow the intervals little. The newest are taken. */
export const mostEvaluated = 400;
const rowsPerPage = 500;

export type EvaluationRecords = {
  records: RankedRecord[];
  /** Ranked prompts that the model's run had. */
  leftOut: number;
  /** null where no run of this server made the model. */
  leaks: LeakReport | null;
  /** null where it was trained elsewhere: what it had, nobody knows. */
  isHeldOut: boolean | null;
};

/** Both groups' rankings, the held-out one's marked. @throws {AppError} PRECONDITION_FAILED where none is left */
export async function readEvaluationRecords(db: Db, checkpointId: string): Promise<EvaluationRecords> {
  const trained = await readTrainedOn(db, checkpointId);
  const records: RankedRecord[] = [];
  let leftOut = 0;
  for await (const { taskId, record, ownerId, isHeldOut } of readRankedPrompts(db, {
    batchIds: [],
    groupIds: [],
    splits: [],
    guidelinesVersions: [],
    from: null,
    to: null,
    withHeldOut: true,
  })) {
    if (trained?.hasPrompt(itemOf(taskId, record))) {
      leftOut += 1;
      continue;
    }
    records.push({
      record: { ...record, id: taskId },
      place: null,
      owner: ownerId,
      groups: isHeldOut.map((each) => (each ? "heldOut" : "training")),
    });
  }
  if (records.length === 0) throw nothingLeft(leftOut);
  const newest = records.slice(-mostEvaluated);
  return {
    records: newest,
    leftOut,
    leaks: trained?.find(newest.map(({ record }) => itemOf(record.id ?? "", record))) ?? null,
    isHeldOut: trained ? true : null,
  };
}

const itemOf = (id: string, { prompt, responses }: RankedPrompt): SplitItem => ({ id, prompt, responses });

function nothingLeft(leftOut: number): AppError {
  return new AppError(
    "PRECONDITION_FAILED",
    leftOut === 0
      ? "Nothing is ranked yet. Rank some tasks, or import rankings, and measure again."
      : `All ${leftOut} ranked prompts are in this model's training data. Rank prompts that it has not seen, and measure again.`,
  );
}

/** Everything in the datasets of its run, what the run itself held out included. */
async function readTrainedOn(db: Db, checkpointId: string): Promise<LeakIndex | null> {
  const used = await db
    .select({ datasetId: runDatasets.datasetId })
    .from(runDatasets)
    .innerJoin(checkpoints, eq(checkpoints.runId, runDatasets.runId))
    .where(and(eq(checkpoints.id, checkpointId), eq(runDatasets.role, "data")));
  if (used.length === 0) return null;
  const index = createLeakIndex();
  for (const { datasetId } of used) {
    for (let offset = 0; ; offset += rowsPerPage) {
      const rows = await db
        .select({ content: datasetRows.content, position: datasetRows.position })
        .from(datasetRows)
        .where(and(eq(datasetRows.datasetId, datasetId), isNotNull(datasetRows.content)))
        .orderBy(asc(datasetRows.position))
        .limit(rowsPerPage)
        .offset(offset);
      for (const { content, position } of rows) {
        for (const record of recordsOf(content ?? "")) {
          index.add(itemOf(`${datasetId}:${position}`, record));
        }
      }
      if (rows.length < rowsPerPage) break;
    }
  }
  return index;
}

/** The records of one row of a dataset of rankings, in whatever layout; none where it is something else. */
export function recordsOf(content: string): RankedPrompt[] {
  const item: unknown = JSON.parse(content);
  if (typeof item !== "object" || item === null) return [];
  const fields: JsonItem = { ...item };
  const layout = layoutOf(fields);
  if (layout === null) return [];
  return [...layouts[layout].read(fields)].flatMap((read) => (read instanceof ItemFault ? [] : [read]));
}
