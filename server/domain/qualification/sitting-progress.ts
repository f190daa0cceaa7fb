/** @file A labeler's sitting under way: which tasks it has, and how many of them are answered. */
import { and, eq, inArray, isNull, ne, or, type SQL, sql } from "drizzle-orm";
import {
  batches,
  demonstrations,
  labelers,
  prompts,
  qualifications,
  qualificationTests,
  rankings,
  rankingTasks,
  taskSkips,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { isUsablePrompt } from "../prompts/usable-prompts";

export type Sitting = {
  id: string;
  labelerId: string;
  batchId: string;
  status: "sitting" | "reviewing";
  startedAt: Date;
  testStatus: (typeof batches.$inferSelect)["status"];
  /** Rankings first, then demonstrations. */
  batchIds: string[];
};

/** The one that is not decided yet; there is one at most. */
export async function findSitting(db: Db, labelerId: string): Promise<Sitting | null> {
  const [found] = await db
    .select({
      sitting: qualifications,
      testStatus: batches.status,
      demonstrationBatchId: qualificationTests.demonstrationBatchId,
    })
    .from(qualifications)
    .innerJoin(batches, eq(batches.id, qualifications.batchId))
    .innerJoin(qualificationTests, eq(qualificationTests.batchId, qualifications.batchId))
    .where(
      and(eq(qualifications.labelerId, labelerId), inArray(qualifications.status, ["sitting", "reviewing"])),
    );
  if (!found) return null;
  const { sitting, testStatus, demonstrationBatchId } = found;
  return {
    id: sitting.id,
    labelerId,
    batchId: sitting.batchId,
    status: sitting.status === "sitting" ? "sitting" : "reviewing",
    startedAt: sitting.startedAt,
    testStatus,
    batchIds: demonstrationBatchId === null ? [sitting.batchId] : [sitting.batchId, demonstrationBatchId],
  };
}

/** How far it is. Tasks that may not be given to this labeler, or were put away, are not part of it. */
export async function readProgress(
  db: Db,
  { labelerId, batchIds, startedAt }: Pick<Sitting, "labelerId" | "batchIds" | "startedAt">,
): Promise<{ answered: number; total: number }> {
  const isAnswered = isAnsweredSince(labelerId, startedAt);
  const [row] = await db
    .select({
      answered: sql<number>`(count(*) filter (where ${isAnswered}))::int`,
      left: sql<number>`(count(*) filter (where not ${isAnswered} and ${isUsablePrompt} and ${rankingTasks.status} = 'open'
        and (${labelers.seesSensitive} or not ${prompts.isSensitive})
        and not exists (select 1 from ${taskSkips} where ${taskSkips.taskId} = ${rankingTasks.id} and ${taskSkips.labelerId} = ${labelerId})))::int`,
    })
    .from(rankingTasks)
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .innerJoin(labelers, eq(labelers.userId, labelerId))
    .where(
      and(
        inArray(rankingTasks.batchId, batchIds),
        or(isNull(prompts.ownerId), ne(prompts.ownerId, labelerId)),
        isNull(rankingTasks.onlyForId),
      ),
    );
  const { answered, left } = row ?? { answered: 0, left: 0 };
  return { answered, total: answered + left };
}

const isAnsweredSince = (labelerId: string, since: Date): SQL => sql`(
  exists (select 1 from ${rankings} where ${rankings.taskId} = ${rankingTasks.id} and ${rankings.labelerId} = ${labelerId}
    and ${rankings.kind} = 'labeler' and ${rankings.createdAt} >= ${since.toISOString()}::timestamptz)
  or exists (select 1 from ${demonstrations} where ${demonstrations.taskId} = ${rankingTasks.id} and ${demonstrations.labelerId} = ${labelerId}
    and ${demonstrations.createdAt} >= ${since.toISOString()}::timestamptz)
)`;
