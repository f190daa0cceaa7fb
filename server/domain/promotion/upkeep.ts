/** @file What the server does by itself for promotion: due requests, ramps, and taking a bad policy back. */
import { and, eq, isNotNull, lte } from "drizzle-orm";
import { channels, promotionRequests } from "@/drizzle/schema";
import { isAppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { log } from "../../log";
import { readFreeze } from "../channels";
import { applyDue } from "./apply";
import { rampSchema } from "./channel-settings";
import { decideReturn } from "./decide-return";
import type { ChannelRow, Promoting } from "./promoting";
import { rollBack } from "./rollback";
import { endCanary, shareTraffic } from "./steer-channel";
import { watchChannel } from "./watch";

/** While promotions are frozen a plan waits. */
export async function applyDueRequests(promoting: Promoting, now = new Date()): Promise<void> {
  if ((await readFreeze(promoting.db)) !== null) return;
  const due = await promoting.db
    .select()
    .from(promotionRequests)
    .where(and(eq(promotionRequests.status, "open"), lte(promotionRequests.scheduledFor, now)));
  for (const request of due) {
    await attempt(`request ${request.id} stays open`, () => applyDue(promoting, request));
  }
}

/** While promotions are frozen a ramp stays where it is. */
export async function stepRamps(promoting: Promoting, now = new Date()): Promise<void> {
  if ((await readFreeze(promoting.db)) !== null) return;
  const rows = await promoting.db.select().from(channels).where(isNotNull(channels.ramp));
  for (const row of rows) {
    await attempt(`the ramp of ${row.name} stays where it is`, () => stepRamp(promoting, row, now));
  }
}

async function stepRamp(promoting: Promoting, row: ChannelRow, now: Date): Promise<void> {
  const { steps, step, since } = rampSchema.parse(row.ramp);
  const minutes = steps[step]?.minutes ?? null;
  const next = steps[step + 1];
  if (minutes === null || !next || now.getTime() < since.getTime() + minutes * 60_000) return;
  await shareTraffic(promoting, {
    channel: row.name,
    from: { checkpointId: row.checkpointId, since },
    share: next.share,
    ramp: { steps, step: step + 1, since: now },
    actorId: null,
    reason: `${minutes} minutes at ${row.trafficShare} % are over`,
  });
}

/** Ends canaries and takes a newly promoted policy back where people are worse off with it. */
export async function watchChannels(promoting: Promoting, now = new Date()): Promise<void> {
  for (const row of await promoting.db.select().from(channels)) {
    await attempt(`${row.name} was not judged, or not taken back`, () => judgeChannel(promoting, row, now));
  }
}

async function judgeChannel(promoting: Promoting, row: ChannelRow, now: Date): Promise<void> {
  const watched = await watchChannel(promoting.db, row, now);
  const worse = watched && decideReturn(watched.findings);
  if (!worse) return;
  const found = {
    fromId: watched.checkpointId,
    actorId: null,
    reason: `taken back: ${worse.says}`,
    evidence: watched,
  };
  if (row.name !== liveChannel) return endCanary(promoting, { ...found, channel: row.name });
  await rollBack(promoting, { ...found, checkpointId: watched.beforeId, kind: "autoReturn" });
}

/** One that fails keeps no other from its turn; what was changed by somebody meanwhile is looked at anew in the next round. */
async function attempt(failure: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (err) {
    if (isAppError(err)) log.warn({ err }, failure);
    else log.error({ err }, failure);
  }
}
