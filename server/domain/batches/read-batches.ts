/** @file Batches as a lead sees them: what was asked for, and how far it is. */
import { asc, count, desc, eq, inArray, max, min, ne } from "drizzle-orm";
import {
  batches,
  channels,
  checkpoints,
  labelerGroups,
  rankingTasks,
  taskResponses,
  users,
} from "@/drizzle/schema";
import type { DoubtKind } from "@/model/eval/reward/doubt";
import type { Sampling } from "@/model/runtime/types";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { isToyFolder } from "../checkpoints";
import { type RetiredTasks, readRetired } from "../promotion/retired-tasks";
import { type DoubtProgress, readDoubtProgress } from "./doubt-queue";
import { costPerComparison, type Progress, readProgress } from "./progress";

export type Policy = { id: string; name: string; stage: string; isDeleted: boolean };

export type BatchSummary = Omit<
  typeof batches.$inferSelect,
  "policies" | "sampling" | "createdBy" | "importId" | "doubtBy" | "doubtModelId"
> & {
  sampling: Partial<Sampling>;
  policies: Policy[];
  /** By what its tasks are ordered, and how far that is; null: plainly. */
  doubtFirst: (DoubtProgress & { by: DoubtKind; model: Policy }) | null;
  group: { id: string; name: string; isHeldOut: boolean } | null;
  createdBy: { id: string; name: string } | null;
  progress: Progress;
  costPerComparison: number | null;
};

const listed = 500;

/** Those under way first, by priority; then the newest. */
export async function listBatches(db: Db): Promise<BatchSummary[]> {
  const rows = await select(db).orderBy(desc(batches.createdAt)).limit(listed);
  const found = await complete(db, rows);
  const order = { open: 0, preparing: 1, paused: 2, closed: 3 } as const;
  // Stable: within one status and priority the newest stays first.
  return found.sort((a, b) => order[a.status] - order[b.status] || b.priority - a.priority);
}

/** @throws {AppError} NOT_FOUND */
export async function readBatch(
  db: Db,
  batchId: string,
): Promise<BatchSummary & { retired: RetiredTasks[]; madeElsewhere: ResponseCounts | null }> {
  const [batch] = await complete(db, await select(db).where(eq(batches.id, batchId)));
  if (!batch) throw new AppError("NOT_FOUND", "There is no such batch.");
  const isSampled = batch.policies.length > 0;
  return {
    ...batch,
    retired: await readRetired(db, batchId),
    madeElsewhere: isSampled ? null : await countResponses(db, batchId),
  };
}

/** Of a task with any. */
type ResponseCounts = { least: number; most: number };

/** Where responses were not sampled here, tasks have as many as they came with. @returns null where no task has one */
async function countResponses(db: Db, batchId: string): Promise<ResponseCounts | null> {
  const byTask = db
    .select({ count: count().as("count") })
    .from(taskResponses)
    .innerJoin(rankingTasks, eq(rankingTasks.id, taskResponses.taskId))
    .where(eq(rankingTasks.batchId, batchId))
    .groupBy(taskResponses.taskId)
    .as("by_task");
  const [found] = await db.select({ least: min(byTask.count), most: max(byTask.count) }).from(byTask);
  return found?.least && found.most ? { least: Number(found.least), most: Number(found.most) } : null;
}

function select(db: Db) {
  return db
    .select({
      batch: batches,
      group: { id: labelerGroups.id, name: labelerGroups.name, isHeldOut: labelerGroups.isHeldOut },
      createdBy: { id: users.id, name: users.name },
    })
    .from(batches)
    .leftJoin(labelerGroups, eq(labelerGroups.id, batches.groupId))
    .leftJoin(users, eq(users.id, batches.createdBy))
    .$dynamic();
}

async function complete(db: Db, rows: Awaited<ReturnType<typeof select>>): Promise<BatchSummary[]> {
  const progress = await readProgress(
    db,
    rows.map(({ batch }) => batch.id),
  );
  const doubted = rows.filter(({ batch }) => batch.doubtModelId !== null).map(({ batch }) => batch.id);
  const doubts = await readDoubtProgress(db, doubted);
  const named = rows.flatMap(({ batch }) => [...batch.policies, batch.doubtModelId ?? []].flat());
  const policies = await readPolicies(db, [...new Set(named)]);
  return rows.flatMap(({ batch: { importId: _, doubtBy, doubtModelId, ...batch }, group, createdBy }) => {
    const done = progress.get(batch.id);
    if (!done) return [];
    const model = policies.get(doubtModelId ?? "");
    return {
      ...batch,
      doubtFirst:
        doubtBy && model
          ? { by: doubtBy, model, ...(doubts.get(batch.id) ?? { scored: 0, waiting: 0 }) }
          : null,
      // Written by createBatch alone; empty where nothing is sampled.
      sampling: batch.sampling as Partial<Sampling>,
      policies: batch.policies.flatMap((id) => policies.get(id) ?? []),
      group,
      createdBy,
      progress: done,
      costPerComparison: costPerComparison(done, batch.costPerHour),
    };
  });
}

async function readPolicies(db: Db, ids: string[]): Promise<Map<string, Policy>> {
  if (ids.length === 0) return new Map();
  const rows = await db.select().from(checkpoints).where(inArray(checkpoints.id, ids));
  return new Map(
    rows.map(({ id, name, stage, deletedAt }) => [id, { id, name, stage, isDeleted: deletedAt !== null }]),
  );
}

export type PolicyChoice = { id: string; name: string; stage: string; isToy: boolean; channels: string[] };

/** The checkpoints that can be sampled from: those that answer and whose files are here; newest first. */
export async function listPolicies(db: Db): Promise<PolicyChoice[]> {
  const pointers = await db.select().from(channels).orderBy(asc(channels.name));
  const rows = await db
    .select()
    .from(checkpoints)
    .where(ne(checkpoints.stage, "reward"))
    .orderBy(desc(checkpoints.createdAt));
  return rows
    .filter(({ deletedAt }) => deletedAt === null)
    .map(({ id, name, stage, folder }) => ({
      id,
      name,
      stage,
      isToy: isToyFolder(folder),
      channels: pointers.filter(({ checkpointId }) => checkpointId === id).map((pointer) => pointer.name),
    }));
}
