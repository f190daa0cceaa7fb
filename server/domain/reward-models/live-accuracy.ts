/** @file What became of the rankings that a reward model scored before anything was trained on them, as its page shows it. */
import { and, asc, desc, eq, inArray, sql } from "drizzle-orm";
import {
  batches,
  checkpoints,
  prompts,
  rankedResponses,
  rankingScores,
  rankings,
  rankingTasks,
  responses,
} from "@/drizzle/schema";
import type { Figure } from "@/model/eval/reward/accuracy";
import { hasFallen, type LiveRanking, type LiveSeries, liveSeries } from "@/model/eval/reward/live-accuracy";
import type { Db } from "../../db/db";
import { isCountedRanking, isCountedTask } from "../batches/counted-rankings";
import { readRewardModel } from "./reward-models";

export type LiveAccuracy = {
  /** Rankings that it scored, those below and those that count no more included. */
  scored: number;
  /** Left out, for the reward model learned from other rankings of their prompts. */
  seen: number;
  /** Those that could not be scored: how many, and why the newest could not. */
  faults: { count: number; newest: string | null };
  /** How many the figures are of, where older ones are left out; else null. */
  cutAt: number | null;
  /** What its report says, of its run if there is one; null where it was never measured. */
  promised: Figure | null;
  /** All first. */
  series: (Omit<LiveSeries, "policy"> & {
    policy: { id: string; name: string } | null;
    hasFallen: boolean;
  })[];
};

/** More would take a second of the web process, and only tell more of long ago. */
const mostRankings = 1_000;
/** Many short series on one page: their intervals need no more. */
const options = { seed: 1, resamples: 400 };

/** @throws {AppError} NOT_FOUND, also for a checkpoint of another stage */
export async function readLiveAccuracy(
  db: Db,
  { checkpointId, dataFolder }: { checkpointId: string; dataFolder: string },
): Promise<LiveAccuracy> {
  const { reports } = await readRewardModel(db, { checkpointId, dataFolder });
  const report = reports.find(({ origin }) => origin === "run") ?? reports[0];
  const promised = report?.report.main.accuracy ?? null;
  const found = await readScored(db, checkpointId);
  const series = liveSeries(found.slice(0, mostRankings), options);
  const names = await readNames(db, series);
  return {
    ...(await countScored(db, checkpointId)),
    cutAt: found.length > mostRankings ? mostRankings : null,
    promised,
    series: series.map(({ policy, ...figures }) => ({
      ...figures,
      policy: policy === null ? null : { id: policy, name: names.get(policy) ?? policy.slice(0, 12) },
      hasFallen: promised !== null && hasFallen(figures.recent, promised),
    })),
  };
}

async function countScored(
  db: Db,
  checkpointId: string,
): Promise<Pick<LiveAccuracy, "scored" | "seen" | "faults">> {
  const [row] = await db
    .select({
      scored: sql<number>`count(*)::int`,
      seen: sql<number>`(count(*) filter (where ${rankingScores.wasSeen}))::int`,
      count: sql<number>`count(${rankingScores.fault})::int`,
      newest: sql<
        string | null
      >`(array_agg(${rankingScores.fault} order by ${rankingScores.createdAt} desc) filter (where ${rankingScores.fault} is not null))[1]`,
    })
    .from(rankingScores)
    .where(eq(rankingScores.rewardModelId, checkpointId));
  const { scored = 0, seen = 0, count = 0, newest = null } = row ?? {};
  return { scored, seen, faults: { count, newest } };
}

/** Newest first, one more than are used. Those of withdrawn prompts, returned or set aside, count no more. */
async function readScored(db: Db, checkpointId: string): Promise<LiveRanking[]> {
  const rows = await db
    .select({
      id: rankings.id,
      task: rankings.taskId,
      prompt: rankingTasks.promptId,
      labeler: rankings.pseudonym,
      at: rankings.createdAt,
      counts: rankingScores.byPolicy,
    })
    .from(rankingScores)
    .innerJoin(rankings, eq(rankings.id, rankingScores.rankingId))
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        eq(rankingScores.rewardModelId, checkpointId),
        eq(rankingScores.wasSeen, false),
        sql`${rankingScores.pairs} > 0`,
        isCountedRanking,
        isCountedTask,
      ),
    )
    .orderBy(desc(rankings.createdAt), desc(rankings.id))
    .limit(mostRankings + 1);
  const places = await readPlaces(
    db,
    rows.map(({ id }) => id),
  );
  return rows.map(({ id, at, ...row }) => {
    const { ranking = new Map(), policyOf = new Map() } = places.get(id) ?? {};
    return { ...row, at: at.getTime(), ranking, policyOf };
  });
}

async function readPlaces(
  db: Db,
  ids: readonly string[],
): Promise<Map<string, { ranking: Map<string, number>; policyOf: Map<string, string | null> }>> {
  const places = new Map<string, { ranking: Map<string, number>; policyOf: Map<string, string | null> }>();
  if (ids.length === 0) return places;
  const rows = await db
    .select({
      rankingId: rankedResponses.rankingId,
      responseId: rankedResponses.responseId,
      rank: rankedResponses.rank,
      policy: responses.checkpointId,
    })
    .from(rankedResponses)
    .innerJoin(responses, eq(responses.id, rankedResponses.responseId))
    .where(inArray(rankedResponses.rankingId, [...ids]))
    .orderBy(asc(rankedResponses.responseId));
  for (const { rankingId, responseId, rank, policy } of rows) {
    const known = places.get(rankingId) ?? { ranking: new Map(), policyOf: new Map() };
    known.ranking.set(responseId, rank);
    known.policyOf.set(responseId, policy);
    places.set(rankingId, known);
  }
  return places;
}

async function readNames(db: Db, series: readonly LiveSeries[]): Promise<Map<string, string>> {
  const ids = series.flatMap(({ policy }) => policy ?? []);
  if (ids.length === 0) return new Map();
  const rows = await db
    .select({ id: checkpoints.id, name: checkpoints.name })
    .from(checkpoints)
    .where(inArray(checkpoints.id, ids));
  return new Map(rows.map(({ id, name }) => [id, name]));
}
