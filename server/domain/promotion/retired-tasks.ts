/**
 * @file Ranking tasks that nobody has begun and whose answers are all of policies that people do not talk to any more: after a
 * promotion they are closed, or sampled anew from what is live, as the channel is set.
 */
import { and, asc, desc, eq, inArray, sql } from "drizzle-orm";
import {
  auditLog,
  batches,
  channels,
  promotions,
  rankings,
  rankingTasks,
  responses,
  settings,
  taskClaims,
  taskResponses,
} from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { liveChannel } from "../../generation/traffic-split";
import { appendAudit } from "../audit";
import { excludeTasks } from "../labeling/exclude-tasks";
import { lockChannel, settingsOf } from "./promoting";

export const retiredReason = "Its responses are of policies that are not live any more.";

/** The number of the promotion whose retired tasks were seen to last. */
const doneKey = "promotion.retiredTasksAfter";
const auditAction = "batch.tasksRetired";

/**
 * Once after each promotion, in the background: there may be many tasks, and nobody waits for them.
 * @returns whether something is to be sampled now
 */
export async function settleRetiredTasks(db: Db): Promise<boolean> {
  const newest = await findNewest(db);
  if (!newest || newest.id <= (await readDone(db))) return false;
  return db.transaction(async (tx) => {
    const live = await lockChannel(tx, liveChannel);
    if (newest.id <= (await readDone(tx))) return false;
    const { retiredTasks } = settingsOf(live);
    await writeDone(tx, newest.id);
    // Rolled back since: that was no promotion.
    if (retiredTasks === "keep" || live?.checkpointId !== newest.checkpointId) return false;
    const tasks = await lockRetired(tx);
    const ids = tasks.map(({ id }) => id);
    if (retiredTasks === "close") await excludeTasks(tx, among(ids), retiredReason);
    else await sampleAnew(tx, { ids, batchIds: batchesOf(tasks), liveId: live.checkpointId });
    for (const batchId of batchesOf(tasks)) {
      await appendAudit(tx, {
        actorId: null,
        action: auditAction,
        subject: batchId,
        details: {
          how: retiredTasks,
          tasks: tasks.filter((task) => task.batchId === batchId).length,
          promotion: newest.id,
          to: live.checkpointId,
        },
      });
    }
    return retiredTasks === "resample" && ids.length > 0;
  });
}

async function findNewest(db: Db): Promise<{ id: number; checkpointId: string } | null> {
  const [row] = await db
    .select({ id: promotions.id, checkpointId: promotions.checkpointId })
    .from(promotions)
    .where(and(eq(promotions.channel, liveChannel), eq(promotions.kind, "promotion")))
    .orderBy(desc(promotions.id))
    .limit(1);
  return row ?? null;
}

async function readDone(db: Db | Tx): Promise<number> {
  const [row] = await db.select().from(settings).where(eq(settings.key, doneKey));
  return typeof row?.value === "number" ? row.value : 0;
}

async function writeDone(tx: Tx, value: number): Promise<void> {
  await tx
    .insert(settings)
    .values({ key: doneKey, value })
    .onConflictDoUpdate({ target: settings.key, set: { value, updatedAt: new Date() } });
}

type RetiredTask = { id: string; batchId: string };

const batchesOf = (tasks: readonly RetiredTask[]) => [...new Set(tasks.map(({ batchId }) => batchId))];

/** As one parameter, for any number of tasks. */
const among = (ids: readonly string[]) =>
  sql`${rankingTasks.id} in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)::uuid)`;

/** Was met by people, and is not on any channel now. */
const isRetired = (checkpointId: unknown) => sql`(
  ${checkpointId} in (select ${promotions.checkpointId} from ${promotions})
  and ${checkpointId} not in (select ${channels.checkpointId} from ${channels})
)`;

/** Work alone: tests stay as they are, and evaluations are about the very policies they name. */
async function lockRetired(tx: Tx): Promise<RetiredTask[]> {
  const ofTask = sql`from ${taskResponses} join ${responses} on ${responses.id} = ${taskResponses.responseId}
    where ${taskResponses.taskId} = ${rankingTasks.id}`;
  const isAnswered = sql`exists (select 1 ${ofTask})
    and not exists (select 1 ${ofTask} and ${isRetired(responses.checkpointId)} is not true)`;
  const isWaiting = sql`cardinality(${batches.policies}) > 0
    and not exists (select 1 from unnest(${batches.policies}) policy where ${isRetired(sql`policy`)} is not true)`;
  return tx
    .select({ id: rankingTasks.id, batchId: rankingTasks.batchId })
    .from(rankingTasks)
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .where(
      and(
        eq(batches.purpose, "work"),
        inArray(batches.status, ["preparing", "open", "paused"]),
        sql`not ${rankingTasks.isGold} and ${rankingTasks.repeatOfId} is null
          and not exists (select 1 from ${rankings} where ${rankings.taskId} = ${rankingTasks.id})
          and not exists (select 1 from ${taskClaims} where ${taskClaims.taskId} = ${rankingTasks.id})
          and case ${rankingTasks.status} when 'open' then ${isAnswered} when 'sampling' then ${isWaiting} else false end`,
      ),
    )
    .for("update", { of: rankingTasks });
}

/** What was sampled goes from the tasks; the batch's retired policies give way to the live one. */
async function sampleAnew(
  tx: Tx,
  { ids, batchIds, liveId }: { ids: string[]; batchIds: string[]; liveId: string },
): Promise<void> {
  if (ids.length === 0) return;
  await tx.delete(taskResponses).where(
    sql`${taskResponses.taskId} in (select jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)::uuid)
      and ${taskResponses.responseId} in (select ${responses.id} from ${responses} where ${responses.source} = 'sampled')`,
  );
  await tx.update(rankingTasks).set({ status: "sampling", doubt: null }).where(among(ids));
  const rows = await tx
    .select({ id: batches.id, policies: batches.policies })
    .from(batches)
    .where(inArray(batches.id, batchIds))
    .for("update");
  const { rows: retired } = await tx.execute<{ id: string }>(
    sql`select checkpoints.id from checkpoints where ${isRetired(sql`checkpoints.id`)}`,
  );
  const gone = new Set(retired.map(({ id }) => id));
  for (const { id, policies } of rows) {
    const kept = policies.map((policy) => (gone.has(policy) ? liveId : policy));
    await tx
      .update(batches)
      .set({ policies: [...new Set(kept)] })
      .where(eq(batches.id, id));
  }
}

export type RetiredTasks = {
  at: Date;
  how: "close" | "resample";
  tasks: number;
  promotion: number;
  /** What was live then. */
  to: string;
};

/** What promotions made of a batch's tasks, oldest first. */
export async function readRetired(db: Db, batchId: string): Promise<RetiredTasks[]> {
  const rows = await db
    .select({ at: auditLog.at, details: auditLog.details })
    .from(auditLog)
    .where(and(eq(auditLog.subject, batchId), eq(auditLog.action, auditAction)))
    .orderBy(asc(auditLog.id));
  // Written above alone.
  return rows.map(({ at, details }) => ({ at, ...(details as Omit<RetiredTasks, "at">) }));
}
