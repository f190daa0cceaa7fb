/** @file Tasks that wait for responses: which is next, what it still lacks, and the one place where a response is added to it. */
import { and, arrayOverlaps, asc, count, desc, eq, inArray, not, notInArray, sql } from "drizzle-orm";
import { batches, prompts, rankingTasks, responses, taskResponses } from "@/drizzle/schema";
import type { ChatMessage, Sampling } from "@/model/runtime/types";
import type { Db, Tx } from "../../db/db";
import { excludeTasks } from "../labeling/exclude-tasks";
import { asInChat } from "../prompts/as-in-chat";
import { isUsablePrompt } from "../prompts/usable-prompts";
import { type BatchTask, leastResponses } from "./batch-schema";

export type SamplingTask = {
  id: string;
  batchId: string;
  promptId: string;
  position: number;
  task: BatchTask;
  purpose: (typeof batches.$inferSelect)["purpose"];
  k: number;
  policies: string[];
  sampling: Sampling;
  messages: ChatMessage[];
};

/** Tasks and policies that are left alone for now: in work already, or waiting after an error. */
export type Held = { taskIds: readonly string[]; checkpointIds: readonly string[] };

/** By batch priority, then in the order of the batch. Prompts that may not be used now are passed over: consent may come back. */
export async function findNextTask(db: Db, { taskIds, checkpointIds }: Held): Promise<SamplingTask | null> {
  const [next] = await db
    .select({ task: rankingTasks, batch: batches, messages: prompts.messages })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(
      and(
        eq(rankingTasks.status, "sampling"),
        inArray(batches.status, ["open", "preparing"]),
        taskIds.length > 0 ? notInArray(rankingTasks.id, [...taskIds]) : undefined,
        checkpointIds.length > 0 ? not(arrayOverlaps(batches.policies, [...checkpointIds])) : undefined,
        isUsablePrompt,
      ),
    )
    .orderBy(desc(batches.priority), asc(batches.createdAt), asc(batches.id), asc(rankingTasks.position))
    .limit(1);
  if (!next) return null;
  const { task, batch, messages } = next;
  return {
    id: task.id,
    batchId: batch.id,
    promptId: task.promptId,
    position: task.position,
    task: batch.task,
    purpose: batch.purpose,
    k: batch.k,
    policies: batch.policies,
    // Written by createBatch alone.
    sampling: batch.sampling as Sampling,
    messages: batch.purpose === "evaluation" ? await asInChat(db, messages) : messages,
  };
}

/**
 * The answer that somebody disliked, hidden among the K; not in an evaluation, whose two are those of its policies. Harmless
 * the second time.
 * @returns whether there is one
 */
export async function addConversationResponse(
  db: Db,
  { id, promptId, purpose }: SamplingTask,
): Promise<boolean> {
  if (purpose === "evaluation") return false;
  const [answer] = await db
    .select({ id: responses.id })
    .from(responses)
    .where(and(eq(responses.promptId, promptId), eq(responses.source, "conversation")))
    .orderBy(desc(responses.createdAt))
    .limit(1);
  if (!answer) return false;
  await db
    .insert(taskResponses)
    .values({ taskId: id, responseId: answer.id, position: 0 })
    .onConflictDoNothing();
  return true;
}

/** The policies whose responses are missing, once for each. What a stopped server left behind counts. */
export async function listMissing(
  db: Db,
  task: SamplingTask,
  hasConversationResponse: boolean,
): Promise<string[]> {
  const present = await db
    .select({ checkpointId: responses.checkpointId, n: count() })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(and(eq(taskResponses.taskId, task.id), eq(responses.source, "sampled")))
    .groupBy(responses.checkpointId);
  const left = new Map(present.map(({ checkpointId, n }) => [checkpointId, n]));
  return planPolicies(task, hasConversationResponse).filter((policy) => {
    const n = left.get(policy) ?? 0;
    if (n > 0) left.set(policy, n - 1);
    return n === 0;
  });
}

/** Slot after slot goes to the next policy, on through all tasks of the batch, so that none gets more than its share. */
export function planPolicies(
  { k, policies, position }: Pick<SamplingTask, "k" | "policies" | "position">,
  hasConversationResponse: boolean,
): string[] {
  const slots = k - (hasConversationResponse ? 1 : 0);
  return Array.from(
    { length: slots },
    (_, slot) => policies[(position * k + slot) % policies.length] ?? "",
  ).filter((policy) => policy !== "");
}

