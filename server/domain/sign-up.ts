/** @file Making an account: by the set-up link, by an invite, or freely where sign-up is open. */
import { eq } from "drizzle-orm";
import { oneTimeLinks, users } from "@/drizzle/schema";
import { hashPassword } from "../auth/passwords";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import type { Role } from "../permissions";
import { setPassword } from "./account-password";
import { appendAudit } from "./audit";
import { claimLink, type IssuedLink, inspectLink, linkIsSpent, type OneTimeLink } from "./one-time-links";
import { issueResetLink } from "./password-reset";
import { lockAdmins } from "./people";
import { readSetting, type SignUpPolicy } from "./settings";
import { hasAdmin } from "./setup";

export type NewAccount = {
  name: string;
  email: string;
  password: string;
  /** Of a set-up link or an invite; null = open sign-up. */
  token: string | null;
};

/**
 * Makes the account; the person then signs in with what they chose.
 * @throws {AppError} FORBIDDEN by policy; NOT_FOUND for a bad link; CONFLICT for an address that has an account
 */
export async function signUp(
  db: Db,
  { name, email, password, token }: NewAccount,
): Promise<{ userId: string }> {
  const address = email.toLowerCase();
  // Refused before the costly hash; decided once more inside the transaction.
  const shown = token ? await inspectLink(db, token) : null;
  if (token && !shown) throw linkIsSpent();
  checkPolicy(await readSetting(db, "signUp"), shown, token);
  const passwordHash = await hashPassword(password);
  return db.transaction(async (tx) => {
    // Of two set-ups at once the second must see the first one's admin.
    await lockAdmins(tx);
    const link = token ? await claimLink(tx, token, ["setup", "invite"]) : null;
    checkPolicy(await readSetting(tx, "signUp"), link, token);
    const role = await roleFor(tx, link);
    if (link?.email && link.email !== address) {
      throw new AppError("FORBIDDEN", "This invite is for another e-mail address.");
    }
    const userId = await insertAccount(tx, { name, email: address, role, passwordHash });
    if (link) await tx.update(oneTimeLinks).set({ usedBy: userId }).where(eq(oneTimeLinks.id, link.id));
    await appendAudit(tx, {
      actorId: userId,
      action: link?.kind === "setup" ? "setup.completed" : "account.created",
      subject: userId,
      details: { role, by: link?.kind ?? "open sign-up" },
    });
    return { userId };
  });
}

/**
 * Makes an account from the machine itself, whatever the sign-up policy says; whoever gets the link chooses the password.
 * @throws {AppError} CONFLICT for an address that has an account
 */
export async function createAccount(
  db: Db,
  { name, email, role }: { name: string; email: string; role: Role },
): Promise<IssuedLink> {
  const userId = await db.transaction(async (tx) => {
    await lockAdmins(tx);
    const id = await insertAccount(tx, { name, email: email.toLowerCase(), role, passwordHash: null });
    await appendAudit(tx, {
      actorId: null,
      action: "account.created",
      subject: id,
      details: { role, by: "command line" },
    });
    return id;
  });
  return issueResetLink(db, { actorId: null, userId });
}

function checkPolicy(policy: SignUpPolicy, link: OneTimeLink | null, token: string | null): void {
  if (link?.kind === "setup") return;
  if (policy === "closed")
    throw new AppError("FORBIDDEN", "Sign-up is closed. Ask an admin of this instance.");
  if (policy === "invite" && token === null) {
    throw new AppError("FORBIDDEN", "Sign-up is by invite. Ask an admin for an invite link.");
  }
}

async function roleFor(tx: Tx, link: OneTimeLink | null): Promise<Role> {
  const isSetUp = await hasAdmin(tx);
  if (link?.kind === "setup") {
    if (isSetUp)
      throw new AppError("CONFLICT", "This instance has an admin already. Sign in, or ask for an invite.");
    return "admin";
  }
  if (!isSetUp) {
    throw new AppError(
      "FORBIDDEN",
      "Attune is not set up yet: the terminal it runs in shows the set-up link.",
    );
  }
  return link?.role ?? "user";
}

async function insertAccount(
  tx: Tx,
  {
    name,
    email,
    role,
    passwordHash,
  }: { name: string; email: string; role: Role; passwordHash: string | null },
): Promise<string> {
  const [user] = await tx
    .insert(users)
    .values({ name, email, role })
    .onConflictDoNothing({ target: users.email })
    .returning({ id: users.id });
  if (!user) {
    throw new AppError(
      "CONFLICT",
      "No account can be made with this e-mail address. If it is yours, sign in, or ask an admin for a reset link.",
    );
  }
  if (passwordHash !== null) await setPassword(tx, user.id, passwordHash);
  return user.id;
}
