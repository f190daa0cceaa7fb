/** @file How long an iteration took in earlier runs of PPO on this machine, phase by phase, and what was computed in it. */
import { and, desc, eq, gt, inArray, sql } from "drizzle-orm";
import {
  datasets,
  runDatasets,
  runEvents,
  runMetrics,
  runRewardModels,
  runs,
  workers,
} from "@/drizzle/schema";
import type { Db } from "../db/db";

export const ppoPhases = ["generation", "scoring", "reference", "value", "update"] as const;
export type PpoPhase = (typeof ppoPhases)[number];

export type PpoTiming = {
  runId: string;
  number: number;
  baseCheckpointId: string | null;
  /** Those that watch included. */
  rewardModels: number;
  config: Record<string, unknown>;
  /** Of a prompt on average, as a line of JSONL. */
  promptBytes: number;
  /** Of its last iterations, means. */
  responseTokens: number;
  seconds: Record<PpoPhase, number>;
};

/** Older ones were computed by older code. */
const mostRuns = 10;
const lastIterations = 5;

/** Newest first; only those whose last worker was the trainer of this server. */
export async function readPpoTimings(db: Db): Promise<PpoTiming[]> {
  const lastWorker = sql`(
    select ${workers.kind} from ${runEvents}
    join ${workers} on ${workers.id} = (${runEvents.payload} ->> 'workerId')::uuid
    where ${runEvents.runId} = ${runs.id} and ${runEvents.kind} = 'state'
    order by ${runEvents.number} desc limit 1)`;
  const found = await db
    .select({
      runId: runs.id,
      number: runs.number,
      baseCheckpointId: runs.baseCheckpointId,
      config: runs.config,
    })
    .from(runs)
    .where(and(eq(runs.stage, "ppo"), gt(runs.step, 0), sql`${lastWorker} = 'embedded'`))
    .orderBy(desc(runs.number))
    .limit(mostRuns);
  const timings: PpoTiming[] = [];
  for (const run of found) {
    const means = await readMeans(db, run.runId);
    if (means === null) continue;
    const rewardModels = await db.$count(runRewardModels, eq(runRewardModels.runId, run.runId));
    const promptBytes = await readPromptBytes(db, run.runId);
    timings.push({ ...run, config: Object(run.config), ...means, rewardModels, promptBytes });
  }
  return timings;
}

/** Null: none of its iterations was told of. */
async function readMeans(
  db: Db,
  runId: string,
): Promise<Pick<PpoTiming, "responseTokens" | "seconds"> | null> {
  const rows = await db
    .select({ values: runMetrics.values })
    .from(runMetrics)
    .where(and(eq(runMetrics.runId, runId), sql`${runMetrics.values} ->> 'generationSeconds' is not null`))
    .orderBy(desc(runMetrics.step))
    .limit(lastIterations);
  if (rows.length === 0) return null;
  const meanOf = (name: string) =>
    rows.reduce((sum, { values }) => sum + Number(Object(values)[name] ?? 0), 0) / rows.length;
  const seconds = Object.fromEntries(ppoPhases.map((phase) => [phase, meanOf(`${phase}Seconds`)]));
  return { responseTokens: meanOf("responseTokens"), seconds: seconds as PpoTiming["seconds"] };
}

async function readPromptBytes(db: Db, runId: string): Promise<number> {
  const ofRun = db
    .select({ id: runDatasets.datasetId })
    .from(runDatasets)
    .where(and(eq(runDatasets.runId, runId), eq(runDatasets.role, "data")));
  const [sum] = await db
    .select({
      bytes: sql<number>`coalesce(sum(${datasets.sizeBytes}), 0)::float8`,
      rows: sql<number>`coalesce(sum(${datasets.rowCount}), 0)::float8`,
    })
    .from(datasets)
    .where(inArray(datasets.id, ofRun));
  return (sum?.bytes ?? 0) / Math.max(1, sum?.rows ?? 0);
}