export type SampledResponse = {
  checkpointId: string;
  text: string;
  tokenIds: number[];
  logprobs: number[];
  sampling: Sampling;
  seed: number;
  isFinished: boolean;
};

/** gone: the task does not wait any more, or its prompt may not be used. */
export type Stored = "stored" | "duplicate" | "gone";

/**
 * Adds a response, unless it says what another one says already (spaces around it aside). Of an evaluation such a response
 * stays: drawing until the two policies differ would tell of another policy than the one that people meet.
 */
export async function storeResponse(
  db: Db,
  task: Pick<SamplingTask, "id" | "promptId" | "purpose">,
  response: SampledResponse,
): Promise<Stored> {
  return db.transaction(async (tx) => {
    // Locked: responses of one task come at the same moment, and each must see the others.
    if (!(await lockWaiting(tx, task.id))) return "gone";
    const others = await tx
      .select({ text: responses.text })
      .from(taskResponses)
      .innerJoin(responses, eq(responses.id, taskResponses.responseId))
      .where(eq(taskResponses.taskId, task.id));
    const isSaid = others.some(({ text }) => text.trim() === response.text.trim());
    if (isSaid && task.purpose !== "evaluation") return "duplicate";
    const [stored] = await tx
      .insert(responses)
      .values({ promptId: task.promptId, source: "sampled", ...response })
      .returning({ id: responses.id });
    if (!stored) throw new Error(`A response to task ${task.id} was not stored.`);
    await tx
      .insert(taskResponses)
      .values({ taskId: task.id, responseId: stored.id, position: others.length });
    return "stored";
  });
}

async function lockWaiting(tx: Tx, taskId: string): Promise<boolean> {
  const [waiting] = await tx
    .select({ id: rankingTasks.id })
    .from(rankingTasks)
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(and(eq(rankingTasks.id, taskId), eq(rankingTasks.status, "sampling"), isUsablePrompt))
    .for("update", { of: rankingTasks });
  return waiting !== undefined;
}

/**
 * Opens a task that has enough different responses, in an order that tells nothing of who wrote which; excludes it otherwise,
 * with the reason. One of an evaluation whose policies say the same is done: it is a tie, whoever would be asked. Harmless the
 * second time.
 */
export async function settleTask(
  db: Db,
  { id, task, k, purpose }: SamplingTask,
): Promise<"open" | "done" | "excluded" | "gone"> {
  return db.transaction(async (tx) => {
    if (!(await lockWaiting(tx, id))) return "gone";
    const found = await tx.$count(taskResponses, eq(taskResponses.taskId, id));
    if (found < leastResponses[task]) {
      await excludeTasks(
        tx,
        eq(rankingTasks.id, id),
        `Only ${found} different ${found === 1 ? "response" : "responses"} came of ${k}: the policies repeat themselves here.`,
      );
      return "excluded";
    }
    await tx.execute(sql`
      update ${taskResponses} mine set position = shuffled.position
      from (
        select response_id, row_number() over (order by random()) - 1 as position
        from ${taskResponses} where task_id = ${id}
      ) shuffled
      where mine.task_id = ${id} and mine.response_id = shuffled.response_id`);
    const isTie = purpose === "evaluation" && (await saysOneThing(tx, id));
    await tx
      .update(rankingTasks)
      .set(isTie ? { status: "done", openPlaces: 0 } : { status: "open" })
      .where(eq(rankingTasks.id, id));
    return isTie ? "done" : "open";
  });
}

async function saysOneThing(tx: Tx, taskId: string): Promise<boolean> {
  const said = await tx
    .select({ text: responses.text })
    .from(taskResponses)
    .innerJoin(responses, eq(responses.id, taskResponses.responseId))
    .where(eq(taskResponses.taskId, taskId));
  return new Set(said.map(({ text }) => text.trim())).size === 1;
}

/** @param reason shown to the lead */
export async function excludeTask(db: Db, taskId: string, reason: string): Promise<void> {
  await db.transaction(async (tx) => {
    if (await lockWaiting(tx, taskId)) await excludeTasks(tx, eq(rankingTasks.id, taskId), reason);
  });
}
