/** @file A claimed task as its labeler sees it. */
import { and, eq, sql } from "drizzle-orm";
import {
  batches,
  demonstrations,
  prompts,
  rankings,
  rankingTasks,
  responses,
  taskClaims,
  taskResponses,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { findSitting, readProgress } from "../qualification/sitting-progress";
import { listTaskAnswers } from "./questions";
import { draftSchema, type TaskView } from "./task-schema";

/** @throws {AppError} NOT_FOUND for a claim that is not this labeler's, or is gone */
export async function readTaskView(
  db: Db,
  { claimId, labelerId }: { claimId: string; labelerId: string },
): Promise<TaskView> {
  const [found] = await db
    .select({ claim: taskClaims, batch: batches, prompt: prompts })
    .from(taskClaims)
    .innerJoin(rankingTasks, eq(rankingTasks.id, taskClaims.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(and(eq(taskClaims.id, claimId), eq(taskClaims.labelerId, labelerId)));
  if (!found) throw claimGone();
  const { claim, batch, prompt } = found;
  const texts = await db
    .select({ id: responses.id, text: responses.text })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(eq(taskResponses.taskId, claim.taskId));
  // A draft of an earlier version of the page may not fit any more: the task then begins afresh.
  const draft = draftSchema.safeParse(claim.draft);
  return {
    claimId: claim.id,
    taskId: claim.taskId,
    batch: {
      name: batch.name,
      task: batch.task,
      purpose: batch.purpose,
      hasRatings: batch.hasRatings,
      deadline: batch.deadline,
    },
    prompt: { messages: prompt.messages, isSensitive: prompt.isSensitive },
    responses: claim.responseOrder.flatMap((id) => texts.filter((one) => one.id === id)),
    guidelinesVersion: batch.guidelinesVersion,
    draft: draft.success ? draft.data : null,
    draftVersion: claim.draftVersion,
    activeMs: claim.activeMs,
    expiresAt: claim.expiresAt,
    returnedComment: await readReturnedComment(db, { taskId: claim.taskId, labelerId }),
    answers: await listTaskAnswers(db, { taskId: claim.taskId, labelerId }),
    sitting: batch.purpose === "qualification" ? await readSittingProgress(db, labelerId) : null,
  };
}

/** What a lead wrote who gave this labeler's ranking or demonstration back. */
async function readReturnedComment(
  db: Db,
  { taskId, labelerId }: { taskId: string; labelerId: string },
): Promise<string | null> {
  const isReturned = <T extends typeof rankings | typeof demonstrations>(table: T) =>
    and(
      eq(table.taskId, taskId),
      eq(table.labelerId, labelerId),
      eq(table.isCurrent, true),
      sql`${table.status} = 'returned'`,
    );
  const [ranking] = await db
    .select({ comment: rankings.returnedComment })
    .from(rankings)
    .where(isReturned(rankings));
  if (ranking) return ranking.comment;
  const [demonstration] = await db
    .select({ comment: demonstrations.reviewComment })
    .from(demonstrations)
    .where(isReturned(demonstrations));
  return demonstration?.comment ?? null;
}

async function readSittingProgress(db: Db, labelerId: string): Promise<TaskView["sitting"]> {
  const sitting = await findSitting(db, labelerId);
  return sitting && readProgress(db, sitting);
}

export const claimGone = () =>
  new AppError(
    "NOT_FOUND",
    "This task is no longer yours: it was submitted or put away. Go on with the next one.",
  );
