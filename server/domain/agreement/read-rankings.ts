/** @file The rankings that agreement is measured on: which ones count, under whose pseudonym, and the references of their tasks. */
import { setImmediate as letOthersRun } from "node:timers/promises";
import { and, desc, eq, gte, inArray, isNotNull, lt, or, type SQL, sql } from "drizzle-orm";
import {
  batches,
  labelerGroups,
  prompts,
  rankedResponses,
  rankings,
  rankingTasks,
  taskResponses,
} from "@/drizzle/schema";
import type { LabelerRanking } from "@/model/eval/agreement";
import type { Ranking } from "@/model/eval/ranking";
import type { Db } from "../../db/db";
import { isCountedRanking, isCountedTask } from "../batches/counted-rankings";

export type RankingFilter = {
  batchId?: string | undefined;
  /** As it was when the ranking was made. */
  groupId?: string | undefined;
  guidelinesVersion?: number | undefined;
  /** When the ranking was submitted: from then on, before then. */
  from?: Date | undefined;
  before?: Date | undefined;
};

/** `task` is the repeated one where this ranks a repeat, so that the two meet. */
export type ReadRanking = LabelerRanking & {
  /** Of the group in which it was made. */
  isHeldOut: boolean;
};

export type ReadRankings = {
  /** First rankings of tasks, repeats left out: what is compared with others and with references. */
  first: ReadRanking[];
  /** Repeats, each with the ranking that it repeats, also where the filter leaves that one out. */
  repeated: ReadRanking[];
  /** Older ones were left out: there are more than the limit. */
  isCut: boolean;
};

/** Rankings read at once: a page of a lead has to come in seconds. */
export const mostRankings = 10_000;
const idsAtOnce = 200;

/**
 * Rankings that count (see counted-rankings.ts). Only what can be compared is read: tasks that are ranked twice, repeats and tasks with a known answer. Newest first.
 */
export async function readRankings(
  db: Db,
  filter: RankingFilter = {},
  limit = mostRankings,
): Promise<ReadRankings> {
  const found = await selectIds(db, and(counts, isComparable, ...conditionsOf(filter)), limit + 1);
  const ids = found.slice(0, limit).map(({ id }) => id);
  // A part at a time: the embedded database answers nobody else during one query.
  const kept = await inChunks(ids, (some) => selectRankings(db, inArray(rankings.id, some)));
  const repeats = kept.filter(({ repeatOfId }) => repeatOfId !== null);
  return {
    first: kept.filter(({ repeatOfId }) => repeatOfId === null).map(toReadRanking),
    repeated: [...repeats, ...(await selectOriginals(db, repeats))].map(toReadRanking),
    isCut: found.length > limit,
  };
}

/** All that others and this labeler said of the tasks which this labeler ranked: the newest `limit` tasks of theirs. */
export async function readRankingsAround(db: Db, labelerId: string, limit = 1_000): Promise<ReadRankings> {
  const own = await selectRankings(db, and(counts, eq(rankings.labelerId, labelerId)), limit + 1);
  const kept = own.slice(0, limit);
  const taskIds = kept.flatMap(({ taskId, repeatOfId }) => (repeatOfId === null ? [taskId] : []));
  const repeats = kept.filter(({ repeatOfId }) => repeatOfId !== null);
  const others = await inChunks(taskIds, (some) =>
    selectRankings(db, and(counts, inArray(rankings.taskId, some))),
  );
  return {
    first: others.map(toReadRanking),
    repeated: [...repeats, ...(await selectOriginals(db, repeats))].map(toReadRanking),
    isCut: own.length > limit,
  };
}

/** Of tasks with a known answer: that answer, by task. */
export async function readGold(db: Db, taskIds: readonly string[]): Promise<Map<string, Ranking>> {
  const rows = await inChunks(taskIds, (some) =>
    db
      .select({ taskId: taskResponses.taskId, id: taskResponses.responseId, rank: taskResponses.goldRank })
      .from(taskResponses)
      .innerJoin(rankingTasks, eq(rankingTasks.id, taskResponses.taskId))
      .where(
        and(
          inArray(taskResponses.taskId, some),
          eq(rankingTasks.isGold, true),
          isNotNull(taskResponses.goldRank),
        ),
      ),
  );
  const gold = new Map<string, Map<string, number>>();
  for (const { taskId, id, rank } of rows) {
    if (rank !== null) gold.set(taskId, (gold.get(taskId) ?? new Map()).set(id, rank));
  }
  return gold;
}

