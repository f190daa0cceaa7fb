/** @file Rankings that wait for the reward model in use: which task is next, what to score, and where the counts are kept. */
import { and, asc, eq, type SQL, sql } from "drizzle-orm";
import {
  batches,
  checkpoints,
  currentRewardModel,
  prompts,
  rankedResponses,
  rankingScores,
  rankings,
  rankingTasks,
  responses,
  runDatasets,
  snapshotRankings,
  taskResponses,
} from "@/drizzle/schema";
import type { Ranking } from "@/model/eval/ranking";
import { countPairs, type PolicyCount } from "@/model/eval/reward/live-accuracy";
import type { ChatMessage } from "@/model/runtime/types";
import type { Db } from "../../db/db";
import { nested } from "../batches/counted-rankings";
import { isUnscored } from "./current-reward-model";

export type UnscoredTask = {
  /** Which scores it. */
  checkpointId: string;
  taskId: string;
  prompt: ChatMessage[];
  responses: { id: string; text: string; policy: string | null }[];
  rankings: { id: string; ranking: Ranking }[];
  wasSeen: boolean;
};

/** Another ranking of the same prompt lies in a dataset that made the reward model. Correlates with `ranking_tasks`. */
const wasSeen: SQL<boolean> = nested(sql`exists (
  select 1 from ${snapshotRankings} taken
  join ${rankings} learned on learned.id = taken.ranking_id
  join ${rankingTasks} other on other.id = learned.task_id
  join ${runDatasets} used on used.dataset_id = taken.dataset_id
  join ${checkpoints} made on made.run_id = used.run_id
  where other.prompt_id = ${rankingTasks.promptId} and made.id = ${currentRewardModel.checkpointId}
)`);

/** The task of the oldest ranking that waits, with all of its rankings that do. */
export async function findUnscoredTask(db: Db): Promise<UnscoredTask | null> {
  const [next] = await db
    .select({
      checkpointId: currentRewardModel.checkpointId,
      taskId: rankingTasks.id,
      prompt: prompts.messages,
      wasSeen,
    })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .innerJoin(currentRewardModel, eq(currentRewardModel.id, 1))
    .where(isUnscored)
    .orderBy(asc(rankings.createdAt), asc(rankings.id))
    .limit(1);
  if (!next) return null;
  return {
    ...next,
    responses: await readResponses(db, next.taskId),
    rankings: await readRankings(db, next.taskId),
  };
}

function readResponses(db: Db, taskId: string): Promise<UnscoredTask["responses"]> {
  return db
    .select({ id: responses.id, text: responses.text, policy: responses.checkpointId })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(eq(taskResponses.taskId, taskId))
    .orderBy(asc(taskResponses.position));
}

async function readRankings(db: Db, taskId: string): Promise<UnscoredTask["rankings"]> {
  const rows = await db
    .select({ id: rankings.id, responseId: rankedResponses.responseId, rank: rankedResponses.rank })
    .from(rankings)
    .innerJoin(rankedResponses, eq(rankedResponses.rankingId, rankings.id))
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(and(eq(rankings.taskId, taskId), isUnscored));
  const ranks = new Map<string, Map<string, number>>();
  for (const { id, responseId, rank } of rows) {
    ranks.set(id, (ranks.get(id) ?? new Map<string, number>()).set(responseId, rank));
  }
  return [...ranks].map(([id, ranking]) => ({ id, ranking }));
}

/** Releases the task's rankings with what the scores make of them. Harmless the second time. */
export async function storeScores(db: Db, task: UnscoredTask, scores: readonly number[]): Promise<void> {
  const byId = new Map(task.responses.map(({ id }, at) => [id, scores[at] ?? Number.NaN]));
  const policyOf = new Map(task.responses.map(({ id, policy }) => [id, policy]));
  await store(
    db,
    task,
    task.rankings.map(({ id, ranking }) => ({
      rankingId: id,
      fault: null,
      byPolicy: countPairs(ranking, byId, policyOf),
    })),
  );
}

/** Releases the task's rankings unscored: they cannot be. */
export async function storeFault(db: Db, task: UnscoredTask, fault: string): Promise<void> {
  await store(
    db,
    task,
    task.rankings.map(({ id }) => ({ rankingId: id, fault, byPolicy: [] })),
  );
}

type Stored = { rankingId: string; fault: string | null; byPolicy: PolicyCount[] };

async function store(db: Db, { checkpointId, wasSeen: isSeen }: UnscoredTask, made: Stored[]): Promise<void> {
  const sumOf = (counts: PolicyCount[], key: "pairs" | "agreed") =>
    counts.reduce((sum, count) => sum + count[key], 0);
  if (made.length === 0) return;
  await db
    .insert(rankingScores)
    .values(
      made.map(({ byPolicy, ...rest }) => ({
        ...rest,
        byPolicy,
        pairs: sumOf(byPolicy, "pairs"),
        agreed: sumOf(byPolicy, "agreed"),
        rewardModelId: checkpointId,
        wasSeen: isSeen,
      })),
    )
    .onConflictDoNothing();
}
