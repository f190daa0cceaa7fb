/**
 * @file Judgments as they count: tasks of evaluations that both policies answered, on prompts that may be used now, with what
 * each judge said of them. With people-judgments.ts the one place that says what counts.
 */
import { and, asc, desc, eq, inArray, isNull, notInArray, or, type SQL, sql } from "drizzle-orm";
import {
  batches,
  evaluationJudges,
  feedback,
  judgments,
  labelerGroups,
  messages,
  prompts,
  rankedResponses,
  rankings,
  rankingTasks,
  responses,
  taskResponses,
} from "@/drizzle/schema";
import type { ChatMessage } from "@/model/runtime/types";
import type { Db } from "../../db/db";
import { isCountedRanking } from "../batches/counted-rankings";
import type { FeedbackTag } from "../feedback";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { inChunks } from "./in-chunks";
import type { JudgeKey } from "./judge-key";
import { readChoices } from "./people-judgments";

export type Answer = { id: string; policyId: string; text: string };

/** Two answers to one prompt, by the policies of its batch: the candidate's first. */
export type ComparedTask = {
  taskId: string;
  batchId: string;
  overlap: number;
  promptId: string;
  messages: ChatMessage[];
  /** What was said before those, which is not read. */
  before: { turns: number; characters: number };
  source: (typeof prompts.$inferSelect)["source"];
  isSensitive: boolean;
  /** What people ticked of answers to this very turn, in chat. */
  reasons: FeedbackTag[];
  answers: readonly [Answer, Answer];
  /** Both say the same: a tie, whoever is asked. */
  isSame: boolean;
  /** Its words may be read by others: no personal data was found in them, or it is masked. */
  isShown: boolean;
};

/** How much better the first answer is: 1, 0, or 0.5 where neither is. */
export type TaskJudgment = {
  taskId: string;
  /** Tells judges apart; of people the account, of deleted ones the pseudonym. */
  judge: string;
  /** As it may be shown. */
  judgeName: string;
  isHeldOut: boolean;
  credit: number;
  isBothBad: boolean;
  /** Of a reward model. */
  margin: number | null;
};

/**
 * Tasks that wait for a response are not among them; in the order of their batches.
 * @param which correlates with `batches`
 * @param newest so many alone, those of the newest evaluations; left out: all
 */
export async function readComparedTasks(db: Db, which: SQL, newest?: number): Promise<ComparedTask[]> {
  const found = db
    .select({
      taskId: rankingTasks.id,
      batchId: batches.id,
      overlap: batches.overlap,
      policies: batches.policies,
      promptId: prompts.id,
      messages: prompts.messages,
      source: prompts.source,
      isSensitive: prompts.isSensitive,
      reasons: sql<FeedbackTag[]>`coalesce((
        select array_agg(distinct tag) from ${feedback}
          join ${messages} answer on answer.id = ${feedback.messageId}, unnest(${feedback.tags}) tag
        where answer.parent_id = ${prompts.messageId}
      ), '{}')`,
    })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        eq(batches.purpose, "evaluation"),
        which,
        inArray(rankingTasks.status, ["open", "done"]),
        isNull(rankingTasks.repeatOfId),
        isUsablePrompt,
      ),
    )
    .orderBy(desc(batches.createdAt), desc(rankingTasks.position), desc(rankingTasks.id));
  const rows = (await (newest === undefined ? found : found.limit(newest))).reverse();
  const answers = await readAnswers(
    db,
    rows.map(({ taskId }) => taskId),
  );
  return rows.flatMap(({ policies, ...task }) => {
    const made = answers.get(task.taskId) ?? [];
    const [first, second] = policies.map((policyId) => made.find((answer) => answer.policyId === policyId));
    if (!first || !second) return [];
    const isSame = first.text.trim() === second.text.trim();
    const before = { turns: 0, characters: 0 };
    return [{ ...task, before, answers: [first, second] as const, isSame, isShown: true }];
  });
}

async function readAnswers(db: Db, taskIds: readonly string[]): Promise<Map<string, Answer[]>> {
  const found = new Map<string, Answer[]>();
  await inChunks(taskIds, async (some) => {
    const rows = await db
      .select({
        taskId: taskResponses.taskId,
        id: responses.id,
        policyId: sql<string>`${responses.checkpointId}`,
        text: responses.text,
      })
      .from(taskResponses)
      .innerJoin(responses, eq(responses.id, taskResponses.responseId))
      .where(and(inArray(taskResponses.taskId, some), eq(responses.source, "sampled")));
    for (const { taskId, ...answer } of rows) found.set(taskId, [...(found.get(taskId) ?? []), answer]);
  });
  return found;
}

type Asked = {
  judge: JudgeKey;
  /** People whose judgments do not count, as those who ask for a promotion or approve it. */
  without?: readonly string[];
};

