/** @file Known answers: what a lead expects of a task, or takes over from an expert; checked before labelers meet it. */
import { and, asc, desc, eq, inArray, ne, sql } from "drizzle-orm";
import { z } from "zod";
import {
  prompts,
  rankedResponses,
  rankings,
  rankingTasks,
  responses,
  taskResponses,
  users,
} from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { type ResponseFlag, responseFlagKeys } from "../labeling/flags";
import { type Batch, readTask, type Task } from "../labeling/tasks";
import { storableText } from "../message-text";
import { isConsentedPrompt } from "../prompts/usable-prompts";

/** Ranks and flags by response id; flags null where they are not known. */
export type Answer = { ranks: Record<string, number>; flags: Record<string, ResponseFlag[]> | null };

export type KnownAnswer = {
  taskId: string;
  batch: Pick<Batch, "purpose" | "task" | "status" | "hasRatings">;
  messages: { role: "system" | "user" | "assistant"; content: string }[];
  /** In the order of the task itself. */
  responses: { id: string; text: string }[];
  isGold: boolean;
  answer: Answer;
  explanation: string;
  /** Rankings of this task that may be taken over: adjudications first, then the newest. */
  offered: (Answer & { rankingId: string; kind: "labeler" | "adjudication" | "imported"; by: string })[];
};

const mostOffered = 20;

/** @throws {AppError} NOT_FOUND; also for words nobody may read now */
export async function readKnownAnswer(db: Db, taskId: string): Promise<KnownAnswer> {
  const { task, batch } = await readTask(db, taskId);
  const [prompt] = await db
    .select({ messages: prompts.messages })
    .from(prompts)
    .where(and(eq(prompts.id, task.promptId), isConsentedPrompt));
  if (!prompt) throw new AppError("NOT_FOUND", "The prompt of this task may not be read any more.");
  const rows = await db
    .select({
      id: responses.id,
      text: responses.text,
      rank: taskResponses.goldRank,
      flags: taskResponses.goldFlags,
    })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(eq(taskResponses.taskId, taskId))
    .orderBy(asc(taskResponses.position));
  return {
    taskId,
    batch: { purpose: batch.purpose, task: batch.task, status: batch.status, hasRatings: batch.hasRatings },
    messages: prompt.messages,
    responses: rows.map(({ id, text }) => ({ id, text })),
    isGold: task.isGold,
    answer: toAnswer(rows),
    // Of tasks without a known answer the column tells why they are excluded.
    explanation: task.isGold ? task.explanation : "",
    offered: await listOffered(db, taskId),
  };
}

type Place = { id: string; rank: number | null; flags: string[] | null };

function toAnswer(places: readonly Place[]): Answer {
  const isFlag = (flag: string): flag is ResponseFlag => (responseFlagKeys as string[]).includes(flag);
  return {
    ranks: Object.fromEntries(places.flatMap(({ id, rank }) => (rank === null ? [] : [[id, rank]]))),
    flags: places.some(({ flags }) => flags !== null)
      ? Object.fromEntries(places.map(({ id, flags }) => [id, (flags ?? []).filter(isFlag)]))
      : null,
  };
}

async function listOffered(db: Db, taskId: string): Promise<KnownAnswer["offered"]> {
  const found = await db
    .select({
      rankingId: rankings.id,
      kind: rankings.kind,
      name: users.name,
      pseudonym: rankings.pseudonym,
    })
    .from(rankings)
    .leftJoin(users, eq(users.id, rankings.labelerId))
    .where(and(eq(rankings.taskId, taskId), eq(rankings.isCurrent, true), eq(rankings.status, "submitted")))
    .orderBy(sql`${rankings.kind} = 'adjudication' desc`, desc(rankings.createdAt))
    .limit(mostOffered);
  if (found.length === 0) return [];
  const places = await db
    .select()
    .from(rankedResponses)
    .where(
      inArray(
        rankedResponses.rankingId,
        found.map(({ rankingId }) => rankingId),
      ),
    );
  return found.map(({ rankingId, kind, name, pseudonym }) => {
    const own = places.filter((place) => place.rankingId === rankingId);
    // Who rated nothing said nothing of flags either.
    const isRated = own.some(({ overall, flags }) => overall !== null || flags.length > 0);
    return {
      rankingId,
      kind,
      by: name ?? pseudonym,
      ...toAnswer(
        own.map(({ responseId, rank, flags }) => ({ id: responseId, rank, flags: isRated ? flags : null })),
      ),
    };
  });
}

export const knownAnswerSchema = z.object({
  taskId: z.uuid(),
  /** All responses of the task, each once; best first, those of one tier tied. */
  tiers: z.array(z.array(z.uuid()).min(1).max(9)).min(1).max(9),
  /** By response; one that is left out has none. Null: nothing is expected of flags. */
  flags: z.record(z.uuid(), z.array(z.enum(responseFlagKeys)).max(responseFlagKeys.length)).nullable(),
  explanation: z.string().trim().max(5_000, "An explanation may have 5,000 characters.").default(""),
});
type Setting = z.infer<typeof knownAnswerSchema> & { actorId: string };

/**
 * What the task expects from now on. A task of work becomes a hidden check: its rankings leave datasets to come. Sittings
 * that have ended keep their figures.
 * @throws {AppError} NOT_FOUND; BAD_REQUEST when the tiers do not hold each response once; CONFLICT for a task that cannot have one
 */
