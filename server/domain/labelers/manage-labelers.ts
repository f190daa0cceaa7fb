/** @file What a lead changes about labelers: groups, who is in which, and work set aside and brought back. */
import { asc, eq, sql } from "drizzle-orm";
import { labelerGroups, labelers, users } from "@/drizzle/schema";
import type { Db } from "../../db/db";
import { isUniqueViolation } from "../../db/unique-violation";
import { AppError } from "../../errors";
import { appendAudit } from "../audit";
import { releaseClaims } from "../labeling/claims";
import { ensureLabeler } from "../labeling/labelers";

export type LabelerGroup = { id: string; name: string; isHeldOut: boolean; members: number };

export async function listGroups(db: Db): Promise<LabelerGroup[]> {
  return db
    .select({
      id: labelerGroups.id,
      name: labelerGroups.name,
      isHeldOut: labelerGroups.isHeldOut,
      members: sql<number>`count(${labelers.userId})::int`,
    })
    .from(labelerGroups)
    .leftJoin(labelers, eq(labelers.groupId, labelerGroups.id))
    .groupBy(labelerGroups.id)
    .orderBy(asc(labelerGroups.name));
}

/** Whether a group is held out never changes: its work so far was used, or was not. @throws {AppError} CONFLICT for a name in use */
export async function createGroup(
  db: Db,
  { name, isHeldOut, actorId }: { name: string; isHeldOut: boolean; actorId: string },
): Promise<{ groupId: string }> {
  try {
    return await db.transaction(async (tx) => {
      const [group] = await tx
        .insert(labelerGroups)
        .values({ name, isHeldOut })
        .returning({ id: labelerGroups.id });
      if (!group) throw new Error("The group was not stored.");
      await appendAudit(tx, {
        actorId,
        action: "labelerGroup.created",
        subject: group.id,
        details: { isHeldOut },
      });
      return { groupId: group.id };
    });
  } catch (error) {
    if (!isUniqueViolation(error, "labeler_groups_name_unique")) throw error;
    throw new AppError("CONFLICT", `There is a group “${name}” already.`);
  }
}

type Change = { userId: string; actorId: string };

/** Rankings keep the group they were made in. @throws {AppError} NOT_FOUND */
export async function moveLabeler(
  db: Db,
  { userId, groupId, actorId }: Change & { groupId: string | null },
): Promise<void> {
  await db.transaction(async (tx) => {
    await checkPerson(tx, userId);
    if (groupId !== null && (await tx.$count(labelerGroups, eq(labelerGroups.id, groupId))) === 0) {
      throw new AppError("NOT_FOUND", "There is no such group of labelers.");
    }
    await ensureLabeler(tx, userId);
    await tx.update(labelers).set({ groupId }).where(eq(labelers.userId, userId));
    await appendAudit(tx, { actorId, action: "labeler.groupChanged", subject: userId, details: { groupId } });
  });
}

/** All work so far leaves figures and datasets to come, and no task is given out. `restoreLabeler` undoes it. */
export async function setLabelerAside(
  db: Db,
  { userId, reason, actorId }: Change & { reason: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    await checkPerson(tx, userId);
    await ensureLabeler(tx, userId);
    await tx
      .update(labelers)
      .set({ setAsideAt: new Date(), setAsideReason: reason })
      .where(eq(labelers.userId, userId));
    await releaseClaims(tx, userId);
    await appendAudit(tx, { actorId, action: "labeler.setAside", subject: userId });
  });
}

export async function restoreLabeler(db: Db, { userId, actorId }: Change): Promise<void> {
  await db.transaction(async (tx) => {
    await checkPerson(tx, userId);
    await tx
      .update(labelers)
      .set({ setAsideAt: null, setAsideReason: null })
      .where(eq(labelers.userId, userId));
    await appendAudit(tx, { actorId, action: "labeler.restored", subject: userId });
  });
}

async function checkPerson(db: Db, userId: string): Promise<void> {
  if ((await db.$count(users, eq(users.id, userId))) === 0) {
    throw new AppError("NOT_FOUND", "There is no such person.");
  }
}