/**
 * What the judge said of these tasks, ties of equal answers included as soon as it has said anything: each judge's in turn, as
 * many as other tasks have judgments.
 */
export async function readJudgments(
  db: Db,
  tasks: readonly ComparedTask[],
  { judge, without = [] }: Asked,
): Promise<TaskJudgment[]> {
  if (judge.kind === "people") return readChoices(db, tasks, without);
  const asked = tasks.filter(({ isSame }) => !isSame);
  const told: TaskJudgment[] = [];
  const first = new Map(tasks.map(({ taskId, answers: [{ id }] }) => [taskId, id]));
  await inChunks(
    asked.map(({ taskId }) => taskId),
    async (some) => {
      const found =
        judge.kind === "labelers"
          ? await readRanked(db, some, { first, without })
          : await readModelJudgments(db, some, { first, judge });
      told.push(...found);
    },
  );
  return [...told, ...tiesOfEqual(tasks, told)];
}

function tiesOfEqual(tasks: readonly ComparedTask[], told: readonly TaskJudgment[]): TaskJudgment[] {
  const judges = [...new Map(told.map((judgment) => [judgment.judge, judgment])).values()];
  let turn = 0;
  return tasks
    .filter(({ isSame }) => isSame)
    .flatMap(({ taskId, overlap }) =>
      Array.from({ length: Math.min(overlap, judges.length) }, () => judges[turn++ % judges.length]).flatMap(
        (judge) =>
          judge ? [{ ...judge, taskId, credit: 0.5, isBothBad: false, margin: judge.margin && 0 }] : [],
      ),
    );
}

/** Candidate's response by task. */
type First = { first: ReadonlyMap<string, string> };

async function readRanked(
  db: Db,
  taskIds: readonly string[],
  { first, without }: First & { without: readonly string[] },
): Promise<TaskJudgment[]> {
  const rows = await db
    .select({
      id: rankings.id,
      taskId: rankings.taskId,
      labelerId: rankings.labelerId,
      pseudonym: rankings.pseudonym,
      isHeldOut: sql<boolean>`coalesce(${labelerGroups.isHeldOut}, false)`,
      noneAcceptable: rankings.noneAcceptable,
      responseId: rankedResponses.responseId,
      rank: rankedResponses.rank,
    })
    .from(rankings)
    .innerJoin(rankedResponses, eq(rankedResponses.rankingId, rankings.id))
    .leftJoin(labelerGroups, eq(labelerGroups.id, rankings.groupId))
    .where(
      and(
        inArray(rankings.taskId, [...taskIds]),
        eq(rankings.kind, "labeler"),
        isCountedRanking,
        without.length > 0
          ? or(isNull(rankings.labelerId), notInArray(rankings.labelerId, [...without]))
          : undefined,
      ),
    )
    .orderBy(asc(rankings.createdAt), asc(rankings.id));
  const made = new Map<string, { row: (typeof rows)[number]; own: number; other: number }>();
  for (const row of rows) {
    const entry = made.get(row.id) ?? { row, own: 0, other: 0 };
    if (row.responseId === first.get(row.taskId)) entry.own = row.rank;
    else entry.other = row.rank;
    made.set(row.id, entry);
  }
  return [...made.values()].map(({ row, own, other }) => ({
    taskId: row.taskId,
    judge: row.labelerId ?? row.pseudonym,
    judgeName: row.pseudonym,
    isHeldOut: row.isHeldOut,
    credit: own === other ? 0.5 : own < other ? 1 : 0,
    isBothBad: own === other && row.noneAcceptable,
    margin: null,
  }));
}

async function readModelJudgments(
  db: Db,
  taskIds: readonly string[],
  { first, judge }: First & { judge: Extract<JudgeKey, { kind: "rewardModel" | "endpoint" }> },
): Promise<TaskJudgment[]> {
  const rows = await db
    .select({ judgment: judgments, name: evaluationJudges.judgeName })
    .from(judgments)
    .innerJoin(evaluationJudges, eq(evaluationJudges.id, judgments.judgeId))
    .where(
      and(
        inArray(judgments.taskId, [...taskIds]),
        isNull(judgments.fault),
        judge.kind === "rewardModel"
          ? eq(evaluationJudges.rewardModelId, judge.rewardModelId)
          : and(eq(evaluationJudges.judge, "endpoint"), eq(evaluationJudges.judgeName, judge.name)),
      ),
    )
    .orderBy(asc(judgments.createdAt), asc(judgments.taskId));
  return rows.map(({ judgment: { taskId, preferredId, bothBad, margin }, name }) => ({
    taskId,
    judge: name,
    judgeName: name,
    isHeldOut: false,
    credit: preferredId === null ? 0.5 : preferredId === first.get(taskId) ? 1 : 0,
    isBothBad: bothBad,
    margin,
  }));
}
