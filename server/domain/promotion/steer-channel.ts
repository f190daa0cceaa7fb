/** @file What an admin does to a channel beside promoting: end a canary, change its share, freeze, set gates. */
import { eq } from "drizzle-orm";
import { channels } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { appendAudit } from "../audit";
import { recordChannel, recordClosing } from "../channels";
import { closeComparison } from "../live/close-comparison";
import { notify } from "../notifications";
import { type ChannelSettings, channelSettingsSchema, type Ramp, rampSchema } from "./channel-settings";
import {
  type ChannelRow,
  checkShares,
  checkStill,
  findChannel,
  lockChannel,
  type Promoting,
  settingsOf,
} from "./promoting";

/**
 * Its conversations go on with the live policy.
 * @param fromId what must be on it still. @throws {AppError} NOT_FOUND, CONFLICT; BAD_REQUEST for live
 */
export async function endCanary(
  { db, chat }: Promoting,
  {
    channel,
    fromId,
    actorId,
    reason,
    evidence = null,
  }: {
    channel: string;
    fromId?: string;
    actorId: string | null;
    reason: string;
    evidence?: object | null;
  },
): Promise<void> {
  await chat.generation.closeChannel(channel, () =>
    db.transaction(async (tx) => {
      const row = await lockOther(tx, channel);
      checkStill(row, fromId);
      const { checkpointId } = row;
      // By itself: it did worse among people than what is live.
      if (actorId === null) {
        await notify(tx, {
          kind: "rolledBack",
          runId: null,
          text: `${channel} was ended by itself: ${reason}`,
          promotion: { requestId: null, channel, checkpointId },
        });
      }
      await recordClosing(tx, { channel, actorId, reason, evidence });
    }),
  );
}

/**
 * @param ramp null: it stays at this share. @param from what must be on it still, and since when it is at its step
 * @throws {AppError} NOT_FOUND, BAD_REQUEST for live; CONFLICT where it grows while frozen, or beyond what the others leave
 */
export async function shareTraffic(
  { db, chat }: Promoting,
  {
    channel,
    share,
    ramp,
    from,
    actorId,
    reason,
  }: {
    channel: string;
    share: number;
    ramp: Ramp | null;
    from?: { checkpointId: string; since: Date };
    actorId: string | null;
    reason: string;
  },
): Promise<void> {
  await chat.generation.shareTraffic(channel, share, () =>
    db.transaction(async (tx) => {
      const row = await lockOther(tx, channel);
      if (from) checkStep(row, from);
      if (share > row.trafficShare) await checkShares(tx, { channel, share });
      const { checkpointId } = row;
      await recordChannel(tx, {
        channel,
        checkpointId,
        kind: "ramp",
        trafficShare: share,
        ramp,
        actorId,
        reason,
      });
    }),
  );
}

function checkStep(row: ChannelRow, { checkpointId, since }: { checkpointId: string; since: Date }): void {
  checkStill(row, checkpointId);
  const ramp = row.ramp === null ? null : rampSchema.parse(row.ramp);
  if (ramp?.since.getTime() === since.getTime()) return;
  throw new AppError("CONFLICT", `The ramp of ${row.name} was left or begun anew meanwhile.`);
}

async function lockOther(tx: Tx, channel: string): Promise<ChannelRow> {
  if (channel === liveChannel)
    throw new AppError("BAD_REQUEST", "The live channel has what the others leave.");
  const row = await lockChannel(tx, channel);
  if (!row) throw noChannel(channel);
  return row;
}

const noChannel = (channel: string) => new AppError("NOT_FOUND", `There is no channel ${channel}.`);

async function readChannel(db: Db | Tx, channel: string): Promise<ChannelRow> {
  const row = await findChannel(db, channel);
  if (!row) throw noChannel(channel);
  return row;
}

/** Nothing is promoted until it is lifted, and a live comparison ends; rolling back and returning by itself stay possible. */
export async function freezeChannel(
  db: Db,
  { channel, actorId, reason }: { channel: string; actorId: string; reason: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const { checkpointId } = await readChannel(tx, channel);
    await tx
      .update(channels)
      .set({ frozenAt: new Date(), frozenBy: actorId, freezeReason: reason })
      .where(eq(channels.name, channel));
    await notify(tx, {
      kind: "promotionsFrozen",
      runId: null,
      text: `Promotions to ${channel} are frozen: ${reason}`,
      promotion: { requestId: null, channel, checkpointId },
    });
    await closeComparison(tx, { actorId: null, reason: `promotions were frozen: ${reason}` });
    await appendAudit(tx, { actorId, action: "channel.frozen", subject: channel, details: { reason } });
  });
}

export async function unfreezeChannel(
  db: Db,
  { channel, actorId }: { channel: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    await readChannel(tx, channel);
    await tx
      .update(channels)
      .set({ frozenAt: null, frozenBy: null, freezeReason: null })
      .where(eq(channels.name, channel));
    await appendAudit(tx, { actorId, action: "channel.unfrozen", subject: channel });
  });
}

/** @returns the settings afterwards. What they were before stands in the audit log. */
export async function changeChannelSettings(
  db: Db,
  { channel, settings, actorId }: { channel: string; settings: ChannelSettings; actorId: string },
): Promise<ChannelSettings> {
  return db.transaction(async (tx) => {
    const before = settingsOf(await readChannel(tx, channel));
    const after = channelSettingsSchema.parse(settings);
    await tx.update(channels).set({ settings: after }).where(eq(channels.name, channel));
    await appendAudit(tx, {
      actorId,
      action: "channel.settingsChanged",
      subject: channel,
      details: { from: before, to: after },
    });
    return after;
  });
}
