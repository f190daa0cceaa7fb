/** @file Channels: the names under which people meet a policy. `live` is the one they talk to by default. */
import { and, asc, desc, eq, notInArray } from "drizzle-orm";
import {
  channels,
  checkpoints,
  currentRewardModel,
  promotionRequests,
  promotions,
  runs,
} from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import type { EngineState } from "../generation/served-checkpoint";
import { type ChannelTarget, liveChannel } from "../generation/traffic-split";
import type { ChatServices } from "../process-state";
import { appendAudit } from "./audit";
import { checkAnswers, findAdapterOver, isToyFolder } from "./checkpoints";
import { closeComparison, comparisonChannel, findComparison } from "./live/close-comparison";
import type { Ramp } from "./promotion/channel-settings";

export { liveChannel };

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
  /** Percent of the conversations that ask for live. */
  trafficShare: number;
  changedAt: Date;
};

/** @param forManager of models: others see what they talk to, and neither what is tried beside it nor why it fails */
export async function listChannels(
  db: Db,
  { generation }: ChatServices,
  { forManager }: { forManager: boolean },
): Promise<Channel[]> {
  const rows = await db
    .select({ channel: channels, checkpoint: checkpoints })
    .from(channels)
    .innerJoin(checkpoints, eq(checkpoints.id, channels.checkpointId))
    .where(forManager ? undefined : eq(channels.name, liveChannel))
    .orderBy(asc(channels.name));
  return rows.map(({ channel, checkpoint }) => {
    const engine = generation.stateOf(checkpoint.id);
    return {
      name: channel.name,
      checkpoint: { id: checkpoint.id, name: checkpoint.name, stage: checkpoint.stage },
      isToy: isToyFolder(checkpoint.folder),
      state: engine?.state ?? "idle",
      waiting: engine?.waiting ?? 0,
      problem: (forManager && engine?.lastError) || null,
      trafficShare: channel.trafficShare,
      changedAt: channel.changedAt,
    };
  });
}

/** Where every channel points, and the challenger of a live comparison, for the start of generation. */
export async function readChannels(db: Db): Promise<Map<string, ChannelTarget>> {
  const rows = await db.select().from(channels);
  const targets = new Map(
    rows.map(({ name, checkpointId, trafficShare }) => [name, { checkpointId, trafficShare }]),
  );
  const comparison = await findComparison(db);
  if (comparison) targets.set(comparisonChannel, { checkpointId: comparison.candidateId, trafficShare: 0 });
  return targets;
}

export type PromotionKind = (typeof promotions.$inferSelect)["kind"];

export type ChannelChange = {
  channel: string;
  checkpointId: string;
  /** Null = the server itself, or somebody at the machine. */
  actorId: string | null;
  reason: string;
  kind?: Exclude<PromotionKind, "canaryEnded">;
  trafficShare?: number;
  ramp?: Ramp | null;
  requestId?: string | null;
  /** What was known when it was decided. */
  evidence?: object | null;
};

/** These, and a ramp that grows, bring something new, and wait while a channel is frozen; the way back and the start do not. */
const stoppedByFreeze: readonly PromotionKind[] = ["promotion", "pointed", "canary"];

/**
 * For somebody at the machine itself: swaps a channel's checkpoint while people chat, without gates.
 * @throws {AppError} NOT_FOUND; UNAVAILABLE when the checkpoint cannot be loaded: the old one stays live then
 */
export async function pointChannel(
  db: Db,
  { generation }: Pick<ChatServices, "generation">,
  change: ChannelChange,
): Promise<void> {
  await checkAnswers(db, change.checkpointId);
  const { channel, checkpointId } = change;
  await generation.pointChannel(channel, { checkpointId, commit: () => writeChannel(db, change) });
}

/** See {@link recordChannel}, in a transaction of its own. */
export async function writeChannel(db: Db, change: ChannelChange): Promise<void> {
  await db.transaction((tx) => recordChannel(tx, change));
}

/**
 * Writes where a channel points, with its history and audit rows; makes the channel if it is new. Call it last in a transaction:
 * it appends to the audit log.
 * @returns the number of its row in the history
 * @throws {AppError} CONFLICT where its files were deleted, or the channel is frozen
 */
