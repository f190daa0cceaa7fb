/**
 * @file The reward model in use, which an admin chooses: it scores every new ranking before that ranking may be trained on.
 * What waits for it is said here alone: by snapshots, by pages and by whoever scores.
 */
import { and, eq, isNotNull, isNull, ne, type SQL, sql } from "drizzle-orm";
import {
  batches,
  checkpoints,
  currentRewardModel,
  labelerGroups,
  prompts,
  rankingScores,
  rankings,
  rankingTasks,
  users,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { isCountedRanking, isCountedTask, nested } from "../batches/counted-rankings";

export type CurrentRewardModel = {
  checkpointId: string;
  name: string;
  chosenAt: Date;
  chosenBy: string | null;
  /** Why it cannot score now: rankings are released unscored meanwhile. */
  problem: { text: string; at: Date } | null;
  /** Rankings that it has not scored yet. They wait for it, unless there is a problem. */
  unscored: number;
};

/** null where none is in use. */
export async function readCurrentRewardModel(db: Db): Promise<CurrentRewardModel | null> {
  const [row] = await db
    .select({ current: currentRewardModel, name: checkpoints.name, chosenBy: users.name })
    .from(currentRewardModel)
    .innerJoin(checkpoints, eq(checkpoints.id, currentRewardModel.checkpointId))
    .leftJoin(users, eq(users.id, currentRewardModel.chosenBy));
  if (!row) return null;
  const { checkpointId, chosenAt, problem, problemAt } = row.current;
  return {
    checkpointId,
    name: row.name,
    chosenAt,
    chosenBy: row.chosenBy,
    problem: problem !== null && problemAt !== null ? { text: problem, at: problemAt } : null,
    unscored: await countUnscored(db),
  };
}

/** For those who make datasets, who need not know more of models. */
export async function describeWaiting(
  db: Db,
): Promise<{ rewardModel: string; waiting: number; isHindered: boolean } | null> {
  const current = await readCurrentRewardModel(db);
  if (!current) return null;
  const isHindered = current.problem !== null;
  return { rewardModel: current.name, waiting: isHindered ? 0 : current.unscored, isHindered };
}

async function countUnscored(db: Db): Promise<number> {
  const [row] = await db
    .select({ n: sql<number>`count(*)::int` })
    .from(rankings)
    .innerJoin(rankingTasks, eq(rankingTasks.id, rankings.taskId))
    .innerJoin(batches, eq(batches.id, rankingTasks.batchId))
    .innerJoin(prompts, eq(prompts.id, rankingTasks.promptId))
    .where(isUnscored);
  return row?.n ?? 0;
}

/** Correlates with `rankings`. Imports say when and by whom nothing here was learned; the held-out group is never trained on. */
const isNew: SQL<boolean> = nested(sql`(
  ${rankings.kind} <> 'imported'
  and ${rankings.createdAt} >= (select ${currentRewardModel.scoresSince} from ${currentRewardModel})
  and not exists (
    select 1 from ${labelerGroups} where ${labelerGroups.id} = ${rankings.groupId} and ${labelerGroups.isHeldOut}
  )
  and not exists (select 1 from ${rankingScores} where ${rankingScores.rankingId} = ${rankings.id})
)`);

/** True for rankings that may be trained on and are to be scored first. Correlates with their tasks, batches and prompts too. */
export const isUnscored: SQL | undefined = and(
  isNew,
  isCountedRanking,
  isCountedTask,
  ne(batches.task, "demonstration"),
  eq(rankingTasks.isGold, false),
  isNull(rankingTasks.repeatOfId),
);

/** False for those that wait to be scored; nothing waits for a reward model that cannot score. Correlates with `rankings`. */
export const isReleased: SQL<boolean> = nested(sql`(
  not coalesce(${isNew}, false)
  or exists (select 1 from ${currentRewardModel} where ${currentRewardModel.problem} is not null)
)`);

type Choice = { checkpointId: string; actorId: string };

/**
 * From now on it scores new rankings, those that still wait for another one included. Choosing it again changes nothing.
 * @throws {AppError} NOT_FOUND; BAD_REQUEST for another kind of checkpoint; CONFLICT where its files were deleted
 */
export async function chooseRewardModel(db: Db, { checkpointId, actorId }: Choice): Promise<void> {
  await db.transaction(async (tx) => {
    const [checkpoint] = await tx
      .select({ stage: checkpoints.stage, deletedAt: checkpoints.deletedAt })
      .from(checkpoints)
      .where(eq(checkpoints.id, checkpointId))
      .for("key share");
    if (!checkpoint) throw new AppError("NOT_FOUND", "There is no such reward model.");
    if (checkpoint.stage !== "reward") {
      throw new AppError("BAD_REQUEST", "This checkpoint answers; only a reward model scores answers.");
    }
    if (checkpoint.deletedAt) throw new AppError("CONFLICT", "The files of this reward model were deleted.");
    const [before] = await tx.select().from(currentRewardModel).for("update");
    if (before?.checkpointId === checkpointId) return;
    const choice = { checkpointId, chosenBy: actorId };
    await tx
      .insert(currentRewardModel)
      .values(choice)
      .onConflictDoUpdate({
        target: currentRewardModel.id,
        set: { ...choice, chosenAt: sql`now()`, problem: null, problemAt: null },
      });
    await appendAudit(tx, {
      actorId,
      action: "rewardModel.chosen",
      subject: checkpointId,
      details: { from: before?.checkpointId ?? null },
    });
  });
}

/** Nothing is scored any more, and nothing waits. Harmless where none is in use. */
export async function dropRewardModel(db: Db, { actorId }: { actorId: string }): Promise<void> {
  await db.transaction(async (tx) => {
    const [dropped] = await tx.delete(currentRewardModel).where(eq(currentRewardModel.id, 1)).returning();
    if (!dropped) return;
    await appendAudit(tx, { actorId, action: "rewardModel.dropped", subject: dropped.checkpointId });
  });
}

/** Releases what waits until it can score again. */
export async function noteProblem(db: Db, checkpointId: string, problem: string): Promise<void> {
  await db
    .update(currentRewardModel)
    .set({ problem, problemAt: sql`coalesce(${currentRewardModel.problemAt}, now())` })
    .where(eq(currentRewardModel.checkpointId, checkpointId));
}

export async function clearProblem(db: Db, checkpointId: string): Promise<void> {
  await db
    .update(currentRewardModel)
    .set({ problem: null, problemAt: null })
    .where(and(eq(currentRewardModel.checkpointId, checkpointId), isNotNull(currentRewardModel.problem)));
}
