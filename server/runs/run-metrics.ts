/** @file Metrics for charts: as many points as a screen has, and no spike lost between them. */
import { and, asc, eq, inArray, sql } from "drizzle-orm";
import { runMetrics, runs } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";

/** One run's one metric; the arrays have one length. */
export type MetricSeries = {
  name: string;
  /** Last step of each point. */
  steps: number[];
  /** From the run's start to the last step of each point, pauses included. */
  seconds: number[];
  /** Over the steps of a point; null: none of them was finite. */
  means: (number | null)[];
  mins: (number | null)[];
  maxs: (number | null)[];
};

export type RunMetrics = {
  runId: string;
  number: number;
  /** Highest step with a metric. */
  lastStep: number;
  /** Steps in one point. */
  stepsPerPoint: number;
  series: MetricSeries[];
  startedAt: Date | null;
};

export type MetricsQuery = {
  runIds: readonly string[];
  /** Null: all. */
  names: readonly string[] | null;
  /** At most this many in each series. */
  points: number;
};

/** @throws {AppError} NOT_FOUND when one of the runs does not exist */
export async function readMetrics(db: Db, { runIds, names, points }: MetricsQuery): Promise<RunMetrics[]> {
  const found = await db
    .select({ id: runs.id, number: runs.number, startedAt: runs.startedAt })
    .from(runs)
    .where(inArray(runs.id, [...runIds]))
    .orderBy(asc(runs.number));
  if (found.length !== new Set(runIds).size) throw new AppError("NOT_FOUND", "There is no such run.");
  const read: RunMetrics[] = [];
  for (const { id, number, startedAt } of found) {
    const lastStep = await readLastStep(db, id);
    const stepsPerPoint = Math.max(1, Math.ceil((lastStep + 1) / points));
    const series = await readSeries(db, { runId: id, startedAt, names, lastStep, stepsPerPoint });
    read.push({ runId: id, number, startedAt, lastStep, stepsPerPoint, series });
  }
  return read;
}

async function readLastStep(db: Db, runId: string): Promise<number> {
  const [row] = await db
    .select({ last: sql<number>`coalesce(max(${runMetrics.step}), 0)` })
    .from(runMetrics)
    .where(eq(runMetrics.runId, runId));
  return row?.last ?? 0;
}

type Bucket = {
  name: string;
  step: number;
  seconds: number;
  mean: number | null;
  min: number | null;
  max: number | null;
};

/** The embedded database computes in this very thread: a long run is read in pieces of about 0.1 s, and others in between. */
const stepsPerQuery = 5000;

async function readSeries(
  db: Db,
  {
    runId,
    startedAt,
    names,
    lastStep,
    stepsPerPoint,
  }: {
    runId: string;
    startedAt: Date | null;
    names: readonly string[] | null;
    lastStep: number;
    stepsPerPoint: number;
  },
): Promise<MetricSeries[]> {
  const series = new Map<string, MetricSeries>();
  // No point is cut in two.
  const span = Math.ceil(stepsPerQuery / stepsPerPoint) * stepsPerPoint;
  for (let from = 0; from <= lastStep; from += span) {
    const { rows } = await db.execute<Bucket>(sql`
      select m.key as name, max(r.step) as step,
        extract(epoch from max(r.at) - ${(startedAt ?? new Date(0)).toISOString()}::timestamptz)::float8 as seconds, avg(m.value::float8) as mean,
        min(m.value::float8) as min, max(m.value::float8) as max
      from ${runMetrics} r, jsonb_each_text(r.values) m
      where r.run_id = ${runId} and r.step >= ${from} and r.step < ${from + span}
        ${names === null ? sql`` : sql`and m.key in ${names}`}
      group by m.key, r.step / ${sql.raw(String(stepsPerPoint))}
      order by m.key, step`);
    for (const { name, step, seconds, mean, min, max } of rows) {
      const one = series.get(name) ?? { name, steps: [], seconds: [], means: [], mins: [], maxs: [] };
      one.steps.push(step);
      one.seconds.push(seconds);
      one.means.push(mean);
      one.mins.push(min);
      one.maxs.push(max);
      series.set(name, one);
    }
  }
  return [...series.values()];
}

const rowsPerPage = 1000;

/** Every step as it was stored, in order, for exports. */
export async function* readAllMetrics(db: Db, runId: string) {
  for (let after = -1; ; ) {
    const rows = await db
      .select({ step: runMetrics.step, at: runMetrics.at, values: runMetrics.values })
      .from(runMetrics)
      .where(and(eq(runMetrics.runId, runId), sql`${runMetrics.step} > ${after}`))
      .orderBy(asc(runMetrics.step))
      .limit(rowsPerPage);
    for (const { step, at, values } of rows)
      yield { step, at, values: values as Record<string, number | null> };
    const last = rows.at(-1);
    if (!last || rows.length < rowsPerPage) return;
    after = last.step;
  }
}

/** Names of all metrics of a run, in order. */
export async function listMetricNames(db: Db, runId: string): Promise<string[]> {
  const { rows } = await db.execute<{ name: string }>(sql`
    select distinct jsonb_object_keys(values) as name from ${runMetrics} where run_id = ${runId} order by name`);
  return rows.map(({ name }) => name);
}
