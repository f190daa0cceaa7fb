/** @file One-time links: the first admin's set-up, invitations, password resets. Only a hash of the token is kept. */
import { createHash, randomBytes } from "node:crypto";
import { and, eq, gt, isNull, sql } from "drizzle-orm";
import { oneTimeLinks } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import type { Role } from "../permissions";

export type LinkKind = "setup" | "invite" | "reset";
export type OneTimeLink = typeof oneTimeLinks.$inferSelect;

const hour = 60 * 60 * 1000;
const lifetimeMs: Record<LinkKind, number> = {
  setup: 7 * 24 * hour,
  invite: 7 * 24 * hour,
  reset: 24 * hour,
};

const paths: Record<LinkKind, string> = {
  setup: "/setup",
  invite: "/sign-up",
  reset: "/reset-password",
};

export type NewLink = {
  kind: LinkKind;
  createdBy: string | null;
  email?: string | null;
  role?: Role | null;
  userId?: string | null;
};

/** A link that works once. The token is in the answer and nowhere else. */
export type IssuedLink = { id: string; token: string; path: string; expiresAt: Date };

export async function issueLink(
  tx: Db,
  { kind, createdBy, email, role, userId }: NewLink,
): Promise<IssuedLink> {
  const token = randomBytes(32).toString("base64url");
  const expiresAt = new Date(Date.now() + lifetimeMs[kind]);
  const [row] = await tx
    .insert(oneTimeLinks)
    .values({ kind, createdBy, email, role, userId, tokenHash: hashToken(token), expiresAt })
    .returning({ id: oneTimeLinks.id });
  if (!row) throw new Error("The link was not stored.");
  return { id: row.id, token, path: `${paths[kind]}?token=${token}`, expiresAt };
}

/** What a link is for, for the page it opens. Null when it is unknown, used or expired: the page says the same of all three. */
export async function inspectLink(db: Db, token: string): Promise<OneTimeLink | null> {
  const [link] = await db.select().from(oneTimeLinks).where(isUsable(token));
  return link ?? null;
}

/**
 * Uses the link up. Of two that try at once, one gets it.
 * @throws {AppError} NOT_FOUND for a link that is unknown, used, expired or of another kind
 */
export async function claimLink(tx: Tx, token: string, kinds: readonly LinkKind[]): Promise<OneTimeLink> {
  const [link] = await tx.update(oneTimeLinks).set({ usedAt: sql`now()` }).where(isUsable(token)).returning();
  if (!link || !kinds.includes(link.kind)) throw linkIsSpent();
  return link;
}

/** Says the same of unknown, used and expired links. */
export function linkIsSpent(): AppError {
  return new AppError("NOT_FOUND", "This link was used already or has expired. Ask an admin for a new one.");
}

function isUsable(token: string) {
  return and(
    eq(oneTimeLinks.tokenHash, hashToken(token)),
    isNull(oneTimeLinks.usedAt),
    gt(oneTimeLinks.expiresAt, new Date()),
  );
}

function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
