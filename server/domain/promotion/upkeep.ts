/** @file What the server does by itself for promotion: due requests, ramps, and taking a bad policy back. */
import { and, eq, isNotNull, lte } from "drizzle-orm";
import { channels, promotionRequests } from "@/drizzle/schema";
import { isAppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { log } from "../../log";
import { applyDue } from "./apply";
import { rampSchema } from "./channel-settings";
import { decideReturn } from "./decide-return";
import type { ChannelRow, Promoting } from "./promoting";
import { rollBack } from "./rollback";
import { endCanary, shareTraffic } from "./steer-channel";
import { watchChannel } from "./watch";

export async function applyDueRequests(promoting: Promoting, now = new Date()): Promise<void> {
  const due = await promoting.db
    .select()
    .from(promotionRequests)
    .where(and(eq(promotionRequests.status, "open"), lte(promotionRequests.scheduledFor, now)));
  for (const request of due) await applyDue(promoting, request);
}

/** While promotions are frozen a ramp stays where it is. */
export async function stepRamps(promoting: Promoting, now = new Date()): Promise<void> {
  const rows = await promoting.db.select().from(channels).where(isNotNull(channels.ramp));
  for (const row of rows) await stepRamp(promoting, row, now);
}

async function stepRamp(promoting: Promoting, row: ChannelRow, now: Date): Promise<void> {
  const { steps, step, since } = rampSchema.parse(row.ramp);
  const minutes = steps[step]?.minutes ?? null;
  const next = steps[step + 1];
  if (minutes === null || !next || now.getTime() < since.getTime() + minutes * 60_000) return;
  await shareTraffic(promoting, {
    channel: row.name,
    share: next.share,
    ramp: { steps, step: step + 1, since: now },
    actorId: null,
    reason: `${minutes} minutes at ${row.trafficShare} % are over`,
  }).catch(tellRefusal("a ramp stays where it is"));
}

/** Ends canaries and takes a newly promoted policy back where people are worse off with it. */
export async function watchChannels(promoting: Promoting, now = new Date()): Promise<void> {
  for (const row of await promoting.db.select().from(channels)) {
    const watched = await watchChannel(promoting.db, row, now);
    const worse = watched && decideReturn(watched.findings);
    if (!worse) continue;
    const reason = `taken back: ${worse.says}`;
    const back =
      row.name === liveChannel
        ? rollBack(promoting, {
            checkpointId: watched.beforeId,
            actorId: null,
            reason,
            kind: "autoReturn",
            evidence: watched,
          })
        : endCanary(promoting, { channel: row.name, actorId: null, reason, evidence: watched });
    await back.catch(tellRefusal("a policy that does worse could not be taken back"));
  }
}

const tellRefusal = (what: string) => (err: unknown) => {
  if (!isAppError(err)) throw err;
  log.warn({ err }, what);
};
