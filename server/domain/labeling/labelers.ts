/** @file Whether a person may be given tasks, and what labeling knows of them. */
import { randomBytes } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import { labelers } from "@/drizzle/schema";
import type { Db, Tx } from "../../db/db";
import { findTestFor } from "../qualification/tests";
import type { NoTask } from "./task-schema";

export type Labeler = typeof labelers.$inferSelect;

/** The engagement agreement labelers accept before their first task. A new text is a new version, accepted anew. */
export const agreement = {
  version: 1,
  text: [
    "Read every response in full before you place it, and judge by the guidelines, not by taste.",
    "Work alone and by yourself: no other assistant writes or ranks for you.",
    "Keep what you read here to yourself. Report what is harmful, or names a real person.",
    "Your active time is recorded for payment; time in which you do nothing is not.",
    "Some tasks have known answers, and some come back after weeks: that is how the work's quality is measured.",
  ],
} as const;

/** This person's row, made when they first come. */
export async function ensureLabeler(db: Db, userId: string): Promise<Labeler> {
  await db
    .insert(labelers)
    .values({ userId, pseudonym: `labeler-${randomBytes(4).toString("hex")}` })
    .onConflictDoNothing();
  const [labeler] = await db.select().from(labelers).where(eq(labelers.userId, userId));
  if (!labeler) throw new Error(`Labeler ${userId} was neither found nor made.`);
  return labeler;
}

/** Makes the labeler's other requests wait: one person holds one new claim at a time. */
export async function lockLabeler(tx: Tx, userId: string): Promise<Labeler> {
  await ensureLabeler(tx, userId);
  const [labeler] = await tx.select().from(labelers).where(eq(labelers.userId, userId)).for("update");
  if (!labeler) throw new Error(`Labeler ${userId} is gone.`);
  return labeler;
}

export async function acceptAgreement(db: Db, userId: string): Promise<void> {
  await ensureLabeler(db, userId);
  await db
    .update(labelers)
    .set({ agreedAt: new Date(), agreementVersion: agreement.version })
    .where(eq(labelers.userId, userId));
}

export async function setPreferences(
  db: Db,
  {
    userId,
    ...change
  }: { userId: string; mode?: Labeler["mode"] | undefined; seesSensitive?: boolean | undefined },
): Promise<void> {
  await ensureLabeler(db, userId);
  if (change.mode === undefined && change.seesSensitive === undefined) return;
  await db.update(labelers).set(change).where(eq(labelers.userId, userId));
}

/** Why this labeler is given no work, whatever there is; null = they are. Practice and the test itself need no qualification. */
export async function findHindrance(
  db: Db,
  labeler: Labeler,
  purpose: "work" | "practice" | "qualification",
): Promise<NoTask | null> {
  if (labeler.agreementVersion !== agreement.version) {
    return { reason: "mustAgree", text: "Accept the engagement agreement to begin." };
  }
  if (labeler.setAsideAt) {
    return {
      reason: "setAside",
      text: `Your work is set aside for now: ${labeler.setAsideReason ?? ""} Speak with your labeling lead.`,
    };
  }
  return purpose === "work" && labeler.qualifiedAt === null ? findMissingTest(db, labeler) : null;
}

/** Where no lead has opened a test to them and none is asked for, there is nothing to pass. */
async function findMissingTest(db: Db, labeler: Labeler): Promise<NoTask | null> {
  const isOpen = (await findTestFor(db, labeler)) !== null;
  const { requalifyReason } = labeler;
  if (requalifyReason !== null) {
    const next = isOpen
      ? "Until you have passed it, no task is given to you."
      : "No test is open to you now: speak with your labeling lead.";
    return {
      reason: "notQualified",
      text: `Your labeling lead asks you to sit the qualification again: ${requalifyReason} ${next}`,
    };
  }
  if (!isOpen) return null;
  return {
    reason: "notQualified",
    text: "Tasks are given to labelers who have passed the qualification. Practise first, then sit the test.",
  };
}

/** @returns tasks finished since midnight (UTC) */
export async function countToday(db: Db, userId: string): Promise<{ tasks: number; activeMs: number }> {
  const { rows } = await db.execute<{ tasks: number; active_ms: number }>(sql`
    select count(*)::int as tasks, coalesce(sum(active_ms), 0)::float8 as active_ms from (
      select active_ms from rankings
        where labeler_id = ${userId} and kind = 'labeler' and created_at >= date_trunc('day', now(), 'UTC')
      union all
      select active_ms from demonstrations
        where labeler_id = ${userId} and created_at >= date_trunc('day', now(), 'UTC')
    ) done`);
  return { tasks: rows[0]?.tasks ?? 0, activeMs: rows[0]?.active_ms ?? 0 };
}
