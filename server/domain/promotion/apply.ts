/** @file Carrying a request out: gates, files and memory first, then the switch, which is one transaction. */
import { and, DrizzleQueryError, eq, gt, ne } from "drizzle-orm";
import { channels, promotionRequests } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError, isAppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { log } from "../../log";
import { appendAudit } from "../audit";
import { checkNotFrozen, readFreeze, recordChannel, recordClosing } from "../channels";
import { notify } from "../notifications";
import { type RampSteps, rampStepsSchema } from "./channel-settings";
import type { GateResult } from "./gates";
import {
  checkFiles,
  checkRoom,
  checkShares,
  checkStill,
  findChannel,
  lockChannel,
  mostShareOf,
  type Promoting,
  readAnswering,
} from "./promoting";
import {
  checkAsker,
  type Decision,
  endRequest,
  judgeCandidate,
  lockOpen,
  type RequestRow,
  toKept,
} from "./requests";

/**
 * Promotes, or starts the canary, that was asked for.
 * @param actorId null: its time came
 * @returns the number of its row in the history
 * @throws {AppError} NOT_FOUND; CONFLICT once decided, while frozen, where it is live, files were changed or canaries would take
 * all; PRECONDITION_FAILED where gates do not hold or memory is short; FORBIDDEN where its time came and who asked may not decide
 * any more; UNAVAILABLE where it cannot be loaded. What was live stays live then.
 */
export async function applyRequest(promoting: Promoting, asked: Asked): Promise<number> {
  const { db, chat } = promoting;
  const { request, decision: before } = await decide(promoting, asked);
  const { channel, checkpointId, isCold } = request;
  await checkFiles(promoting, checkpointId);
  if (!isCold) checkRoom(await chat.generation.roomFor(checkpointId));
  let done: Committed = { promotionId: 0, closed: [] };
  await chat.generation.pointChannel(channel, {
    checkpointId,
    trafficShare: firstShare(stepsOf(request)),
    isCold,
    closes: () => done.closed,
    commit: async () => {
      checkStill(await findChannel(db, liveChannel), before.opponentId);
      const { decision } = await decide(promoting, asked);
      done = await db.transaction((tx) => commit(tx, { ...asked, decision }));
    },
  });
  return done.promotionId;
}

type Asked = { requestId: string; actorId: string | null };

/** All that must hold: before the work, which takes minutes, and again just before it is written down. */
async function decide({ db, precision }: Promoting, { requestId, actorId }: Asked) {
  const request = await db.transaction((tx) => lockOpen(tx, requestId));
  const { checkpointId, channel, kind } = request;
  if (actorId === null) await checkAsker(db, request);
  await checkNotFrozen(db);
  const { name } = await readAnswering(db, checkpointId);
  const decision = await judgeCandidate({ db, precision }, { checkpointId, kind, request });
  if (decision.opponentId === checkpointId) throw new AppError("CONFLICT", `${name} is live already.`);
  const steps = stepsOf(request);
  if (steps) await checkShares(db, { channel, share: mostShareOf(steps) });
  checkGates(decision.gates);
  return { request, decision };
}

function checkGates(gates: readonly GateResult[]): void {
  const failed = gates.filter(({ outcome }) => outcome === "failed");
  if (failed.length === 0) return;
  const named = failed.map(({ title, says }) => `${title} (${says})`).join(", ");
  throw new AppError(
    "PRECONDITION_FAILED",
    `Not promoted: ${failed.length === 1 ? "a gate does" : `${failed.length} gates do`} not hold: ${named}. ` +
      "Bring the evidence, or set a gate aside with a reason.",
  );
}

const stepsOf = ({ plan }: RequestRow): RampSteps | null =>
  plan === null ? null : rampStepsSchema.parse(plan);
const firstShare = (steps: RampSteps | null) => steps?.[0]?.share ?? 0;

/** `closed`: channels that are no more. */
type Committed = { promotionId: number; closed: string[] };

async function commit(
  tx: Tx,
  { requestId, actorId, decision }: Asked & { decision: Decision },
): Promise<Committed> {
  const request = await lockOpen(tx, requestId);
  checkStill(await lockChannel(tx, liveChannel), decision.opponentId);
  await checkNotFrozen(tx);
  const closed = await lockCanariesOf(tx, request);
  const { channel, checkpointId, kind, reason } = request;
  await endRequest(tx, { requestId, status: "applied", decidedBy: actorId });
  if (kind === "promotion") {
    const { name, runId } = await readAnswering(tx, checkpointId);
    await notify(tx, {
      kind: "promoted",
      runId,
      text: `${name} is live: ${reason}`,
      promotion: { requestId, channel, checkpointId },
    });
  }
  for (const each of closed) await recordClosing(tx, { channel: each, actorId, reason: "promoted to live" });
  const steps = stepsOf(request);
  const promotionId = await recordChannel(tx, {
    channel,
    checkpointId,
    kind,
    actorId,
    reason,
    requestId,
    trafficShare: firstShare(steps),
    ramp: steps && { steps, step: 0, since: new Date() },
    evidence: toKept(decision),
  });
  return { promotionId, closed };
}

/** Channels that a promoted checkpoint is tried on now: everybody is about to talk to it. */
async function lockCanariesOf(tx: Tx, { kind, checkpointId }: RequestRow): Promise<string[]> {
  if (kind === "canary") return [];
  const rows = await tx
    .select({ name: channels.name })
    .from(channels)
    .where(
      and(
        eq(channels.checkpointId, checkpointId),
        ne(channels.name, liveChannel),
        gt(channels.trafficShare, 0),
      ),
    )
    .for("update");
  return rows.map(({ name }) => name);
}

/**
 * A request whose time has come. One that cannot be carried out is failed, with why, and waits for nobody; one that met a
 * freeze waits until that is lifted.
 * @throws errors of the database alone: it is tried again
 */
export async function applyDue(promoting: Promoting, request: RequestRow): Promise<void> {
  try {
    await applyRequest(promoting, { requestId: request.id, actorId: null });
  } catch (error) {
    if (isOfDatabase(error)) throw error;
    if ((await readFreeze(promoting.db)) !== null) return;
    log.warn({ err: error, request: request.id }, "a planned promotion was not carried out");
    await failRequest(promoting.db, { requestId: request.id, problem: explainProblem(error) });
  }
}

function isOfDatabase(error: unknown): boolean {
  for (let inner = error; inner instanceof Error; inner = inner.cause) {
    if (inner instanceof DrizzleQueryError) return true;
  }
  return false;
}

function explainProblem(error: unknown): string {
  if (isAppError(error)) return error.message;
  return `An error in the server: ${error instanceof Error ? error.message : String(error)}`;
}

async function failRequest(
  db: Db,
  { requestId, problem }: { requestId: string; problem: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const [row] = await tx
      .select({ status: promotionRequests.status })
      .from(promotionRequests)
      .where(eq(promotionRequests.id, requestId))
      .for("update");
    if (row?.status !== "open") return;
    await endRequest(tx, { requestId, status: "failed", decidedBy: null, problem });
    await appendAudit(tx, {
      actorId: null,
      action: "promotion.failed",
      subject: requestId,
      details: { problem },
    });
  });
}
