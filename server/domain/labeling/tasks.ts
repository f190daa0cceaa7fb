/** @file Ranking tasks as the queue keeps them: read with their batch, closed when done, copied to be repeated. */
import { and, eq, sql } from "drizzle-orm";
import { batches, rankingTasks, taskClaims, taskResponses } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";

export type Task = typeof rankingTasks.$inferSelect;
export type Batch = typeof batches.$inferSelect;

/** @throws {AppError} NOT_FOUND */
export async function readTask(db: Db, taskId: string): Promise<{ task: Task; batch: Batch }> {
  const [found] = await db
    .select({ task: rankingTasks, batch: batches })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(eq(rankingTasks.id, taskId));
  if (!found) throw new AppError("NOT_FOUND", "There is no such task.");
  return found;
}

/**
 * Places that one labeler takes of a task: one, but none of practice and tests, whose tasks are for everybody. For updates
 * of `ranking_tasks`.
 */
export const onePlace = sql<number>`(
  select case when b.purpose in ('practice', 'qualification') then 0 else 1 end from batches b where b.id = ranking_tasks.batch_id
)`;

/** When every place is taken and nobody is at it any more. */
export async function closeWhenDone(tx: Tx, taskId: string): Promise<void> {
  const isWorkedOn = sql`exists (
    select 1 from ${taskClaims} where ${taskClaims.taskId} = ${taskId} and ${taskClaims.releasedAt} is null
  )`;
  await tx
    .update(rankingTasks)
    .set({ status: "done" })
    .where(
      and(
        eq(rankingTasks.id, taskId),
        eq(rankingTasks.status, "open"),
        eq(rankingTasks.openPlaces, 0),
        sql`not ${isWorkedOn}`,
      ),
    );
}

export async function copyResponses(tx: Tx, fromTaskId: string, toTaskId: string): Promise<void> {
  const copied = await tx
    .select({ responseId: taskResponses.responseId, position: taskResponses.position })
    .from(taskResponses)
    .where(eq(taskResponses.taskId, fromTaskId));
  if (copied.length > 0) {
    await tx.insert(taskResponses).values(copied.map((row) => ({ taskId: toTaskId, ...row })));
  }
}