export async function setKnownAnswer(
  db: Db,
  { taskId, tiers, flags, explanation, actorId }: Setting,
): Promise<void> {
  await db.transaction(async (tx) => {
    const { task, batch } = await readTask(tx, taskId);
    checkTakes(task, batch);
    const ids = await readResponseIds(tx, taskId);
    checkTiers(ids, tiers);
    for (const [index, tier] of tiers.entries()) {
      for (const responseId of tier) {
        await tx
          .update(taskResponses)
          .set({
            goldRank: index + 1,
            goldFlags: flags && batch.hasRatings ? [...new Set(flags[responseId] ?? [])] : null,
          })
          .where(and(eq(taskResponses.taskId, taskId), eq(taskResponses.responseId, responseId)));
      }
    }
    await tx
      .update(rankingTasks)
      .set({ isGold: true, explanation: storableText(explanation) })
      .where(eq(rankingTasks.id, taskId));
    await appendAudit(tx, { actorId, action: "task.knownAnswerSet", subject: taskId });
  });
}

/** @throws {AppError} NOT_FOUND; CONFLICT while labelers meet it in practice or a test */
export async function removeKnownAnswer(
  db: Db,
  { taskId, actorId }: { taskId: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const { batch } = await readTask(tx, taskId);
    if (batch.purpose !== "work" && batch.status === "open") {
      throw new AppError(
        "CONFLICT",
        "Labelers are given this task for its known answer. Pause the batch first.",
      );
    }
    await tx
      .update(taskResponses)
      .set({ goldRank: null, goldFlags: null })
      .where(eq(taskResponses.taskId, taskId));
    await tx
      .update(rankingTasks)
      .set({ isGold: false, explanation: "" })
      .where(and(eq(rankingTasks.id, taskId), eq(rankingTasks.isGold, true)));
    await appendAudit(tx, { actorId, action: "task.knownAnswerRemoved", subject: taskId });
  });
}

function checkTakes(task: Task, batch: Batch): void {
  if (batch.task === "demonstration") {
    throw new AppError("CONFLICT", "A demonstration has no known answer: a lead rates it.");
  }
  if (batch.purpose === "evaluation") {
    throw new AppError(
      "CONFLICT",
      "Which of two policies is better is what an evaluation asks: nobody knows it yet.",
    );
  }
  if (task.status === "sampling") {
    throw new AppError("CONFLICT", "Its responses are still being sampled. Come back when they are there.");
  }
  if (task.status === "excluded") {
    throw new AppError("CONFLICT", "The task is excluded: nobody is given it.");
  }
  if (task.repeatOfId !== null) {
    throw new AppError("CONFLICT", "This task repeats another for one labeler. Mark the other one.");
  }
}

async function readResponseIds(tx: Tx, taskId: string): Promise<string[]> {
  const rows = await tx
    .select({ id: taskResponses.responseId })
    .from(taskResponses)
    .where(eq(taskResponses.taskId, taskId));
  return rows.map(({ id }) => id);
}

function checkTiers(ids: readonly string[], tiers: readonly string[][]): void {
  const placed = tiers.flat();
  const isEachOnce = new Set(placed).size === placed.length && placed.length === ids.length;
  if (!isEachOnce || placed.some((id) => !ids.includes(id))) {
    throw new AppError(
      "BAD_REQUEST",
      `The known answer must hold each of the task's ${ids.length} responses once; it holds ${placed.length}.`,
    );
  }
}

export type Readiness = {
  /** Tasks that are not excluded. */
  tasks: number;
  sampling: number;
  /** Of those whose responses are there. */
  withoutAnswer: number;
  /** Pairs the known answers put in order. */
  pairs: number;
  flags: number;
};

export async function readReadiness(db: Db, batchId: string): Promise<Readiness> {
  const [row] = await db
    .select({
      tasks: sql<number>`count(*)::int`,
      sampling: sql<number>`(count(*) filter (where ${rankingTasks.status} = 'sampling'))::int`,
      withoutAnswer: sql<number>`(count(*) filter (where not ${rankingTasks.isGold} and ${rankingTasks.status} <> 'sampling'))::int`,
      pairs: sql<number>`coalesce(sum((
        select count(*) from task_responses a join task_responses b on b.task_id = a.task_id and a.gold_rank < b.gold_rank
        where a.task_id = ranking_tasks.id
      )), 0)::int`,
      flags: sql<number>`coalesce(sum((
        select sum(coalesce(array_length(gold_flags, 1), 0)) from task_responses where task_id = ranking_tasks.id
      )), 0)::int`,
    })
    .from(rankingTasks)
    .where(and(eq(rankingTasks.batchId, batchId), ne(rankingTasks.status, "excluded")));
  return row ?? { tasks: 0, sampling: 0, withoutAnswer: 0, pairs: 0, flags: 0 };
}

/** What keeps practice or a test from being opened, and what to do about it; null = nothing. */
export function findUnready(
  { tasks, sampling, withoutAnswer, pairs, flags }: Readiness,
  purpose: "practice" | "qualification",
): string | null {
  if (tasks === 0) return "It has no task: all of them are excluded. Make another.";
  if (sampling > 0)
    return `${sampling} of ${tasks} tasks wait for their responses. Open it when they are there.`;
  if (withoutAnswer > 0)
    return `${withoutAnswer} of ${tasks} tasks have no known answer. Set it among the batch's tasks.`;
  if (pairs === 0)
    return "All known answers tie all responses, so no ranking could differ. Put some in order.";
  if (purpose === "qualification" && flags === 0) {
    return "No known answer has a flag, so agreement on flags would measure nothing. Flag some responses, or add a task that has some.";
  }
  return null;
}

/** @throws {AppError} CONFLICT saying what is missing */
export async function checkReady(
  db: Db,
  { id, purpose }: { id: string; purpose: "practice" | "qualification" },
): Promise<void> {
  const problem = findUnready(await readReadiness(db, id), purpose);
  if (problem) throw new AppError("CONFLICT", problem);
}