export async function recordChannel(tx: Tx, change: ChannelChange): Promise<number> {
  const { channel, checkpointId, actorId, reason } = change;
  const { kind = "pointed", trafficShare = 0, ramp = null, requestId = null, evidence = null } = change;
  const [checkpoint] = await tx
    .select({ deletedAt: checkpoints.deletedAt })
    .from(checkpoints)
    .where(eq(checkpoints.id, checkpointId))
    .for("key share");
  if (checkpoint?.deletedAt) throw new AppError("CONFLICT", "The files of this checkpoint were deleted.");
  const [before] = await tx.select().from(channels).where(eq(channels.name, channel)).for("update");
  const isGrowth = kind === "ramp" && trafficShare > (before?.trafficShare ?? 0);
  if (isGrowth || stoppedByFreeze.includes(kind)) await checkNotFrozen(tx);
  const values = { checkpointId, trafficShare, ramp, changedBy: actorId, changedAt: new Date() };
  await tx
    .insert(channels)
    .values({ name: channel, ...values })
    .onConflictDoUpdate({ target: channels.name, set: values });
  const previousId = before?.checkpointId ?? null;
  if (channel === liveChannel && previousId !== checkpointId) {
    await closeComparison(tx, { actorId: null, reason: "another policy went live" });
  }
  const [row] = await tx
    .insert(promotions)
    .values({
      channel,
      kind,
      checkpointId,
      previousId,
      trafficShare,
      requestId,
      actorId,
      reason,
      evidence,
      at: values.changedAt,
    })
    .returning({ id: promotions.id });
  if (!row) throw new Error("The history row was not stored.");
  await appendAudit(tx, {
    actorId,
    action: "channel.pointed",
    subject: channel,
    details: { kind, from: previousId, to: checkpointId, trafficShare, promotion: row.id, reason },
  });
  return row.id;
}

/** Live's freeze holds for every channel: a canary changes what people meet, too. @throws {AppError} CONFLICT while it stands */
export async function checkNotFrozen(db: Db | Tx): Promise<void> {
  const reason = await readFreeze(db);
  if (reason !== null) throw new AppError("CONFLICT", `Promotions are frozen: ${reason}`);
}

/** Why nothing is promoted now; null: it may be. */
export async function readFreeze(db: Db | Tx): Promise<string | null> {
  const [live] = await db.select().from(channels).where(eq(channels.name, liveChannel));
  return live?.freezeReason ?? null;
}

/**
 * Ends a channel other than live: nobody is answered by it any more.
 * @throws {AppError} NOT_FOUND
 */
export async function recordClosing(
  tx: Tx,
  {
    channel,
    actorId,
    reason,
    evidence = null,
  }: { channel: string; actorId: string | null; reason: string; evidence?: object | null },
): Promise<number> {
  if (channel === liveChannel) throw new AppError("BAD_REQUEST", "The live channel is never closed.");
  const [closed] = await tx.delete(channels).where(eq(channels.name, channel)).returning();
  if (!closed) throw new AppError("NOT_FOUND", `There is no channel ${channel}.`);
  const { checkpointId } = closed;
  const [row] = await tx
    .insert(promotions)
    .values({
      channel,
      kind: "canaryEnded",
      checkpointId,
      previousId: checkpointId,
      actorId,
      reason,
      evidence,
      at: new Date(),
    })
    .returning({ id: promotions.id });
  if (!row) throw new Error("The history row was not stored.");
  await appendAudit(tx, {
    actorId,
    action: "channel.closed",
    subject: channel,
    details: { from: checkpointId, promotion: row.id, reason },
  });
  return row.id;
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
  if (await isAskedFor(db, checkpointId)) return "its promotion is asked for";
  if ((await findComparison(db))?.candidateId === checkpointId) return "a live comparison asks it";
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

/** One that was live can be rolled back to, as long as its files are here. */
export async function wasLive(db: Db | Tx, checkpointId: string): Promise<boolean> {
  const found = await db.$count(
    promotions,
    and(eq(promotions.checkpointId, checkpointId), eq(promotions.channel, liveChannel)),
  );
  return found > 0;
}

export async function isAskedFor(db: Db | Tx, checkpointId: string): Promise<boolean> {
  const open = and(eq(promotionRequests.checkpointId, checkpointId), eq(promotionRequests.status, "open"));
  return (await db.$count(promotionRequests, open)) > 0;
}
