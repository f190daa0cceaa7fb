/** @file Asking for a promotion, agreeing to one, setting a gate aside with a reason, taking the request back. */
import { desc, eq } from "drizzle-orm";
import { z } from "zod";
import { checkpoints, promotionApprovals, promotionRequests, users } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { isUniqueViolation } from "../../db/unique-violation";
import { AppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { isAllowed } from "../../permissions";
import { appendAudit } from "../audit";
import { notify } from "../notifications";
import type { GateSettings, RampSteps } from "./channel-settings";
import { readEvidence } from "./evidence";
import {
  type Evidence,
  type GateName,
  type GateResult,
  isOverridable,
  judgeGates,
  overrideSchema,
} from "./gates";
import {
  checkShares,
  findChannel,
  mostShareOf,
  type Promoting,
  readAnswering,
  settingsOf,
} from "./promoting";
import { compareVocabulary } from "./vocabulary";

export type RequestRow = typeof promotionRequests.$inferSelect;

export type NewRequest = {
  channel: string;
  checkpointId: string;
  reason: string;
  /** A canary goes through these; null: a promotion. */
  plan: RampSteps | null;
  isCold: boolean;
  scheduledFor: Date | null;
  overrides: { gate: GateName; reason: string }[];
  actorId: string;
};

/**
 * @returns the id of the request
 * @throws {AppError} NOT_FOUND, BAD_REQUEST, CONFLICT for what cannot be on a channel, is on it already, or is asked for already
 */
export async function requestPromotion(db: Db, asked: NewRequest): Promise<string> {
  const { channel, checkpointId, reason, plan, isCold, scheduledFor, actorId } = asked;
  if ((plan === null) !== (channel === liveChannel)) {
    throw new AppError("BAD_REQUEST", "A promotion is to live; a canary is on a channel of another name.");
  }
  for (const { gate } of asked.overrides) checkOverridable(gate);
  const checkpoint = await readAnswering(db, checkpointId);
  const live = await findChannel(db, liveChannel);
  if (live?.checkpointId === checkpointId)
    throw new AppError("CONFLICT", `${checkpoint.name} is live already.`);
  if (plan) await checkShares(db, { channel, share: mostShareOf(plan) });
  const opponentId = live?.checkpointId ?? null;
  const otherVocabulary = await compareVocabulary(db, { candidateId: checkpointId, opponentId });
  const overrides = asked.overrides.map((override) => ({ ...override, actorId, opponentId, at: new Date() }));
  return db
    .transaction(async (tx) => {
      const [row] = await tx
        .insert(promotionRequests)
        .values({
          kind: plan === null ? "promotion" : "canary",
          channel,
          checkpointId,
          opponentId,
          requestedBy: actorId,
          reason,
          plan,
          isCold,
          scheduledFor,
          overrides,
        })
        .returning();
      if (!row) throw new Error("The request was not stored.");
      await notify(tx, {
        kind: "promotionRequested",
        runId: checkpoint.runId,
        text: `${plan === null ? "Promotion" : "A canary"} of ${checkpoint.name} to ${channel} is asked for: ${reason}`,
        promotion: { requestId: row.id, channel, checkpointId },
      });
      await appendAudit(tx, {
        actorId,
        action: "promotion.requested",
        subject: row.id,
        details: {
          channel,
          checkpoint: checkpointId,
          kind: row.kind,
          otherVocabulary: otherVocabulary !== null,
          isCold,
          scheduledFor: scheduledFor?.toISOString() ?? null,
          overrides: asked.overrides,
          reason,
        },
      });
      return row.id;
    })
    .catch((error: unknown) => {
      if (!isUniqueViolation(error, "promotion_requests_open")) throw error;
      throw new AppError("CONFLICT", `The promotion of ${checkpoint.name} is asked for already.`);
    });
}

/** Never by who asked. Holds for the comparison as it is now: against what is live, with the gates set aside so far. */
export async function approveRequest(
  db: Db,
  { requestId, actorId, reason }: { requestId: string; actorId: string; reason: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const request = await lockOpen(tx, requestId);
    if (request.requestedBy === actorId) {
      throw new AppError("FORBIDDEN", "Nobody approves what they asked for themselves. Another admin can.");
    }
    const overriders = readOverrides(request).map((override) => override.actorId);
    if (overriders.includes(actorId)) {
      throw new AppError("FORBIDDEN", "You set a gate aside for it. An admin who did not can approve.");
    }
    const live = await findChannel(tx, liveChannel);
    const values = { actorId, reason, opponentId: live?.checkpointId ?? null, at: new Date() };
    await tx
      .insert(promotionApprovals)
      .values({ requestId, ...values })
      .onConflictDoUpdate({
        target: [promotionApprovals.requestId, promotionApprovals.actorId],
        set: values,
      });
    await appendAudit(tx, {
      actorId,
      action: "promotion.approved",
      subject: requestId,
      details: { opponent: values.opponentId, reason },
    });
  });
}

