/** @file Makes a batch: one task for every prompt, waiting for responses, or open at once where it needs none. */
import { randomInt } from "node:crypto";
import { and, eq, ne, sql } from "drizzle-orm";
import { batches, labelerGroups, rankingTasks, responses, taskResponses } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { checkAnswers, locateCheckpoint } from "../checkpoints";
import { chooseSourceTasks, copyGold, copyKnown } from "../qualification/copy-tasks";
import { insertTest } from "../qualification/tests";
import { type BatchTask, batchSampling, defaultK, leastK, type NewBatch } from "./batch-schema";
import { choosePrompts } from "./choose-prompts";
import { checkDoubtModel } from "./doubt-queue";
import { currentGuidelinesVersion, readGuidelines } from "./guidelines";

/** Within what one statement takes as parameters. */
const rowsPerInsert = 2_000;

/**
 * @returns the batch's id and how many tasks it has, those with a known answer included
 * @throws {AppError} BAD_REQUEST naming what does not fit: no prompt, a policy that cannot answer, a reward model that cannot say its
 * doubt; NOT_FOUND for an unknown group, version of the guidelines or checkpoint
 */
export async function createBatch(
  db: Db,
  batch: NewBatch,
  { actorId, dataFolder }: { actorId: string; dataFolder: string },
): Promise<{ batchId: string; tasks: number }> {
  const policies = [...new Set(batch.policies)];
  for (const checkpointId of policies) {
    await checkAnswers(db, checkpointId);
    await locateCheckpoint(db, checkpointId, dataFolder);
  }
  if (batch.doubtFirst) await checkDoubtModel(db, batch.doubtFirst);
  return db.transaction(async (tx) => {
    const guidelinesVersion = await chooseVersion(tx, batch.guidelinesVersion);
    await checkGroup(tx, batch.groupId);
    const choice = batch.prompts;
    const sources = choice.by === "batch" ? await chooseSourceTasks(tx, batch.task, choice) : [];
    const promptIds = choice.by === "batch" ? [] : await choosePrompts(tx, batch, choice);
    const [made] = await tx
      .insert(batches)
      .values({
        ...rowOf(batch),
        policies,
        guidelinesVersion,
        createdBy: actorId,
      })
      .returning({ id: batches.id });
    if (!made) throw new Error("The batch was not stored.");
    const gold = await chooseGold(tx, batch, promptIds.length);
    await insertTasks(tx, made.id, { batch, promptIds, goldTaskIds: gold });
    await copyKnown(tx, made.id, sources);
    if (batch.responsesFrom === "prompts") await nameLargestK(tx, made.id);
    if (batch.test) {
      await insertTest(tx, { batchId: made.id, batch, test: batch.test, guidelinesVersion, actorId });
    }
    const tasks = promptIds.length + gold.length + sources.length;
    await appendAudit(tx, {
      actorId,
      action: "batch.created",
      subject: made.id,
      details: {
        task: batch.task,
        purpose: batch.purpose,
        responsesFrom: batch.responsesFrom,
        tasks,
        policies,
        overlap: batch.overlap,
        guidelinesVersion,
        ...(batch.doubtFirst && { doubtFirst: batch.doubtFirst }),
      },
    });
    return { batchId: made.id, tasks };
  });
}

function rowOf(batch: NewBatch) {
  const { name, task, purpose, overlap, groupId, hasRatings, priority, deadline, costPerHour } = batch;
  const { repeatShare, goldShare, opensAtOnce, k } = batch;
  return {
    name,
    task,
    purpose,
    overlap,
    groupId,
    priority,
    doubtBy: batch.doubtFirst?.by ?? null,
    doubtModelId: batch.doubtFirst?.rewardModelId ?? null,
    deadline,
    costPerHour,
    repeatShare,
    goldShare,
    hasRatings: task !== "demonstration" && hasRatings,
    k: k ?? defaultK[task],
    sampling: batch.policies.length === 0 ? {} : batchSampling(batch),
    // Practice and tests wait for their known answers.
    status: opensAtOnce && purpose === "work" ? ("open" as const) : ("preparing" as const),
  };
}

