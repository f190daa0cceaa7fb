/** @file What a lead does to a batch under way: open it, pause it, close it, put it before others. Each is recorded. */
import { and, eq, inArray, ne } from "drizzle-orm";
import { batches, qualificationTests } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { AppError } from "../../errors";
import { type AuditAction, appendAudit } from "../audit";
import { checkReady } from "../qualification/known-answers";
import { findTestOfDemonstrations } from "../qualification/tests";

export const batchSteers = ["open", "pause", "close"] as const;
export type BatchSteer = (typeof batchSteers)[number];
export type BatchStatus = (typeof batches.$inferSelect)["status"];

type Move = { from: BatchStatus[]; to: BatchStatus; action: AuditAction; refusal: string };

const moves: Record<BatchSteer, Move> = {
  /** Also again after a pause or a close: what is done stays done. */
  open: {
    from: ["preparing", "paused", "closed"],
    to: "open",
    action: "batch.opened",
    refusal: "It is open already.",
  },
  /** Nothing is given out or sampled; who is at a task may finish it. */
  pause: {
    from: ["preparing", "open"],
    to: "paused",
    action: "batch.paused",
    refusal: "Only a batch that is open can be paused.",
  },
  close: {
    from: ["preparing", "open", "paused"],
    to: "closed",
    action: "batch.closed",
    refusal: "It is closed already.",
  },
};

type Steering = { batchId: string; actorId: string };

/**
 * A test's demonstrations go with its rankings.
 * @throws {AppError} NOT_FOUND; CONFLICT when its status does not allow it, or practice or a test lacks a known answer
 */
export async function steerBatch(
  db: Db,
  { batchId, steer, actorId }: Steering & { steer: BatchSteer },
): Promise<void> {
  const { from, to, action, refusal } = moves[steer];
  await db.transaction(async (tx) => {
    await checkWhole(tx, batchId);
    const values = { status: to, closedAt: to === "closed" ? new Date() : null };
    const [moved] = await tx
      .update(batches)
      .set(values)
      .where(and(eq(batches.id, batchId), inArray(batches.status, from), isOurs))
      .returning({ id: batches.id, purpose: batches.purpose });
    if (!moved) {
      await checkBatch(tx, batchId);
      throw new AppError("CONFLICT", refusal);
    }
    const { id, purpose } = moved;
    if (steer === "open" && (purpose === "practice" || purpose === "qualification")) {
      await checkReady(tx, { id, purpose });
    }
    const demonstrations = tx
      .select({ id: qualificationTests.demonstrationBatchId })
      .from(qualificationTests)
      .where(eq(qualificationTests.batchId, batchId));
    await tx.update(batches).set(values).where(inArray(batches.id, demonstrations));
    await appendAudit(tx, { actorId, action, subject: batchId });
  });
}

async function checkWhole(tx: Tx, batchId: string): Promise<void> {
  const test = await findTestOfDemonstrations(tx, batchId);
  if (test) {
    throw new AppError(
      "CONFLICT",
      "These demonstrations are part of a qualification test: they are opened and closed with its rankings.",
    );
  }
}

/** Higher goes first, for labelers and for sampling. @throws {AppError} NOT_FOUND */
export async function prioritiseBatch(
  db: Db,
  { batchId, priority, actorId }: Steering & { priority: number },
): Promise<void> {
  await db.transaction(async (tx) => {
    const changed = await tx
      .update(batches)
      .set({ priority })
      .where(and(eq(batches.id, batchId), isOurs))
      .returning({ id: batches.id });
    if (changed.length === 0) await checkBatch(tx, batchId);
    await appendAudit(tx, { actorId, action: "batch.prioritised", subject: batchId, details: { priority } });
  });
}

/** An imported batch holds rankings made elsewhere: nothing of it is given out. */
const isOurs = ne(batches.purpose, "imported");

async function checkBatch(db: Db, batchId: string): Promise<void> {
  const [batch] = await db.select({ purpose: batches.purpose }).from(batches).where(eq(batches.id, batchId));
  if (!batch) throw new AppError("NOT_FOUND", "There is no such batch.");
  if (batch.purpose === "imported") {
    throw new AppError("CONFLICT", "This batch was imported: its rankings were made elsewhere.");
  }
}
