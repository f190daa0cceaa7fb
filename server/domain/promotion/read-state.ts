/** @file All that the promotion page shows of this moment. */
import { and, asc, desc, eq, isNull, ne } from "drizzle-orm";
import { channels, checkpoints, promotionRequests, users } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import type { Room } from "../../generation/generation";
import { liveChannel } from "../../generation/traffic-split";
import { readCaseEvidence } from "../cases/case-evidence";
import type { Stage } from "../checkpoints";
import { type ChannelSettings, type Ramp, rampSchema } from "./channel-settings";
import { type GateResult, judgeGates } from "./gates";
import { type FormerlyLive, listFormerlyLive } from "./history";
import { findChannel, type Promoting, settingsOf } from "./promoting";
import {
  type Decision,
  judgeCandidate,
  listOpenRequests,
  type OpenRequest,
  whoPassesNoCase,
} from "./requests";
import { compareVocabulary, type OtherVocabulary } from "./vocabulary";
import { type Watched, watchChannel } from "./watch";

type Named = { id: string; name: string };

export type Canary = {
  channel: string;
  checkpoint: Named;
  share: number;
  ramp: Ramp | null;
  since: Date;
  watched: Watched | null;
};

export type Candidate = Named & {
  stage: Stage;
  /** Where it would be loaded now. */
  room: Room;
  /** It reads text by another vocabulary than what is live; null: by the same, as far as is known. */
  otherVocabulary: OtherVocabulary | null;
  /** For a promotion. */
  decision: Decision;
  /** For a canary that nobody has asked for yet: less is asked of it. */
  canaryGates: GateResult[];
};

export type PromotionState = {
  live: (Named & { since: Date; watched: Watched | null }) | null;
  frozen: { reason: string; at: Date; by: string } | null;
  settings: ChannelSettings;
  canaries: Canary[];
  /** Checkpoints that could be promoted, newest first. */
  choices: (Named & { stage: Stage; createdAt: Date })[];
  /** Null: the one that is looked for is unknown, or cannot be promoted now. */
  candidate: Candidate | null;
  requests: OpenRequest[];
  formerlyLive: FormerlyLive[];
};

/**
 * @param asked.candidateId null: the one of the newest request, else the newest checkpoint that training made
 * @param asked.viewerId would be who asks for a promotion or a canary that nobody has asked for yet
 */
export async function readState(
  promoting: Promoting,
  { candidateId, viewerId }: { candidateId: string | null; viewerId: string },
): Promise<PromotionState> {
  const { db } = promoting;
  const live = await findChannel(db, liveChannel);
  const choices = await readChoices(db, live?.checkpointId ?? "");
  const requests = await listOpenRequests(db);
  const settings = settingsOf(live);
  const chosen =
    candidateId === null ? suggest(choices, requests) : choices.find(({ id }) => id === candidateId);
  return {
    live: live && {
      ...(await nameOf(db, live.checkpointId)),
      since: live.changedAt,
      watched: await watchChannel(db, live),
    },
    frozen:
      live?.freezeReason && live.frozenAt
        ? { reason: live.freezeReason, at: live.frozenAt, by: await personName(db, live.frozenBy) }
        : null,
    settings,
    canaries: await readCanaries(db),
    choices,
    candidate: chosen ? await readCandidate(promoting, chosen, { settings, viewerId }) : null,
    requests,
    formerlyLive: await listFormerlyLive(db, live?.checkpointId ?? null),
  };
}

function suggest(choices: PromotionState["choices"], requests: readonly OpenRequest[]) {
  const asked = requests.map(({ checkpoint }) => checkpoint.id);
  return (
    choices.find(({ id }) => id === asked[0]) ?? choices.find(({ stage }) => stage !== "base") ?? choices[0]
  );
}

function readChoices(db: Db, liveId: string): Promise<PromotionState["choices"]> {
  return db
    .select({
      id: checkpoints.id,
      name: checkpoints.name,
      stage: checkpoints.stage,
      createdAt: checkpoints.createdAt,
    })
    .from(checkpoints)
    .where(and(isNull(checkpoints.deletedAt), ne(checkpoints.stage, "reward"), ne(checkpoints.id, liveId)))
    .orderBy(desc(checkpoints.createdAt));
}

async function readCandidate(
  { db, chat, precision }: Promoting,
  { id, name, stage }: PromotionState["choices"][number],
  { settings, viewerId }: { settings: ChannelSettings; viewerId: string },
): Promise<Candidate> {
  const [request] = await db
    .select()
    .from(promotionRequests)
    .where(
      and(
        eq(promotionRequests.checkpointId, id),
        eq(promotionRequests.kind, "promotion"),
        eq(promotionRequests.status, "open"),
      ),
    );
  const decision = await judgeCandidate(
    { db, precision },
    { checkpointId: id, kind: "promotion", request: request ?? null, viewerId },
  );
  // Who asked for the promotion is not who asks for the canary.
  const regressions = await readCaseEvidence(db, {
    candidateId: id,
    opponentId: decision.opponentId,
    askerId: whoPassesNoCase(settings.gates, viewerId),
    precision,
  });
  return {
    id,
    name,
    stage,
    room: await chat.generation.roomFor(id),
    otherVocabulary: await compareVocabulary(db, { candidateId: id, opponentId: decision.opponentId }),
    decision,
    canaryGates: judgeGates(
      { evidence: { ...decision.evidence, regressions }, approvals: 0 },
      { settings: settings.gates, overrides: [], kind: "canary" },
    ),
  };
}

async function readCanaries(db: Db): Promise<Canary[]> {
  const rows = await db
    .select({ channel: channels, name: checkpoints.name })
    .from(channels)
    .innerJoin(checkpoints, eq(checkpoints.id, channels.checkpointId))
    .where(ne(channels.name, liveChannel))
    .orderBy(asc(channels.name));
  return Promise.all(
    rows.map(async ({ channel, name }) => ({
      channel: channel.name,
      checkpoint: { id: channel.checkpointId, name },
      share: channel.trafficShare,
      ramp: channel.ramp === null ? null : rampSchema.parse(channel.ramp),
      since: channel.changedAt,
      watched: await watchChannel(db, channel),
    })),
  );
}

async function nameOf(db: Db, id: string): Promise<Named> {
  const [row] = await db.select({ name: checkpoints.name }).from(checkpoints).where(eq(checkpoints.id, id));
  return { id, name: row?.name ?? "" };
}

async function personName(db: Db, id: string | null): Promise<string> {
  if (id === null) return "";
  const [row] = await db.select({ name: users.name }).from(users).where(eq(users.id, id));
  return row?.name ?? "";
}
