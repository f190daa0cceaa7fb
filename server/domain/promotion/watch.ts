/** @file What people make of a policy since it answers them, beside the one it is compared with. */
import { sql } from "drizzle-orm";
import { conversations, draftPairs, feedback, messages, promotions } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { liveChannel } from "../../generation/traffic-split";
import type { WatchSettings } from "./channel-settings";
import { type Arm, type WatchFinding, watchPolicy } from "./decide-return";
import { type ChannelRow, findChannel, settingsOf } from "./promoting";

const hourMs = 60 * 60 * 1000;
/** How far back the policy before is looked at, where both did not answer at the same time. */
const lookBackMs = 14 * 24 * hourMs;

export type Watched = {
  channel: string;
  checkpointId: string;
  beforeId: string;
  since: Date;
  /** Null: as long as the canary stands. */
  until: Date | null;
  policy: Arm;
  before: Arm;
  findings: WatchFinding[];
};

/**
 * A canary is compared with what live answered in the same time; a newly promoted policy with what the one before answered
 * in the two weeks before. Null where nothing is watched.
 */
export async function watchChannel(db: Db, channel: ChannelRow, now = new Date()): Promise<Watched | null> {
  const live = channel.name === liveChannel ? channel : await findChannel(db, liveChannel);
  const settings = settingsOf(live).watch;
  if (!live || !settings.isOn) return null;
  const compared =
    channel.name === liveChannel
      ? await findPromoted(db, channel, settings, now)
      : await findCanary(db, channel, live);
  if (!compared) return null;
  const { checkpointId, beforeId, since, until, before } = compared;
  const [policyArm, beforeArm] = [
    await readArm(db, { checkpointId, channel: channel.name, from: since, to: null }),
    await readArm(db, { checkpointId: beforeId, channel: liveChannel, ...before }),
  ];
  return {
    channel: channel.name,
    checkpointId,
    beforeId,
    since,
    until,
    policy: policyArm,
    before: beforeArm,
    findings: watchPolicy(policyArm, beforeArm, settings),
  };
}

type Compared = {
  checkpointId: string;
  beforeId: string;
  since: Date;
  until: Date | null;
  before: { from: Date; to: Date | null };
};

async function findPromoted(
  db: Db,
  { name, checkpointId }: ChannelRow,
  settings: WatchSettings,
  now: Date,
): Promise<Compared | null> {
  const newest = await readNewest(db, name);
  if (newest?.kind !== "promotion" || newest.previousId === null) return null;
  const until = new Date(newest.at.getTime() + settings.hours * hourMs);
  if (until < now) return null;
  const from = new Date(newest.at.getTime() - lookBackMs);
  return {
    checkpointId,
    beforeId: newest.previousId,
    since: newest.at,
    until,
    before: { from, to: newest.at },
  };
}

async function findCanary(
  db: Db,
  { name, checkpointId, trafficShare }: ChannelRow,
  live: ChannelRow,
): Promise<Compared | null> {
  if (trafficShare <= 0) return null;
  const { rows } = await db.execute<{ at: string }>(sql`
    select max(${promotions.at}) as at from ${promotions}
    where ${promotions.channel} = ${name} and ${promotions.kind} = 'canary'`);
  const [row] = rows;
  // A new live policy begins anew, too.
  const since = new Date(Math.max(new Date(row?.at ?? 0).getTime(), live.changedAt.getTime()));
  return { checkpointId, beforeId: live.checkpointId, since, until: null, before: { from: since, to: null } };
}

async function readNewest(db: Db, channel: string) {
  const { rows } = await db.execute<{ kind: string; at: string; previous_id: string | null }>(sql`
    select ${promotions.kind} as kind, ${promotions.at} as at, ${promotions.previousId} as previous_id from ${promotions}
    where ${promotions.channel} = ${channel} order by ${promotions.id} desc limit 1`);
  const [row] = rows;
  return row ? { kind: row.kind, at: new Date(row.at), previousId: row.previous_id } : null;
}

/** `to` null: until now. */
type ArmQuery = { checkpointId: string; channel: string; from: Date; to: Date | null };

/**
 * Answers that have ended and were asked for in that time. One thumb a conversation: down, if any is.
 * Left out of the time: an answer over the API, which is stored when it has ended, so that nobody knows when it began; one that
 * was gone on with or tried again, whose question is older; two drafts, which slow each other.
 */
export async function readArm(db: Db, { checkpointId, channel, from, to }: ArmQuery): Promise<Arm> {
  const isOfArm = sql`${messages.checkpointId} = ${checkpointId} and ${messages.channel} = ${channel}
    and ${messages.createdAt} >= ${from.toISOString()}::timestamptz
    and ${messages.createdAt} < ${to?.toISOString() ?? "infinity"}::timestamptz
    and ${messages.role} = 'assistant' and ${messages.status} in ('complete', 'length', 'stopped', 'failed')`;
  const answers = await db.execute<{ n: number; failed: number; timed: number; median: number | null }>(sql`
    select count(*)::int as n, (count(*) filter (where ${messages.status} = 'failed'))::int as failed,
      (count(*) filter (where ${isTimed}))::int as timed,
      (percentile_cont(0.5) within group (order by ${msPerToken}) filter (where ${isTimed}))::float8 as median
    from ${messages} where ${isOfArm}`);
  const thumbs = await db.execute<{ n: number; down: number }>(sql`
    select count(*)::int as n, (count(*) filter (where thumb < 0))::int as down from (
      select min(${feedback.thumb}) as thumb from ${messages}
      join ${feedback} on ${feedback.messageId} = ${messages.id}
      where ${isOfArm} and ${feedback.thumb} is not null group by ${messages.conversationId}
    ) judged`);
  const [counted] = answers.rows;
  const [judged] = thumbs.rows;
  return {
    thumbsDown: { hits: judged?.down ?? 0, n: judged?.n ?? 0 },
    errors: { hits: counted?.failed ?? 0, n: counted?.n ?? 0 },
    msPerToken: counted?.median ?? null,
    answers: counted?.timed ?? 0,
  };
}

const isTimed = sql`${messages.status} in ('complete', 'length') and cardinality(${messages.tokenIds}) > 0
  and ${messages.finishedAt} is not null and not ${messages.isResumed} and not exists (
    select 1 from ${conversations}
    where ${conversations.id} = ${messages.conversationId} and ${conversations.source} = 'api')
  and not exists (select 1 from ${draftPairs} where ${draftPairs.firstId} = ${messages.id})
  and not exists (select 1 from ${draftPairs} where ${draftPairs.secondId} = ${messages.id})`;
const msPerToken = sql`extract(epoch from ${messages.finishedAt} - ${messages.createdAt}) * 1000
  / nullif(cardinality(${messages.tokenIds}), 0)`;
