/** @file The password of an account: set, confirmed, changed. An account may have none. */
import { and, eq, ne } from "drizzle-orm";
import { accounts, sessions } from "@/drizzle/schema";
import { hashPassword, verifyPassword } from "../auth/passwords";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import { appendAudit } from "./audit";

const isPasswordOf = (userId: string) =>
  and(eq(accounts.userId, userId), eq(accounts.providerId, "credential"));

/** Gives the account this password, whether it had one or not. The shape of the row is better-auth's. */
export async function setPassword(tx: Tx, userId: string, passwordHash: string): Promise<void> {
  await tx
    .insert(accounts)
    .values({ userId, accountId: userId, providerId: "credential", password: passwordHash })
    .onConflictDoUpdate({
      target: [accounts.providerId, accounts.accountId],
      set: { password: passwordHash, updatedAt: new Date() },
    });
}

export async function hasPassword(db: Db, userId: string): Promise<boolean> {
  return (await readHash(db, userId)) !== null;
}

/**
 * Asks for the password again before something that cannot be taken back. An account without one passes.
 * @throws {AppError} FORBIDDEN when it is wrong
 */
export async function confirmPassword(db: Db, userId: string, password: string): Promise<void> {
  const hash = await readHash(db, userId);
  if (hash !== null && !(await verifyPassword({ hash, password }))) {
    throw new AppError("FORBIDDEN", "The password is wrong.");
  }
}

export type PasswordChange = {
  userId: string;
  /** Stays signed in; every other session ends. */
  sessionId: string | null;
  currentPassword: string;
  newPassword: string;
};

/** @throws {AppError} PRECONDITION_FAILED for an account without a password; FORBIDDEN when the current one is wrong */
export async function changePassword(
  db: Db,
  { userId, sessionId, currentPassword, newPassword }: PasswordChange,
): Promise<void> {
  if (!(await hasPassword(db, userId))) {
    throw new AppError(
      "PRECONDITION_FAILED",
      "This account has no password. An admin can issue a link to set one.",
    );
  }
  await confirmPassword(db, userId, currentPassword);
  const passwordHash = await hashPassword(newPassword);
  await db.transaction(async (tx) => {
    await setPassword(tx, userId, passwordHash);
    await tx
      .delete(sessions)
      .where(and(eq(sessions.userId, userId), sessionId === null ? undefined : ne(sessions.id, sessionId)));
    await appendAudit(tx, { actorId: userId, action: "account.passwordChanged", subject: userId });
  });
}

async function readHash(db: Db, userId: string): Promise<string | null> {
  const [account] = await db
    .select({ password: accounts.password })
    .from(accounts)
    .where(isPasswordOf(userId));
  return account?.password ?? null;
}