/** Holds against what is live now. The reason is kept for good; approvals given before do not hold any more. */
export async function overrideGate(
  db: Db,
  {
    requestId,
    gate,
    reason,
    actorId,
  }: { requestId: string; gate: GateName; reason: string; actorId: string },
): Promise<void> {
  checkOverridable(gate);
  await db.transaction(async (tx) => {
    const request = await lockOpen(tx, requestId);
    const opponentId = (await findChannel(tx, liveChannel))?.checkpointId ?? null;
    const others = readOverrides(request).filter(
      (override) => override.gate !== gate || override.opponentId !== opponentId,
    );
    await tx
      .update(promotionRequests)
      .set({ overrides: [...others, { gate, reason, actorId, opponentId, at: new Date() }] })
      .where(eq(promotionRequests.id, requestId));
    await appendAudit(tx, {
      actorId,
      action: "promotion.overridden",
      subject: requestId,
      details: { gate, opponent: opponentId, reason },
    });
  });
}

function checkOverridable(gate: GateName): void {
  if (isOverridable(gate)) return;
  throw new AppError("BAD_REQUEST", "The approval of another admin cannot be set aside by a reason.");
}

export async function withdrawRequest(
  db: Db,
  { requestId, actorId }: { requestId: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    await lockOpen(tx, requestId);
    await endRequest(tx, { requestId, status: "withdrawn", decidedBy: actorId });
    await appendAudit(tx, { actorId, action: "promotion.withdrawn", subject: requestId });
  });
}

export async function endRequest(
  tx: Tx,
  {
    requestId,
    status,
    decidedBy,
    problem = null,
  }: {
    requestId: string;
    status: Exclude<RequestRow["status"], "open">;
    decidedBy: string | null;
    problem?: string | null;
  },
): Promise<void> {
  await tx
    .update(promotionRequests)
    .set({ status, decidedBy, decidedAt: new Date(), problem })
    .where(eq(promotionRequests.id, requestId));
}

/** @throws {AppError} NOT_FOUND, CONFLICT once it is decided */
export async function lockOpen(tx: Tx, requestId: string): Promise<RequestRow> {
  const [row] = await tx
    .select()
    .from(promotionRequests)
    .where(eq(promotionRequests.id, requestId))
    .for("update");
  if (!row) throw new AppError("NOT_FOUND", "There is no such request.");
  if (row.status !== "open") throw new AppError("CONFLICT", `This request is ${row.status} already.`);
  return row;
}

/** Each with the policy that the candidate was compared with when it was typed; one that names none has the request's. */
function readOverrides({ overrides, opponentId }: Pick<RequestRow, "overrides" | "opponentId">) {
  const opponent = z.string().nullable().default(opponentId);
  return z.array(overrideSchema.extend({ opponentId: opponent })).parse(overrides);
}

export type Approval = { actorId: string; name: string; reason: string; at: Date; holds: boolean };

/** What a decision rests on: kept with it, shown before it. */
export type Decision = {
  opponentId: string | null;
  evidence: Evidence;
  gates: GateResult[];
  approvals: Approval[];
};

/** As the history keeps it for ever: people by their ids alone. */
export type KeptDecision = Omit<Decision, "approvals"> & { approvals: Omit<Approval, "name">[] };

export const toKept = ({ approvals, ...decision }: Decision): KeptDecision => ({
  ...decision,
  approvals: approvals.map(({ name: _, ...approval }) => approval),
});

