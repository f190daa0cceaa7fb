/** @file Carrying a request out: gates, files and memory first, then the switch, which is one transaction. */
import { eq } from "drizzle-orm";
import { channels, checkpoints, promotionRequests } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError, isAppError } from "../../errors";
import { liveChannel } from "../../generation/traffic-split";
import { appendAudit } from "../audit";
import { checkNotFrozen, recordChannel, recordClosing } from "../channels";
import { notify } from "../notifications";
import { rampStepsSchema } from "./channel-settings";
import type { GateResult } from "./gates";
import { checkFiles, checkRoom, findChannel, type Promoting, readAnswering } from "./promoting";
import { type Decision, endRequest, judgeCandidate, lockOpen, type RequestRow } from "./requests";
import { closeRetiredTasks } from "./retired-tasks";

/**
 * Promotes, or starts the canary, that was asked for.
 * @param actorId null: its time came
 * @returns the number of its row in the history
 * @throws {AppError} NOT_FOUND; CONFLICT once decided, while frozen, where files were changed; PRECONDITION_FAILED where gates do
 * not hold or memory is short; UNAVAILABLE where it cannot be loaded. What was live stays live then.
 */
export async function applyRequest(
  promoting: Promoting,
  { requestId, actorId }: { requestId: string; actorId: string | null },
): Promise<number> {
  const { db, chat } = promoting;
  const request = await db.transaction((tx) => lockOpen(tx, requestId));
  const { channel, checkpointId } = request;
  await checkNotFrozen(db);
  await readAnswering(db, checkpointId);
  const decision = await judgeCandidate(db, { checkpointId, kind: request.kind, request });
  checkGates(decision.gates);
  await checkFiles(promoting, checkpointId);
  if (!request.isCold) checkRoom(await chat.generation.roomFor(checkpointId));
  const closes = await findClosing(db, request);
  let promotionId = 0;
  await chat.generation.pointChannel(channel, {
    checkpointId,
    trafficShare: firstShare(request),
    isCold: request.isCold,
    closes,
    commit: async () => {
      promotionId = await db.transaction((tx) => commit(tx, { request, decision, closes, actorId }));
    },
  });
  return promotionId;
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

const firstShare = ({ plan }: RequestRow) =>
  plan === null ? 0 : (rampStepsSchema.parse(plan)[0]?.share ?? 0);

/** Other channels that a promoted checkpoint was tried on: everybody talks to it now. */
async function findClosing(db: Db, { kind, channel, checkpointId }: RequestRow): Promise<string[]> {
  if (kind === "canary") return [];
  const rows = await db.select().from(channels).where(eq(channels.checkpointId, checkpointId));
  return rows
    .filter(({ name, trafficShare }) => name !== channel && trafficShare > 0)
    .map(({ name }) => name);
}

type Commit = { request: RequestRow; decision: Decision; closes: string[]; actorId: string | null };

async function commit(tx: Tx, { request, decision, closes, actorId }: Commit): Promise<number> {
  await lockOpen(tx, request.id);
  await checkNotFrozen(tx);
  const live = await findChannel(tx, liveChannel);
  if ((live?.checkpointId ?? null) !== decision.opponentId) {
    throw new AppError(
      "CONFLICT",
      "Another policy went live meanwhile. Look at the evidence against that one.",
    );
  }
  const { channel, checkpointId, kind, reason, plan } = request;
  await endRequest(tx, { requestId: request.id, status: "applied", decidedBy: actorId });
  if (kind === "promotion") await closeRetiredTasks(tx, { promotedId: checkpointId });
  const checkpoint = await readAnswering(tx, checkpointId);
  if (kind === "promotion") {
    await notify(tx, {
      kind: "promoted",
      runId: checkpoint.runId,
      text: `${checkpoint.name} is live: ${reason}`,
      promotion: { requestId: request.id, channel, checkpointId },
    });
  }
  for (const closed of closes)
    await recordClosing(tx, { channel: closed, actorId, reason: "promoted to live" });
  const steps = plan === null ? null : rampStepsSchema.parse(plan);
  return recordChannel(tx, {
    channel,
    checkpointId,
    kind,
    actorId,
    reason,
    requestId: request.id,
    trafficShare: firstShare(request),
    ramp: steps && { steps, step: 0, since: new Date() },
    evidence: decision,
  });
}

/** A request whose time has come; one that cannot be carried out is failed, with why, and waits for nobody. */
export async function applyDue(promoting: Promoting, request: RequestRow): Promise<void> {
  try {
    await applyRequest(promoting, { requestId: request.id, actorId: null });
  } catch (error) {
    if (!isAppError(error)) throw error;
    await failRequest(promoting.db, { request, problem: error.message });
  }
}

async function failRequest(
  db: Db,
  { request, problem }: { request: RequestRow; problem: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const [row] = await tx
      .select({ status: promotionRequests.status, name: checkpoints.name })
      .from(promotionRequests)
      .innerJoin(checkpoints, eq(checkpoints.id, promotionRequests.checkpointId))
      .where(eq(promotionRequests.id, request.id))
      .for("update", { of: promotionRequests });
    if (row?.status !== "open") return;
    await endRequest(tx, { requestId: request.id, status: "failed", decidedBy: null, problem });
    await notify(tx, {
      kind: "promotionRequested",
      runId: null,
      text: `The promotion of ${row.name} that was planned for now was not carried out. ${problem}`,
      promotion: { requestId: request.id, channel: request.channel, checkpointId: request.checkpointId },
    });
    await appendAudit(tx, {
      actorId: null,
      action: "promotion.failed",
      subject: request.id,
      details: { problem },
    });
  });
}
