/** @file How far batches are: tasks, rankings, comparisons, speed, projected end, and what a comparison costs. */
import { type SQL, sql } from "drizzle-orm";
import { rankings } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { isCountedRanking, pairsOf } from "./counted-rankings";

export type Progress = {
  /** By status. */
  tasks: { sampling: number; open: number; done: number; excluded: number };
  /** Places nobody has taken yet; tasks that wait for responses included. */
  openPlaces: number;
  /** Claims being worked on. */
  claimed: number;
  /** Current rankings that count, adjudications apart. */
  rankings: number;
  adjudications: number;
  returned: number;
  demonstrations: number;
  labelers: number;
  /** Pairs in order, and pairs that were tied, in the rankings that count. */
  comparisons: number;
  ties: number;
  /** Rankings and demonstrations an hour of the last day and the last week, by the clock. */
  perHour: { day: number; week: number };
  /** At the speed of the last day, else of the last week; null = nothing was done, or nothing is left. */
  projectedEnd: Date | null;
  /** Of all work, what was skipped and what does not count included: it is paid. */
  activeMs: number;
};

type Row = {
  batch_id: string;
  sampling: number;
  open: number;
  done: number;
  excluded: number;
  open_places: number;
  claimed: number;
  rankings: number;
  adjudications: number;
  returned: number;
  labelers: number;
  comparisons: number;
  ties: number;
  demonstrations: number;
  day: number;
  week: number;
  active_ms: number;
};

const hourMs = 60 * 60 * 1000;

/** @returns batch id → progress */
export async function readProgress(
  db: Db,
  batchIds: readonly string[],
  now = new Date(),
): Promise<Map<string, Progress>> {
  if (batchIds.length === 0) return new Map();
  const ids = sql.join(
    batchIds.map((id) => sql`${id}::uuid`),
    sql`, `,
  );
  const { rows } = await db.execute<Row>(progressQuery(ids, now));
  return new Map(rows.map((row) => [row.batch_id, toProgress(row, now)]));
}

const progressQuery = (ids: SQL, now: Date): SQL => {
  const at = sql`${now.toISOString()}::timestamptz`;
  const speed = sql`
    count(*) filter (where created_at > ${at} - interval '1 day')::int as day,
    count(*) filter (where created_at > ${at} - interval '7 days')::int as week`;
  return sql`
  with tasks as (
    select id, batch_id, status, open_places from ranking_tasks where batch_id in (${ids})
  ), task_counts as (
    select batch_id,
      count(*) filter (where status = 'sampling')::int as sampling, count(*) filter (where status = 'open')::int as open,
      count(*) filter (where status = 'done')::int as done, count(*) filter (where status = 'excluded')::int as excluded,
      coalesce(sum(open_places) filter (where status in ('sampling', 'open')), 0)::int as open_places
    from tasks group by batch_id
  ), claims as (
    select batch_id, count(*)::int as claimed from task_claims join tasks on tasks.id = task_id
    where released_at is null and expires_at > ${at} and tasks.status = 'open' group by batch_id
  ), counted as (
    select tasks.batch_id, ${rankings}.id, ${rankings}.kind, ${rankings}.labeler_id, ${rankings}.pseudonym, ${rankings}.created_at
    from ${rankings} join tasks on tasks.id = ${rankings}.task_id where ${isCountedRanking}
  ), counts as (
    select batch_id,
      count(*) filter (where kind <> 'adjudication')::int as rankings,
      count(*) filter (where kind = 'adjudication')::int as adjudications,
      count(distinct coalesce(labeler_id::text, pseudonym)) filter (where kind <> 'adjudication')::int as labelers,
      ${speed}
    from counted group by batch_id
  ), pairs as (
    select counted.batch_id, sum(p.comparisons)::int as comparisons, sum(p.ties)::int as ties
    from counted join ${pairsOf(sql`${rankings.id} in (select id from counted where kind <> 'adjudication')`)} p on p.ranking_id = counted.id
    group by counted.batch_id
  ), gone_back as (
    select batch_id, count(*)::int as returned from ${rankings} join tasks on tasks.id = task_id
    where ${rankings}.is_current and ${rankings}.status = 'returned' group by batch_id
  ), written as (
    select batch_id, count(*) filter (where is_current)::int as demonstrations, ${speed}
    from (
      select batch_id, is_current, created_at from demonstrations join tasks on tasks.id = task_id
      where demonstrations.status <> 'returned'
    ) d group by batch_id
  ), time as (
    select batch_id, sum(active_ms)::float8 as active_ms from (
      select task_id, active_ms from ${rankings} where task_id in (select id from tasks)
      union all select task_id, active_ms from demonstrations where task_id in (select id from tasks)
      union all select task_id, active_ms from task_skips where task_id in (select id from tasks)
    ) work join tasks on tasks.id = work.task_id group by batch_id
  )
  select b.id as batch_id,
    coalesce(task_counts.sampling, 0) as sampling, coalesce(task_counts.open, 0) as open,
    coalesce(task_counts.done, 0) as done, coalesce(task_counts.excluded, 0) as excluded,
    coalesce(open_places, 0) as open_places, coalesce(claimed, 0) as claimed,
    coalesce(counts.rankings, 0) as rankings, coalesce(adjudications, 0) as adjudications, coalesce(labelers, 0) as labelers,
    coalesce(comparisons, 0) as comparisons, coalesce(ties, 0) as ties, coalesce(returned, 0) as returned,
    coalesce(demonstrations, 0) as demonstrations,
    coalesce(counts.day, 0) + coalesce(written.day, 0) as day, coalesce(counts.week, 0) + coalesce(written.week, 0) as week,
    coalesce(active_ms, 0) as active_ms
  from batches b
    left join task_counts on task_counts.batch_id = b.id left join claims on claims.batch_id = b.id
    left join counts on counts.batch_id = b.id left join pairs on pairs.batch_id = b.id
    left join gone_back on gone_back.batch_id = b.id left join written on written.batch_id = b.id
    left join time on time.batch_id = b.id
  where b.id in (${ids})`;
};

function toProgress(row: Row, now: Date): Progress {
  const perHour = { day: row.day / 24, week: row.week / (7 * 24) };
  return {
    tasks: { sampling: row.sampling, open: row.open, done: row.done, excluded: row.excluded },
    openPlaces: row.open_places,
    claimed: row.claimed,
    rankings: row.rankings,
    adjudications: row.adjudications,
    returned: row.returned,
    demonstrations: row.demonstrations,
    labelers: row.labelers,
    comparisons: row.comparisons,
    ties: row.ties,
    perHour,
    projectedEnd: projectEnd({ left: row.open_places + row.claimed, perHour, now }),
    activeMs: row.active_ms,
  };
}

type Projection = { left: number; perHour: Progress["perHour"]; now: Date };

/** Null where nothing is left to do, and where nothing was done by which to project. */
export function projectEnd({ left, perHour, now }: Projection): Date | null {
  const speed = perHour.day > 0 ? perHour.day : perHour.week;
  if (left === 0 || speed === 0) return null;
  return new Date(now.getTime() + (left / speed) * hourMs);
}

/** What the work so far cost per comparison that counts; null where no price is known or nothing was compared. */
export function costPerComparison(
  { activeMs, comparisons }: Pick<Progress, "activeMs" | "comparisons">,
  costPerHour: number | null,
): number | null {
  if (costPerHour === null || comparisons === 0) return null;
  return ((activeMs / hourMs) * costPerHour) / comparisons;
}
