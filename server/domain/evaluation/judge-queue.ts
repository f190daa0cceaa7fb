/** @file Tasks of evaluations that wait for a reward model: which is next, and what its scores make of it. */
import { and, asc, desc, eq, isNull, ne, notInArray, type SQL, sql } from "drizzle-orm";
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
import { storableText } from "../message-text";
import { isUsablePrompt } from "../prompts/usable-prompts";
import type { EndpointVerdict } from "./endpoint-judge";

export type JudgedTask = Pick<ScoreRequest, "prompt"> & {
  id: string;
  /** The candidate's and its opponent's. */
  responses: [string, string];
  judgeId: string;
  modelId: string;
  /** As `responses`. */
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
export function findTaskToJudge(db: Db, held: Held): Promise<JudgedTask | null> {
  return findWaiting(db, held, and(eq(evaluationJudges.judge, "rewardModel"), isNull(checkpoints.deletedAt)));
}

/** The same for the model of the endpoint that is set now; tasks of another one wait until that is set again. */
export function findTaskForEndpoint(db: Db, held: Held, model: string): Promise<JudgedTask | null> {
  return findWaiting(
    db,
    held,
    and(eq(evaluationJudges.judge, "endpoint"), eq(evaluationJudges.judgeName, model)),
  );
}

async function findWaiting(
  db: Db,
  { taskIds, modelIds }: Held,
  which: SQL | undefined,
): Promise<JudgedTask | null> {
  const modelId = sql<string>`coalesce(${evaluationJudges.rewardModelId}, ${evaluationJudges.judgeName})`;
  const [next] = await db
    .select({
      id: rankingTasks.id,
      judgeId: evaluationJudges.id,
      modelId,
      prompt: prompts.messages,
      policies: batches.policies,
    })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(evaluationJudges, eq(evaluationJudges.batchId, batches.id))
    .leftJoin(checkpoints, eq(checkpoints.id, evaluationJudges.rewardModelId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        which,
        taskIds.length > 0 ? notInArray(rankingTasks.id, [...taskIds]) : undefined,
        modelIds.length > 0 ? notInArray(modelId, [...modelIds]) : undefined,
        waitsForJudge,
      ),
    )
    // All tasks of one model before another is loaded.
    .orderBy(desc(batches.priority), asc(batches.createdAt), asc(modelId), asc(rankingTasks.position))
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

/** @param verdict a fault: why there is none */
export async function storeVerdict(
  db: Db,
  { id, judgeId, responseIds: [candidateId, opponentId] }: JudgedTask,
  verdict: EndpointVerdict | { fault: string },
): Promise<void> {
  const preferred = { candidate: candidateId, opponent: opponentId, tie: null, bothBad: null };
  const judged =
    typeof verdict === "string"
      ? { preferredId: preferred[verdict], bothBad: verdict === "bothBad" }
      : { fault: storableText(verdict.fault) };
  await db
    .insert(judgments)
    .values({ taskId: id, judgeId, ...judged })
    .onConflictDoNothing();
}
