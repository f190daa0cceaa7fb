/** @file One's own account: profile, sessions, deletion. */
import { and, desc, eq, gt, ne } from "drizzle-orm";
import { sessions, users } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { isUniqueViolation } from "../db/unique-violation";
import { AppError } from "../errors";
import type { Grant, Role } from "../permissions";
import { publishRun } from "../runs/run-changes";
import { confirmPassword, hasPassword } from "./account-password";
import { appendAudit } from "./audit";
import { erasePersonRows } from "./datasets-erase";
import { releaseClaims } from "./labeling/claims";
import { lockAdmins, requireAdmin, withdrawLinks } from "./people";
import { erasePersonPrompts } from "./prompts/erase-prompts";

export type Profile = {
  id: string;
  name: string;
  email: string;
  role: Role;
  grants: Grant[];
  hasPassword: boolean;
  createdAt: Date;
  consent: { granted: boolean; answeredAt: Date | null };
};

/** @throws {AppError} NOT_FOUND */
export async function readProfile(db: Db, userId: string): Promise<Profile> {
  const [user] = await db.select().from(users).where(eq(users.id, userId));
  if (!user) throw new AppError("NOT_FOUND", "The account is gone.");
  const { id, name, email, role, grants, createdAt, consent, consentAnsweredAt } = user;
  return {
    id,
    name,
    email,
    role,
    grants,
    hasPassword: await hasPassword(db, userId),
    createdAt,
    consent: { granted: consent, answeredAt: consentAnsweredAt },
  };
}

export async function renameAccount(
  db: Db,
  { userId, name }: { userId: string; name: string },
): Promise<Profile> {
  await db.update(users).set({ name, updatedAt: new Date() }).where(eq(users.id, userId));
  return readProfile(db, userId);
}

/** @throws {AppError} FORBIDDEN for a wrong password, CONFLICT for an address that is taken */
export async function changeEmail(
  db: Db,
  { userId, email, password }: { userId: string; email: string; password: string },
): Promise<Profile> {
  await confirmPassword(db, userId, password);
  try {
    await db
      .update(users)
      .set({ email: email.toLowerCase(), emailVerified: false, updatedAt: new Date() })
      .where(eq(users.id, userId));
  } catch (error) {
    if (!isUniqueViolation(error, "users_email_unique")) throw error;
    throw new AppError("CONFLICT", "This e-mail address cannot be used.", { cause: error });
  }
  return readProfile(db, userId);
}

export type OwnSession = {
  id: string;
  isCurrent: boolean;
  userAgent: string | null;
  ipAddress: string | null;
  createdAt: Date;
  lastSeenAt: Date;
};

/** Where the person is signed in, newest use first. */
export async function listSessions(
  db: Db,
  { userId, sessionId }: { userId: string; sessionId: string | null },
): Promise<OwnSession[]> {
  const rows = await db
    .select()
    .from(sessions)
    .where(and(eq(sessions.userId, userId), gt(sessions.expiresAt, new Date())))
    .orderBy(desc(sessions.updatedAt))
    .limit(200);
  return rows.map(({ id, userAgent, ipAddress, createdAt, updatedAt }) => ({
    id,
    isCurrent: id === sessionId,
    userAgent,
    ipAddress,
    createdAt,
    lastSeenAt: updatedAt,
  }));
}

/** Ends one session. @throws {AppError} NOT_FOUND */
export async function revokeSession(
  db: Db,
  { userId, sessionId }: { userId: string; sessionId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const revoked = await tx
      .delete(sessions)
      .where(and(eq(sessions.id, sessionId), eq(sessions.userId, userId)))
      .returning({ id: sessions.id });
    if (revoked.length === 0) throw new AppError("NOT_FOUND", "This session has ended already.");
    await appendAudit(tx, { actorId: userId, action: "session.revoked", subject: userId });
  });
}

/** Ends every session but the one that asks. @returns how many ended */
export async function revokeOtherSessions(
  db: Db,
  { userId, sessionId }: { userId: string; sessionId: string | null },
): Promise<number> {
  return db.transaction(async (tx) => {
    const revoked = await tx
      .delete(sessions)
      .where(and(eq(sessions.userId, userId), sessionId === null ? undefined : ne(sessions.id, sessionId)))
      .returning({ id: sessions.id });
    if (revoked.length > 0) {
      await appendAudit(tx, {
        actorId: userId,
        action: "session.revoked",
        subject: userId,
        details: { count: revoked.length },
      });
    }
    return revoked.length;
  });
}

/**
 * Deletes the account and everything that hangs on it: conversations, feedback, keys, sessions, consent, its rows in
 * datasets, and the prompts that hold its words. What the audit log holds of it is an id.
 * @throws {AppError} FORBIDDEN for a wrong password, CONFLICT for the last admin
 */
export async function deleteAccount(
  db: Db,
  { userId, password }: { userId: string; password: string },
): Promise<void> {
  await confirmPassword(db, userId, password);
  const runIds = await db.transaction(async (tx) => {
    await lockAdmins(tx);
    await withdrawLinks(tx, userId);
    const erased = await erasePersonRows(tx, userId);
    await erasePersonPrompts(tx, userId);
    await releaseClaims(tx, userId);
    const deleted = await tx.delete(users).where(eq(users.id, userId)).returning({ role: users.role });
    if (deleted.length === 0) throw new AppError("NOT_FOUND", "The account is gone already.");
    if (deleted[0]?.role === "admin") await requireAdmin(tx);
    await appendAudit(tx, { actorId: userId, action: "account.deleted", subject: userId });
    return erased.runIds;
  });
  for (const runId of runIds) publishRun(runId);
}
