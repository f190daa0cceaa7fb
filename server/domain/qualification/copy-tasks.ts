/** @file Copies of tasks with their responses and their known answer: into practice, into tests, and hidden into work. */
import { and, asc, desc, eq, isNull, notInArray, sql } from "drizzle-orm";
import { batches, prompts, rankings, rankingTasks, taskResponses } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { type BatchTask, leastResponses, mostK } from "../batches/batch-schema";
import { copyResponses } from "../labeling/tasks";
import { isUsablePrompt } from "../prompts/usable-prompts";

/**
 * Ids of tasks to copy, in the order of their batch; those with a known answer first, then those an expert has ranked.
 * @throws {AppError} BAD_REQUEST when none fits
 */
export async function chooseSourceTasks(
  db: Db,
  task: BatchTask,
  { batchId, count }: { batchId: string; count: number },
): Promise<string[]> {
  const most = task === "pairwise" ? 2 : mostK;
  const found = await db
    .select({ id: rankingTasks.id })
    .from(rankingTasks)
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        eq(rankingTasks.batchId, batchId),
        notInArray(rankingTasks.status, ["sampling", "excluded"]),
        isNull(rankingTasks.repeatOfId),
        sql`(
          select count(*) between ${leastResponses[task]}::int and ${most}::int
          from task_responses where task_id = ${rankingTasks.id}
        )`,
        isUsablePrompt,
      ),
    )
    .orderBy(desc(rankingTasks.isGold), desc(isAdjudicated), asc(rankingTasks.position))
    .limit(count);
  if (found.length === 0) {
    throw new AppError(
      "BAD_REQUEST",
      `No task of that batch fits: a ${task} needs ${task === "pairwise" ? "2" : `${leastResponses[task]} to ${mostK}`} responses, and a prompt that may be used. Choose another batch.`,
    );
  }
  return found.map(({ id }) => id);
}

const isAdjudicated = sql<boolean>`exists (
  select 1 from ${rankings}
  where ${rankings.taskId} = ${rankingTasks.id} and ${rankings.kind} = 'adjudication' and ${rankings.isCurrent}
)`;

/** Copies tasks in this order. One without a known answer takes over that of an expert, where there is one. */
export async function copyKnown(tx: Tx, batchId: string, sourceIds: readonly string[]): Promise<void> {
  for (const [position, sourceId] of sourceIds.entries()) {
    const copyId = await copyGold(tx, sourceId, { batchId, position, overlap: 1 });
    if (copyId !== null) await takeOverExpert(tx, sourceId, copyId);
  }
  if (sourceIds.length === 0) return;
  await tx.execute(sql`
    update ${batches} set k = (
      select max(n) from (
        select count(*) as n from ${taskResponses} join ${rankingTasks} on ${rankingTasks.id} = ${taskResponses.taskId}
        where ${rankingTasks.batchId} = ${batchId} group by ${taskResponses.taskId}
      ) counts
    ) where id = ${batchId}`);
}

/** The task, its responses, and its known answer if it has one. @returns the copy's id; null where the task is gone */
export async function copyGold(
  tx: Tx,
  sourceId: string,
  { batchId, overlap, position }: { batchId: string; overlap: number; position: number },
): Promise<string | null> {
  const [original] = await tx.select().from(rankingTasks).where(eq(rankingTasks.id, sourceId));
  if (!original) return null;
  const { promptId, isGold, explanation } = original;
  const [copy] = await tx
    .insert(rankingTasks)
    .values({
      batchId,
      promptId,
      status: "open",
      openPlaces: overlap,
      position,
      isGold,
      explanation: isGold ? explanation : "",
    })
    .returning({ id: rankingTasks.id });
  if (!copy) throw new Error(`The copy of task ${sourceId} was not stored.`);
  await copyResponses(tx, sourceId, copy.id);
  await tx.execute(sql`
    update ${taskResponses} mine set gold_rank = known.gold_rank, gold_flags = known.gold_flags
    from ${taskResponses} known
    where known.task_id = ${sourceId} and mine.task_id = ${copy.id} and mine.response_id = known.response_id`);
  return copy.id;
}

/** The newest adjudication; of an imported task that one ranking alone was made of, that ranking. */
async function takeOverExpert(tx: Tx, sourceId: string, copyId: string): Promise<void> {
  const [copy] = await tx.select().from(rankingTasks).where(eq(rankingTasks.id, copyId));
  if (!copy || copy.isGold) return;
  const found = await tx
    .select({ id: rankings.id, kind: rankings.kind })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(and(eq(rankings.taskId, sourceId), eq(rankings.isCurrent, true), eq(rankings.status, "submitted")))
    .orderBy(sql`${rankings.kind} = 'adjudication' desc`, desc(rankings.createdAt));
  const [first] = found;
  const isExpert = first?.kind === "adjudication" || (first?.kind === "imported" && found.length === 1);
  if (!first || !isExpert) return;
  await tx.execute(sql`
    update ${taskResponses} mine set gold_rank = expert.rank
    from ranked_responses expert
    where expert.ranking_id = ${first.id} and mine.task_id = ${copyId} and mine.response_id = expert.response_id`);
  await tx.execute(sql`
    update ${rankingTasks} set is_gold = true
    where id = ${copyId} and not exists (select 1 from ${taskResponses} where task_id = ${copyId} and gold_rank is null)`);
}
