/** @file The end of a live comparison: by an admin, or because what it compared is not live any more, or promotions froze. */
import { and, eq, isNull } from "drizzle-orm";
import { liveComparisons } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { liveChannel } from "../../generation/traffic-split";
import { appendAudit } from "../audit";

/** Holds the challenger's engine in memory. No channel of an admin can be called so: those have no spaces. */
export const comparisonChannel = "live comparison";

export type ComparisonRow = typeof liveComparisons.$inferSelect;

/** The one that runs; null where none does. */
export async function findComparison(db: Db | Tx): Promise<ComparisonRow | null> {
  const [row] = await db.select().from(liveComparisons).where(isRunning);
  return row ?? null;
}

const isRunning = and(eq(liveComparisons.channel, liveChannel), isNull(liveComparisons.endedAt));

/**
 * Nobody is given two drafts from then on; pairs that are open may still be decided. Appends to the audit log.
 * @returns whether one ran
 */
export async function closeComparison(
  tx: Tx,
  { actorId, reason }: { actorId: string | null; reason: string },
): Promise<boolean> {
  const [closed] = await tx
    .update(liveComparisons)
    .set({ endedAt: new Date(), endedBy: actorId, endReason: reason })
    .where(isRunning)
    .returning();
  if (!closed) return false;
  await appendAudit(tx, {
    actorId,
    action: "comparison.ended",
    subject: closed.id,
    details: { candidate: closed.candidateId, opponent: closed.opponentId, reason },
  });
  return true;
}
