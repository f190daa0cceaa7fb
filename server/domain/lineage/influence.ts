/** @file From a ranking task forward: the snapshots that hold its rankings, and every model that learned from them. */
import { and, asc, eq, inArray, sql } from "drizzle-orm";
import {
  channels,
  checkpoints,
  datasets,
  promotions,
  rankings,
  rankingTasks,
  runs,
  snapshotRankings,
} from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { AppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";

type Stage = (typeof checkpoints.$inferSelect)["stage"];

export type ShapedModel = {
  id: string;
  name: string;
  stage: Stage;
  run: number | null;
  /** Channels that point to it now. */
  channels: string[];
  /** When it went live, each time. */
  liveSince: Date[];
};

export type Influence = {
  /** Rankings of the task as they stand, and those of them that a snapshot holds. */
  rankings: number;
  inSnapshots: number;
  /** Others that a snapshot holds: what their labeler changed, or a lead returned, afterwards. */
  earlierInSnapshots: number;
  snapshots: { id: string; name: string; sha256: string | null; sealedAt: Date | null }[];
  rewardModels: ShapedModel[];
  policies: ShapedModel[];
};

/** @throws {AppError} NOT_FOUND */
export async function readInfluence(db: Db, taskId: string): Promise<Influence> {
  if ((await db.$count(rankingTasks, eq(rankingTasks.id, taskId))) === 0) {
    throw new AppError("NOT_FOUND", "There is no such task.");
  }
  const held = await db
    .select({
      rankingId: rankings.id,
      isCurrent: rankings.isCurrent,
      id: datasets.id,
      name: datasets.name,
      sha256: datasets.sha256,
      sealedAt: datasets.sealedAt,
    })
    .from(snapshotRankings)
    .innerJoin(rankings, eq(rankings.id, snapshotRankings.rankingId))
    .innerJoin(datasets, eq(datasets.id, snapshotRankings.datasetId))
    .where(eq(rankings.taskId, taskId))
    .orderBy(asc(datasets.createdAt));
  const snapshots = new Map(
    held.map(({ rankingId: _, isCurrent: __, ...snapshot }) => [snapshot.id, snapshot]),
  );
  const shaped = await readShaped(db, [...snapshots.keys()]);
  const countHeld = (isCurrent: boolean) =>
    new Set(held.filter((each) => each.isCurrent === isCurrent).map(({ rankingId }) => rankingId)).size;
  const isReward = ({ stage }: ShapedModel) => stage === "reward";
  return {
    rankings: await db.$count(rankings, and(eq(rankings.taskId, taskId), eq(rankings.isCurrent, true))),
    inSnapshots: countHeld(true),
    earlierInSnapshots: countHeld(false),
    snapshots: [...snapshots.values()],
    rewardModels: shaped.filter(isReward),
    policies: shaped.filter((model) => !isReward(model)),
  };
}

/** A reward model that only judged a run taught its policy nothing. */
async function readShaped(db: Db, datasetIds: readonly string[]): Promise<ShapedModel[]> {
  if (datasetIds.length === 0) return [];
  const { rows } = await db.execute<{ id: string }>(sql`
    with recursive shaped(id) as (
      select c.id from checkpoints c join run_datasets d on d.run_id = c.run_id
        where d.dataset_id in (${sql.join(
          datasetIds.map((id) => sql`${id}::uuid`),
          sql`, `,
        )})
      union
      select next.id from shaped cross join lateral (
        select c.id from checkpoints c where c.parent_id = shaped.id
        union select c.id from checkpoints c join runs r on r.id = c.run_id where r.base_checkpoint_id = shaped.id
        union select c.id from checkpoints c join run_reward_models used on used.run_id = c.run_id
          where used.checkpoint_id = shaped.id and used.role = 'score'
      ) next
    )
    select id from shaped`);
  const ids = rows.map(({ id }) => id);
  if (ids.length === 0) return [];
  const models = await db
    .select({ id: checkpoints.id, name: checkpoints.name, stage: checkpoints.stage, run: runs.number })
    .from(checkpoints)
    .leftJoin(runs, eq(runs.id, checkpoints.runId))
    .where(inArray(checkpoints.id, ids))
    .orderBy(asc(checkpoints.createdAt));
  const pointers = await db.select().from(channels).where(inArray(channels.checkpointId, ids));
  const went = await db
    .select({ checkpointId: promotions.checkpointId, at: promotions.at })
    .from(promotions)
    .where(and(eq(promotions.channel, liveChannel), inArray(promotions.checkpointId, ids)))
    .orderBy(asc(promotions.id));
  return models.map((model) => ({
    ...model,
    channels: pointers.filter(({ checkpointId }) => checkpointId === model.id).map(({ name }) => name),
    liveSince: went.filter(({ checkpointId }) => checkpointId === model.id).map(({ at }) => at),
  }));
}
