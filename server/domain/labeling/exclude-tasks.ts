/** @file Tasks that nobody is to work on: excluded with the reason that leads read, and brought back where that has gone. */
import { and, eq, ne, type SQL, sql } from "drizzle-orm";
import { batches, rankings, rankingTasks, taskClaims, taskResponses } from "@/drizzle/schema";
import type { Tx } from "../../db/db";

export const pulledReason = "The prompt was reported and pulled from every queue.";
export const notRankableReason = "Labelers found that it cannot be ranked.";

/** One that is excluded already keeps its reason. */
export async function excludeTasks(tx: Tx, which: SQL, reason: string): Promise<void> {
  await tx
    .update(rankingTasks)
    .set({ status: "excluded", excludedReason: reason })
    .where(and(which, ne(rankingTasks.status, "excluded")));
}

/** Of a prompt that was pulled and is ready again: each task goes on where it stood. Others stay excluded. */
export async function bringTasksBack(tx: Tx, promptId: string): Promise<void> {
  await tx
    .update(rankingTasks)
    .set({ status: statusBefore, excludedReason: null })
    .where(and(eq(rankingTasks.promptId, promptId), eq(rankingTasks.excludedReason, pulledReason)));
}

/** Given out once or copied, it had its responses; fewer than K otherwise means that some may still be sampled. */
const statusBefore = sql<"sampling" | "open" | "done">`(
  select case
    when ${batches.purpose} = 'imported' then 'done'
    when cardinality(${batches.policies}) > 0 and not ${rankingTasks}.is_gold and ${rankingTasks}.repeat_of_id is null
      and not exists (select 1 from ${rankings} where ${rankings.taskId} = ${rankingTasks}.id)
      and not exists (select 1 from ${taskClaims} where ${taskClaims.taskId} = ${rankingTasks}.id)
      and (select count(*) from ${taskResponses} where ${taskResponses.taskId} = ${rankingTasks}.id) < ${batches.k}
      then 'sampling'
    when ${rankingTasks}.open_places > 0 or exists (
      select 1 from ${taskClaims} where ${taskClaims.taskId} = ${rankingTasks}.id and ${taskClaims.releasedAt} is null
    ) then 'open'
    else 'done' end
  from ${batches} where ${batches.id} = ${rankingTasks}.batch_id
)`;
