/** @file Channels: the names under which people meet a policy. `live` is the one they talk to by default. */
import { and, asc, desc, eq, notInArray } from "drizzle-orm";
import { channels, checkpoints, currentRewardModel, runs } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import type { EngineState } from "../generation/served-checkpoint";
import type { ChatServices } from "../process-state";
import { appendAudit } from "./audit";
import { findAdapterOver, isToyFolder } from "./checkpoints";

export const liveChannel = "live";

export type Channel = {
  name: string;
  checkpoint: { id: string; name: string; stage: (typeof checkpoints.$inferSelect)["stage"] };
  /** The toy that ships with Attune: say so wherever it answers. */
  isToy: boolean;
  /** `idle`: no engine holds it; it is loaded when asked. */
  state: EngineState | "idle";
  /** Answers that wait for a slot. */
  waiting: number;
  /** Why it cannot answer, where it cannot; for those who manage models, because it may name files. */
  problem: string | null;
  changedAt: Date;
};

export async function listChannels(
  db: Db,
  { generation }: ChatServices,
  { withProblems }: { withProblems: boolean },
): Promise<Channel[]> {
  const rows = await db
    .select({ channel: channels, checkpoint: checkpoints })
    .from(channels)
    .innerJoin(checkpoints, eq(checkpoints.id, channels.checkpointId))
    .orderBy(asc(channels.name));
  return rows.map(({ channel, checkpoint }) => {
    const engine = generation.stateOf(checkpoint.id);
    return {
      name: channel.name,
      checkpoint: { id: checkpoint.id, name: checkpoint.name, stage: checkpoint.stage },
      isToy: isToyFolder(checkpoint.folder),
      state: engine?.state ?? "idle",
      waiting: engine?.waiting ?? 0,
      problem: (withProblems && engine?.lastError) || null,
      changedAt: channel.changedAt,
    };
  });
}

/** Where every channel points, for the start of generation. */
export async function readChannels(db: Db): Promise<Map<string, string>> {
  const rows = await db.select().from(channels);
  return new Map(rows.map(({ name, checkpointId }) => [name, checkpointId]));
}

/**
 * Swaps a channel's checkpoint while people chat: no stream breaks. The change and its audit row are one transaction.
 * @throws {AppError} NOT_FOUND; UNAVAILABLE when the checkpoint cannot be loaded: the old one stays live then
 */
export async function pointChannel(
  db: Db,
  { generation }: ChatServices,
  change: { channel: string; checkpointId: string; actorId: string | null; reason: string },
): Promise<void> {
  const [checkpoint] = await db.select().from(checkpoints).where(eq(checkpoints.id, change.checkpointId));
  if (!checkpoint) throw new AppError("NOT_FOUND", "There is no such checkpoint.");
  if (checkpoint.stage === "reward") {
    throw new AppError("BAD_REQUEST", "A reward model scores answers; it cannot be on a channel.");
  }
  await generation.pointChannel(change.channel, change.checkpointId, () => writeChannel(db, change));
}

/** Writes where a channel points; makes the channel if it is new. */
export async function writeChannel(
  db: Db,
  {
    channel,
    checkpointId,
    actorId,
    reason,
  }: { channel: string; checkpointId: string; actorId: string | null; reason: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const [checkpoint] = await tx
      .select({ deletedAt: checkpoints.deletedAt })
      .from(checkpoints)
      .where(eq(checkpoints.id, checkpointId))
      .for("key share");
    if (checkpoint?.deletedAt) throw new AppError("CONFLICT", "The files of this checkpoint were deleted.");
    const [before] = await tx.select().from(channels).where(eq(channels.name, channel)).for("update");
    const values = { checkpointId, changedBy: actorId, changedAt: new Date() };
    await tx
      .insert(channels)
      .values({ name: channel, ...values })
      .onConflictDoUpdate({ target: channels.name, set: values });
    await appendAudit(tx, {
      actorId,
      action: "channel.pointed",
      subject: channel,
      details: { from: before?.checkpointId ?? null, to: checkpointId, reason },
    });
  });
}

/** Why a checkpoint must stay on disk ("channel live serves it"); null when nothing refers to it. */
export async function describeUse(db: Db, checkpointId: string): Promise<string | null> {
  const [row] = await db
    .select({ name: channels.name })
    .from(channels)
    .where(eq(channels.checkpointId, checkpointId))
    .orderBy(desc(channels.changedAt))
    .limit(1);
  if (row) return `channel ${row.name} serves it`;
  const [run] = await db
    .select({ number: runs.number })
    .from(runs)
    .where(and(eq(runs.baseCheckpointId, checkpointId), notInArray(runs.status, ["finished", "cancelled"])))
    .limit(1);
  if (run) return `run ${run.number} starts from it`;
  if ((await db.$count(currentRewardModel, eq(currentRewardModel.checkpointId, checkpointId))) > 0) {
    return "it scores new rankings";
  }
  const adapter = await findAdapterOver(db, checkpointId);
  return adapter ? `${adapter.name} is an adapter over it` : null;
}
