/** @file The people who label: their groups, their figures, and signs that ask for a look. */
import { asc, eq, inArray, or, sql } from "drizzle-orm";
import { labelerGroups, labelers, rankings, users } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { pairsOf } from "../batches/counted-rankings";
import { findSignals, type LabelerFigures, median, type Signal } from "./signals";

export type LabelerRow = {
  id: string;
  name: string;
  pseudonym: string | null;
  group: { id: string; name: string; isHeldOut: boolean } | null;
  qualifiedAt: Date | null;
  /** Asked to sit the test again, and why. */
  requalify: { at: Date; reason: string } | null;
  setAside: { at: Date; reason: string } | null;
  comparisons: number;
  demonstrations: number;
  activeMs: number;
  figures: LabelerFigures;
  signals: Signal[];
};

/** Everybody who may label, and everybody who has. */
export async function listLabelers(db: Db): Promise<LabelerRow[]> {
  const people = await db
    .select({ id: users.id, name: users.name, labeler: labelers, group: labelerGroups })
    .from(users)
    .leftJoin(labelers, eq(labelers.userId, users.id))
    .leftJoin(labelerGroups, eq(labelerGroups.id, labelers.groupId))
    .where(
      or(eq(users.role, "labeler"), inArray(users.id, db.select({ id: labelers.userId }).from(labelers))),
    )
    .orderBy(asc(users.name), asc(users.id));
  const figures = await readFigures(db);
  const medians = [...figures.values()].flatMap(({ rankings: n, medianActiveMs }) =>
    n > 0 && medianActiveMs !== null ? [medianActiveMs] : [],
  );
  const typical = medians.length > 1 ? median(medians) : null;
  return people.map(({ id, name, labeler, group }) => {
    const { comparisons, demonstrations, activeMs, ...own } = figures.get(id) ?? nothing;
    return {
      id,
      name,
      pseudonym: labeler?.pseudonym ?? null,
      group: group && { id: group.id, name: group.name, isHeldOut: group.isHeldOut },
      qualifiedAt: labeler?.qualifiedAt ?? null,
      requalify: labeler?.requalifyAskedAt
        ? { at: labeler.requalifyAskedAt, reason: labeler.requalifyReason ?? "" }
        : null,
      setAside: labeler?.setAsideAt ? { at: labeler.setAsideAt, reason: labeler.setAsideReason ?? "" } : null,
      comparisons,
      demonstrations,
      activeMs,
      figures: own,
      signals: findSignals(own, typical),
    };
  });
}

type Figures = LabelerFigures & { comparisons: number; demonstrations: number; activeMs: number };

const nothing: Figures = {
  rankings: 0,
  medianActiveMs: null,
  asPresented: 0,
  asPresentedByChance: 0,
  demonstratedCharacters: 0,
  pastedCharacters: 0,
  goldPairs: 0,
  goldMisses: 0,
  comparisons: 0,
  demonstrations: 0,
  activeMs: 0,
};

type Row = { [K in keyof Figures]: Figures[K] } & { id: string };

async function readFigures(db: Db): Promise<Map<string, Figures>> {
  const own = sql`${rankings.kind} = 'labeler' and ${rankings.isCurrent} and ${rankings.labelerId} is not null`;
  const { rows } = await db.execute<Row>(sql`
    with own as (
      select id, labeler_id, task_id, response_order, active_ms,
        -- One choice between two policies takes a moment: who makes many of them is no faster for it.
        not exists (
          select 1 from ranking_tasks t join batches b on b.id = t.batch_id
          where t.id = ${rankings}.task_id and b.purpose = 'evaluation'
        ) as is_typical
      from ${rankings} where ${own}
    ), placed as (
      select own.id, own.labeler_id, own.task_id, rr.response_id, rr.rank, array_position(own.response_order, rr.response_id) as place,
        count(*) over (partition by own.id) as k, count(*) over (partition by own.id, rr.rank) as tied
      from own join ranked_responses rr on rr.ranking_id = own.id
    ), kept as (
      select id, labeler_id, k,
        max(tied) = 1 and (bool_and(rank = place) or bool_and(rank = k + 1 - place)) as as_presented
      from placed group by id, labeler_id, k
    ), orders as (
      select labeler_id, count(*) filter (where as_presented)::int as as_presented,
        sum(2 / factorial(k)::float8)::float8 as by_chance
      from kept group by labeler_id
    ), gold as (
      select a.labeler_id, count(*)::int as pairs, count(*) filter (where a.rank >= b.rank)::int as misses
      from placed a join placed b on b.id = a.id
        join ranking_tasks t on t.id = a.task_id and t.is_gold
        join batches on batches.id = t.batch_id and batches.purpose = 'work'
        join task_responses ga on ga.task_id = t.id and ga.response_id = a.response_id
        join task_responses gb on gb.task_id = t.id and gb.response_id = b.response_id
      where ga.gold_rank < gb.gold_rank group by a.labeler_id
    ), pairs as (
      select own.labeler_id, sum(p.comparisons)::int as comparisons
      from own join ${pairsOf(own)} p on p.ranking_id = own.id group by own.labeler_id
    ), counts as (
      select labeler_id, count(*)::int as rankings,
        percentile_cont(0.5) within group (order by active_ms) filter (where is_typical)::float8 as median_ms
      from own group by labeler_id
    ), written as (
      select labeler_id, count(*) filter (where is_current)::int as demonstrations,
        coalesce(sum(length(text)) filter (where is_current), 0)::int as characters,
        coalesce(sum(pasted_characters) filter (where is_current), 0)::int as pasted
      from demonstrations where labeler_id is not null group by labeler_id
    ), time as (
      select labeler_id, sum(active_ms)::float8 as active_ms from (
        select labeler_id, active_ms from ${rankings} where kind = 'labeler'
        union all select labeler_id, active_ms from demonstrations
        union all select labeler_id, active_ms from task_skips
      ) work where labeler_id is not null group by labeler_id
    )
    select time.labeler_id as id, coalesce(rankings, 0) as rankings, median_ms as "medianActiveMs",
      coalesce(as_presented, 0) as "asPresented", coalesce(by_chance, 0) as "asPresentedByChance",
      coalesce(characters, 0) as "demonstratedCharacters", coalesce(pasted, 0) as "pastedCharacters",
      coalesce(gold.pairs, 0) as "goldPairs", coalesce(misses, 0) as "goldMisses",
      coalesce(comparisons, 0) as comparisons, coalesce(demonstrations, 0) as demonstrations, active_ms as "activeMs"
    from time left join counts using (labeler_id) left join orders using (labeler_id) left join gold using (labeler_id)
      left join pairs using (labeler_id) left join written using (labeler_id)`);
  return new Map(rows.map(({ id, ...figures }) => [id, figures]));
}