/** Of disputed tasks: how an expert ranked them, the newest where several did, by task. */
export async function readAdjudications(
  db: Db,
  taskIds: readonly string[],
): Promise<Map<string, ReadRanking>> {
  const rows = await inChunks(taskIds, (some) =>
    selectRankings(db, and(stands, eq(rankings.kind, "adjudication"), inArray(rankings.taskId, some))),
  );
  const oldestFirst = rows.map(toReadRanking).toSorted((a, b) => a.at - b.at);
  return new Map(oldestFirst.map((each) => [each.task, each]));
}

const stands = and(isCountedRanking, isCountedTask);

const counts = and(stands, inArray(rankings.kind, ["labeler", "imported"]));

const isComparable = or(
  eq(rankingTasks.isGold, true),
  isNotNull(rankingTasks.repeatOfId),
  sql`exists (
    select 1 from rankings other
    where other.task_id = ${rankings.taskId} and other.id <> ${rankings.id} and other.is_current
  )`,
);

function conditionsOf({ batchId, groupId, guidelinesVersion, from, before }: RankingFilter): SQL[] {
  return [
    ...(batchId === undefined ? [] : [eq(rankingTasks.batchId, batchId)]),
    ...(groupId === undefined ? [] : [eq(rankings.groupId, groupId)]),
    ...(guidelinesVersion === undefined ? [] : [eq(rankings.guidelinesVersion, guidelinesVersion)]),
    ...(from === undefined ? [] : [gte(rankings.createdAt, from)]),
    ...(before === undefined ? [] : [lt(rankings.createdAt, before)]),
  ];
}

type Row = Awaited<ReturnType<typeof selectRankings>>[number];

/** Newest first. */
function selectIds(db: Db, condition: SQL | undefined, limit: number) {
  return db
    .select({ id: rankings.id })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(condition)
    .orderBy(desc(rankings.createdAt), desc(rankings.id))
    .limit(limit);
}

function selectRankings(db: Db, condition: SQL | undefined, limit?: number) {
  const query = db
    .select({
      taskId: rankings.taskId,
      repeatOfId: rankingTasks.repeatOfId,
      labelerId: rankings.labelerId,
      pseudonym: rankings.pseudonym,
      kind: rankings.kind,
      batchName: batches.name,
      isHeldOut: labelerGroups.isHeldOut,
      at: rankings.createdAt,
      ranks: sql<Record<string, number>>`(
        select coalesce(jsonb_object_agg(place.response_id, place.rank), '{}')
        from ${rankedResponses} place where place.ranking_id = ${rankings.id}
      )`,
    })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .leftJoin(labelerGroups, eq(labelerGroups.id, rankings.groupId))
    .where(condition)
    .orderBy(desc(rankings.createdAt), desc(rankings.id));
  return limit === undefined ? query : query.limit(limit);
}

/** What the same labeler had said when the task came for the first time. */
async function selectOriginals(db: Db, repeats: readonly Row[]): Promise<Row[]> {
  const keyOf = (taskId: string | null, labelerId: string | null) => `${taskId} ${labelerId}`;
  const wanted = new Set(repeats.map(({ repeatOfId, labelerId }) => keyOf(repeatOfId, labelerId)));
  const taskIds = new Set(repeats.flatMap(({ repeatOfId }) => repeatOfId ?? []));
  const rows = await inChunks([...taskIds], (some) =>
    selectRankings(db, and(counts, inArray(rankings.taskId, some))),
  );
  return rows.filter(({ taskId, labelerId }) => wanted.has(keyOf(taskId, labelerId)));
}

function toReadRanking(row: Row): ReadRanking {
  return {
    task: row.repeatOfId ?? row.taskId,
    // Two files may both have an "annotator 1", who are two people.
    labeler: row.kind === "imported" ? `${row.pseudonym} (${row.batchName})` : row.pseudonym,
    ranking: new Map(Object.entries(row.ranks)),
    at: row.at.getTime(),
    isHeldOut: row.isHeldOut ?? false,
  };
}

async function inChunks<T>(ids: readonly string[], read: (some: string[]) => PromiseLike<T[]>): Promise<T[]> {
  const all: T[] = [];
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    for (const row of await read(ids.slice(from, from + idsAtOnce))) all.push(row);
    // The embedded database answers without a turn of the event loop: nobody else would be heard between two parts.
    await letOthersRun();
  }
  return all;
}
