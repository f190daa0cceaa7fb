/** @file Tasks of evaluations that wait for a reward model: which is next, and what its scores make of it. */
import { and, asc, desc, eq, isNull, ne, notInArray, sql } from "drizzle-orm";
import {
  batches,
  checkpoints,
  evaluationJudges,
  judgments,
  prompts,
  rankingTasks,
  responses,
  taskResponses,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import type { Held } from "../../scoring/background-work";
import type { ResponseScore, ScoreRequest } from "../../scoring/protocol";
import { isUsablePrompt } from "../prompts/usable-prompts";

export type JudgedTask = Pick<ScoreRequest, "prompt" | "responses"> & {
  id: string;
  judgeId: string;
  modelId: string;
  /** Of the candidate's response and its opponent's, as `responses`. */
  responseIds: readonly [string, string];
};

/**
 * True for a task that a judge of its batch is still to be asked about. One whose answers are equal is a tie without asking.
 * Correlates with `ranking_tasks`, `batches`, `evaluation_judges` and `prompts`.
 */
export const waitsForJudge = and(
  ne(batches.status, "closed"),
  sql`${rankingTasks.status} in ('open', 'done')`,
  isNull(rankingTasks.repeatOfId),
  sql`not exists (
    select 1 from ${judgments} where ${judgments.taskId} = ${rankingTasks.id} and ${judgments.judgeId} = ${evaluationJudges.id}
  )`,
  sql`(
    select count(distinct btrim(${responses.text}, E' \\t\\r\\n')) from ${taskResponses}
      join ${responses} on ${responses.id} = ${taskResponses.responseId}
    where ${taskResponses.taskId} = ${rankingTasks.id}
  ) = 2`,
  isUsablePrompt,
);

/** By batch priority, then in the plain order, whether or not labelers are done with it. */
export async function findTaskToJudge(db: Db, { taskIds, modelIds }: Held): Promise<JudgedTask | null> {
  const [next] = await db
    .select({
      id: rankingTasks.id,
      judgeId: evaluationJudges.id,
      modelId: checkpoints.id,
      prompt: prompts.messages,
      policies: batches.policies,
    })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(evaluationJudges, eq(evaluationJudges.batchId, batches.id))
    .innerJoin(checkpoints, eq(checkpoints.id, evaluationJudges.rewardModelId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        isNull(checkpoints.deletedAt),
        taskIds.length > 0 ? notInArray(rankingTasks.id, [...taskIds]) : undefined,
        modelIds.length > 0 ? notInArray(checkpoints.id, [...modelIds]) : undefined,
        waitsForJudge,
      ),
    )
    // All tasks of one model before another is loaded.
    .orderBy(desc(batches.priority), asc(batches.createdAt), asc(checkpoints.id), asc(rankingTasks.position))
    .limit(1);
  if (!next) return null;
  const { policies, ...task } = next;
  const found = await readTwo(db, task.id, policies);
  return found && { ...task, ...found };
}

async function readTwo(
  db: Db,
  taskId: string,
  policies: readonly string[],
): Promise<Pick<JudgedTask, "responses" | "responseIds"> | null> {
  const rows = await db
    .select({ id: responses.id, text: responses.text, policyId: responses.checkpointId })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(eq(taskResponses.taskId, taskId));
  const [candidate, opponent] = policies.map((id) => rows.find(({ policyId }) => policyId === id));
  if (!candidate || !opponent) return null;
  return { responses: [candidate.text, opponent.text], responseIds: [candidate.id, opponent.id] };
}

/** The higher score wins, equal ones tie. Scores that are no numbers judge nothing: the task is left out, with the reason. */
export async function storeScoreJudgment(
  db: Db,
  { id, judgeId, responseIds }: JudgedTask,
  [candidate, opponent]: readonly ResponseScore[],
): Promise<void> {
  const margin = (candidate?.score ?? Number.NaN) - (opponent?.score ?? Number.NaN);
  const judged = Number.isFinite(margin)
    ? { margin, preferredId: margin === 0 ? null : responseIds[margin > 0 ? 0 : 1] }
    : { fault: "It gave an answer no finite score: its weights are damaged, or training diverged." };
  await db
    .insert(judgments)
    .values({ taskId: id, judgeId, ...judged })
    .onConflictDoNothing();
}