/** A plan is carried out in the name of who made it. @throws {AppError} FORBIDDEN where they may not decide any more */
export async function checkAsker(db: Db, { requestedBy }: RequestRow): Promise<void> {
  const [asker] = requestedBy === null ? [] : await db.select().from(users).where(eq(users.id, requestedBy));
  if (asker && !asker.banned && isAllowed(asker, "promotion.decide")) return;
  throw new AppError(
    "FORBIDDEN",
    "Who asked for it is not an admin any more, or their account is disabled or gone. Another admin can ask for it anew.",
  );
}

/**
 * Judges a candidate that nobody has asked for yet, too: then there are no approvals and nothing is set aside.
 * @param candidate.viewerId would be who asks, where nobody has
 */
export async function judgeCandidate(
  { db, precision }: Pick<Promoting, "db" | "precision">,
  candidate: {
    checkpointId: string;
    kind: RequestRow["kind"];
    request: RequestRow | null;
    viewerId?: string;
  },
): Promise<Decision> {
  const { checkpointId, kind, request, viewerId = null } = candidate;
  const askerId = request ? request.requestedBy : viewerId;
  const live = await findChannel(db, liveChannel);
  const settings = settingsOf(live).gates;
  const opponentId = live?.checkpointId ?? null;
  const overrides = request
    ? readOverrides(request).filter((override) => override.opponentId === opponentId)
    : [];
  const newest = Math.max(0, ...overrides.map(({ at }) => at.getTime()));
  const approvals = request ? await readApprovals(db, request, { opponentId, newest }) : [];
  const evidence = await readEvidence(db, {
    candidateId: checkpointId,
    opponentId,
    precision,
    askerId: whoPassesNoCase(settings, askerId),
    without: [askerId ?? [], approvals.map(({ actorId }) => actorId)].flat(),
  });
  const gates = judgeGates(
    { evidence, approvals: approvals.filter(({ holds }) => holds).length },
    { settings, overrides, kind },
  );
  return { opponentId, evidence, gates, approvals };
}

/**
 * Where promotions need another admin's approval, nobody passes a case for their own request; where one admin decides alone, there is
 * nobody else to read it.
 */
export const whoPassesNoCase = ({ approval }: GateSettings, askerId: string | null): string | null =>
  approval.isOn ? askerId : null;

/** One holds for this comparison, with nothing set aside after it. */
async function readApprovals(
  db: Db,
  request: RequestRow,
  { opponentId, newest }: { opponentId: string | null; newest: number },
): Promise<Approval[]> {
  const rows = await db
    .select({ approval: promotionApprovals, name: users.name, role: users.role, banned: users.banned })
    .from(promotionApprovals)
    .innerJoin(users, eq(users.id, promotionApprovals.actorId))
    .where(eq(promotionApprovals.requestId, request.id));
  return rows.map(({ approval: { actorId, reason, at, ...approval }, name, role, banned }) => ({
    actorId,
    name,
    reason,
    at,
    holds:
      role === "admin" &&
      !banned &&
      actorId !== request.requestedBy &&
      approval.opponentId === opponentId &&
      at.getTime() >= newest,
  }));
}

export type OpenRequest = {
  id: string;
  kind: RequestRow["kind"];
  channel: string;
  checkpoint: { id: string; name: string };
  requestedBy: { id: string; name: string } | null;
  reason: string;
  isCold: boolean;
  scheduledFor: Date | null;
  createdAt: Date;
};

/** Newest first. */
export async function listOpenRequests(db: Db): Promise<OpenRequest[]> {
  const rows = await db
    .select({ request: promotionRequests, name: checkpoints.name, asker: users.name })
    .from(promotionRequests)
    .innerJoin(checkpoints, eq(checkpoints.id, promotionRequests.checkpointId))
    .leftJoin(users, eq(users.id, promotionRequests.requestedBy))
    .where(eq(promotionRequests.status, "open"))
    .orderBy(desc(promotionRequests.createdAt));
  return rows.map(({ request, name, asker }) => ({
    id: request.id,
    kind: request.kind,
    channel: request.channel,
    checkpoint: { id: request.checkpointId, name },
    requestedBy: request.requestedBy === null ? null : { id: request.requestedBy, name: asker ?? "" },
    reason: request.reason,
    isCold: request.isCold,
    scheduledFor: request.scheduledFor,
    createdAt: request.createdAt,
  }));
}
