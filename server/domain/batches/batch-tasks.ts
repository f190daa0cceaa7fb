/** @file The tasks of a batch for its lead: listed with what became of them, one shown as labelers see it. */
import { and, asc, count, eq, gt, inArray, sql } from "drizzle-orm";
import {
  batches,
  prompts,
  rankings,
  rankingTasks,
  responses,
  taskResponses,
  taskSkips,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import type { TaskView } from "../labeling/task-schema";
import { isConsentedPrompt } from "../prompts/usable-prompts";

export const taskStatuses = ["sampling", "open", "done", "excluded"] as const;
export type TaskStatus = (typeof taskStatuses)[number];

export type BatchTaskRow = {
  id: string;
  position: number;
  status: TaskStatus;
  isGold: boolean;
  isRepeat: boolean;
  /** The last turn's beginning; empty where nobody may read it now. */
  excerpt: string;
  isSensitive: boolean;
  responses: number;
  rankings: number;
  /** The reward model's, where the batch is ordered by it and this task is scored. */
  doubt: number | null;
  /** Why it is excluded, and what labelers said of it; or why it waits. */
  reasons: string[];
};

const excerptCharacters = 160;

/** By position. @param cursor the last row's position and id */
export async function listBatchTasks(
  db: Db,
  {
    batchId,
    status,
    cursor,
    limit,
  }: {
    batchId: string;
    status: TaskStatus | null;
    cursor: { position: number; id: string } | null;
    limit: number;
  },
): Promise<{ tasks: BatchTaskRow[]; nextCursor: { position: number; id: string } | null }> {
  const rows = await db
    .select({
      id: rankingTasks.id,
      position: rankingTasks.position,
      status: rankingTasks.status,
      isGold: rankingTasks.isGold,
      repeatOfId: rankingTasks.repeatOfId,
      excludedReason: rankingTasks.excludedReason,
      doubt: rankingTasks.doubt,
      isReadable: isConsentedPrompt,
      messages: prompts.messages,
      isSensitive: prompts.isSensitive,
    })
    .from(rankingTasks)
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        eq(rankingTasks.batchId, batchId),
        status === null ? undefined : eq(rankingTasks.status, status),
        cursor === null
          ? undefined
          : gt(
              sql`(${rankingTasks.position}, ${rankingTasks.id})`,
              sql`(${cursor.position}, ${cursor.id}::uuid)`,
            ),
      ),
    )
    .orderBy(asc(rankingTasks.position), asc(rankingTasks.id))
    .limit(limit + 1);
  const page = rows.slice(0, limit);
  const counts = await countParts(
    db,
    page.map(({ id }) => id),
  );
  const last = page.at(-1);
  return {
    tasks: page.map(({ repeatOfId, excludedReason, isReadable, messages, ...row }) => ({
      ...row,
      isRepeat: repeatOfId !== null,
      excerpt: isReadable ? shorten(messages.at(-1)?.content ?? "") : "",
      responses: counts.responses.get(row.id) ?? 0,
      rankings: counts.rankings.get(row.id) ?? 0,
      reasons:
        excludedReason !== null
          ? [excludedReason, ...(counts.skips.get(row.id) ?? [])]
          : isReadable
            ? []
            : ["Its prompt may not be used now: consent was withdrawn, or the conversation deleted."],
    })),
    nextCursor: rows.length > limit && last ? { position: last.position, id: last.id } : null,
  };
}

async function countParts(db: Db, taskIds: string[]) {
  if (taskIds.length === 0) return { responses: new Map(), rankings: new Map(), skips: new Map() };
  const sampled = await db
    .select({ id: taskResponses.taskId, n: count() })
    .from(taskResponses)
    .where(inArray(taskResponses.taskId, taskIds))
    .groupBy(taskResponses.taskId);
  const ranked = await db
    .select({ id: rankings.taskId, n: count() })
    .from(rankings)
    .where(and(inArray(rankings.taskId, taskIds), eq(rankings.isCurrent, true)))
    .groupBy(rankings.taskId);
  const skips = await db
    .select({ id: taskSkips.taskId, reason: taskSkips.reason })
    .from(taskSkips)
    .where(and(inArray(taskSkips.taskId, taskIds), eq(taskSkips.kind, "cannotBeRanked")));
  const reasons = new Map<string, string[]>();
  for (const { id, reason } of skips) {
    reasons.set(id, [...(reasons.get(id) ?? []), `A labeler: ${reason || "cannot be ranked"}`]);
  }
  return {
    responses: new Map(sampled.map(({ id, n }) => [id, n])),
    rankings: new Map(ranked.map(({ id, n }) => [id, n])),
    skips: reasons,
  };
}

export type TaskPreview = Pick<
  TaskView,
  "taskId" | "batch" | "prompt" | "responses" | "guidelinesVersion"
> & {
  status: TaskStatus;
};

/** What a labeler will see, in the order of the task itself. @throws {AppError} NOT_FOUND; also for words nobody may read now */
export async function previewTask(db: Db, taskId: string): Promise<TaskPreview> {
  const [found] = await db
    .select({ task: rankingTasks, batch: batches, prompt: prompts })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(and(eq(rankingTasks.id, taskId), isConsentedPrompt));
  if (!found) {
    throw new AppError("NOT_FOUND", "There is no such task, or its prompt may not be read any more.");
  }
  const { task, batch, prompt } = found;
  return {
    taskId,
    status: task.status,
    batch: {
      name: batch.name,
      task: batch.task,
      purpose: batch.purpose,
      hasRatings: batch.hasRatings,
      deadline: batch.deadline,
    },
    prompt: { messages: prompt.messages, isSensitive: prompt.isSensitive },
    responses: await db
      .select({ id: responses.id, text: responses.text })
      .from(taskResponses)
      .innerJoin(responses, eq(responses.id, taskResponses.responseId))
      .where(eq(taskResponses.taskId, taskId))
      .orderBy(asc(taskResponses.position)),
    guidelinesVersion: batch.guidelinesVersion,
  };
}

const shorten = (text: string): string =>
  text.length > excerptCharacters ? `${text.slice(0, excerptCharacters)}…` : text;
