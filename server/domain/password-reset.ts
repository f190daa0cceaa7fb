/** @file A new password by a one-time link: no mail server needed, an admin or somebody at the machine hands it over. */
import { and, eq, isNull } from "drizzle-orm";
import { oneTimeLinks, sessions, users } from "@/drizzle/schema";
import { hashPassword } from "../auth/passwords";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import { setPassword } from "./account-password";
import { appendAudit } from "./audit";
import { claimLink, type IssuedLink, inspectLink, issueLink, linkIsSpent } from "./one-time-links";

/**
 * Makes a reset link; earlier unused ones of the person stop working.
 * @param actorId null = somebody at the machine (`attune user reset-password`)
 * @throws {AppError} NOT_FOUND
 */
export async function issueResetLink(
  db: Db,
  { actorId, userId }: { actorId: string | null; userId: string },
): Promise<IssuedLink> {
  return db.transaction(async (tx) => {
    const [user] = await tx.select({ id: users.id }).from(users).where(eq(users.id, userId));
    if (!user) throw new AppError("NOT_FOUND", "There is no such account.");
    await tx.delete(oneTimeLinks).where(unusedResets(userId));
    const link = await issueLink(tx, { kind: "reset", createdBy: actorId, userId });
    await appendAudit(tx, { actorId, action: "person.resetLinkIssued", subject: userId });
    return link;
  });
}

/** The same by e-mail address, for the command line. @throws {AppError} NOT_FOUND */
export async function issueResetLinkByEmail(db: Db, email: string): Promise<IssuedLink> {
  const [user] = await db
    .select({ id: users.id })
    .from(users)
    .where(eq(users.email, email.trim().toLowerCase()));
  if (!user) throw new AppError("NOT_FOUND", `There is no account with the address ${email}.`);
  return issueResetLink(db, { actorId: null, userId: user.id });
}

/** Sets the password and signs the person out everywhere. @returns whose it is. @throws {AppError} NOT_FOUND for a bad link */
export async function resetPassword(
  db: Db,
  { token, password }: { token: string; password: string },
): Promise<string> {
  if ((await inspectLink(db, token))?.kind !== "reset") throw linkIsSpent();
  const passwordHash = await hashPassword(password);
  return db.transaction(async (tx) => {
    const { id, userId } = await claimLink(tx, token, ["reset"]);
    if (userId === null) throw new AppError("NOT_FOUND", "The account of this link is gone.");
    await setPassword(tx, userId, passwordHash);
    await tx.update(oneTimeLinks).set({ usedBy: userId }).where(eq(oneTimeLinks.id, id));
    await tx.delete(oneTimeLinks).where(unusedResets(userId));
    await tx.delete(sessions).where(eq(sessions.userId, userId));
    await appendAudit(tx, { actorId: userId, action: "account.passwordReset", subject: userId });
    return userId;
  });
}

const unusedResets = (userId: string) =>
  and(eq(oneTimeLinks.kind, "reset"), eq(oneTimeLinks.userId, userId), isNull(oneTimeLinks.usedAt));