async function chooseVersion(tx: Tx, version: number | null): Promise<number> {
  return version === null ? currentGuidelinesVersion(tx) : (await readGuidelines(tx, version)).version;
}

export async function checkGroup(tx: Tx, groupId: string | null): Promise<void> {
  if (groupId === null) return;
  if ((await tx.$count(labelerGroups, eq(labelerGroups.id, groupId))) === 0) {
    throw new AppError("NOT_FOUND", "There is no such group of labelers.");
  }
}

/**
 * Tasks with a known answer, of practice and tests, to be copied: so many that they are the batch's share of all tasks.
 * @throws {AppError} BAD_REQUEST when there is none
 */
async function chooseGold(tx: Tx, { goldShare, task }: NewBatch, tasks: number): Promise<string[]> {
  const wanted = Math.round((tasks * goldShare) / (1 - goldShare));
  if (wanted === 0) return [];
  const known = await listGold(tx, task);
  if (known.length === 0) {
    throw new AppError(
      "BAD_REQUEST",
      `There is no ${task} task with a known answer to mix in. Make some first, or set their share to 0.`,
    );
  }
  // Each once: a labeler who meets the same one twice knows it.
  return known.slice(0, wanted);
}

/**
 * In an order drawn anew each time, one task a prompt. Those marked in work come first: labelers have met the others in a
 * test or, explained, in practice.
 */
async function listGold(tx: Tx, task: BatchTask): Promise<string[]> {
  const rows = await tx
    .select({ id: rankingTasks.id, promptId: rankingTasks.promptId })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(and(eq(rankingTasks.isGold, true), ne(rankingTasks.status, "excluded"), eq(batches.task, task)))
    .orderBy(
      sql`case ${batches.purpose} when 'qualification' then 1 when 'practice' then 2 else 0 end`,
      sql`random()`,
    );
  const firstOf = new Map(rows.toReversed().map(({ id, promptId }) => [promptId, id]));
  return rows.flatMap(({ id, promptId }) => (firstOf.get(promptId) === id ? [id] : []));
}

type TaskRows = {
  batch: Pick<NewBatch, "task" | "responsesFrom" | "overlap">;
  promptIds: readonly string[];
  goldTaskIds: readonly string[];
};

export async function insertTasks(tx: Tx, batchId: string, { batch, promptIds, goldTaskIds }: TaskRows) {
  const isOwn = batch.responsesFrom === "prompts";
  const needsNone = batch.task === "demonstration" || isOwn;
  const status = needsNone ? ("open" as const) : ("sampling" as const);
  for (let from = 0; from < promptIds.length; from += rowsPerInsert) {
    const values = promptIds.slice(from, from + rowsPerInsert).map((promptId, index) => ({
      batchId,
      promptId,
      status,
      openPlaces: batch.overlap,
      position: from + index,
    }));
    await tx.insert(rankingTasks).values(values);
  }
  if (isOwn) await giveOwnResponses(tx, batchId);
  for (const goldTaskId of goldTaskIds) {
    await copyGold(tx, goldTaskId, {
      batchId,
      overlap: batch.overlap,
      // Anywhere among the others.
      position: randomInt(promptIds.length),
    });
  }
}

/** What came with each prompt, in an order that tells nothing of who wrote which. */
async function giveOwnResponses(tx: Tx, batchId: string): Promise<void> {
  await tx.execute(sql`
    insert into ${taskResponses} (task_id, response_id, position)
    select t.id, r.id, row_number() over (partition by t.id order by random()) - 1
    from ${rankingTasks} t join ${responses} r on r.prompt_id = t.prompt_id and r.source = 'imported'
    where t.batch_id = ${batchId}`);
}

/** Within what a batch of rankings may say; its tasks have as many as there are. */
async function nameLargestK(tx: Tx, batchId: string): Promise<void> {
  await tx.execute(sql`
    update ${batches} set k = greatest(${leastK}::int, (
      select max(n) from (
        select count(*) as n from ${taskResponses} join ${rankingTasks} on ${rankingTasks.id} = ${taskResponses.taskId}
        where ${rankingTasks.batchId} = ${batchId} group by ${taskResponses.taskId}
      ) counts
    )) where id = ${batchId} and task = 'ranking'`);
}
