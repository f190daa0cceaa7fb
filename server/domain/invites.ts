/** @file Invitations: a link with a role, addressed or not, that makes one account. */
import { and, desc, eq, gt, isNull } from "drizzle-orm";
import { oneTimeLinks, users } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import type { Role } from "../permissions";
import { appendAudit } from "./audit";
import { type IssuedLink, issueLink } from "./one-time-links";

export type Invite = {
  id: string;
  email: string | null;
  role: Role;
  createdAt: Date;
  expiresAt: Date;
  invitedBy: string | null;
};

/** @param email only this address can use it; null = whoever holds the link */
export async function createInvite(
  db: Db,
  { actorId, email, role }: { actorId: string; email: string | null; role: Role },
): Promise<IssuedLink> {
  return db.transaction(async (tx) => {
    const link = await issueLink(tx, {
      kind: "invite",
      createdBy: actorId,
      email: email?.toLowerCase() ?? null,
      role,
    });
    await appendAudit(tx, {
      actorId,
      action: "invite.created",
      subject: link.id,
      details: { role, isAddressed: email !== null },
    });
    return link;
  });
}

const isOpenInvite = () =>
  and(eq(oneTimeLinks.kind, "invite"), isNull(oneTimeLinks.usedAt), gt(oneTimeLinks.expiresAt, new Date()));

/** Those still open, newest first. Their links were shown once and are not kept. */
export async function listInvites(db: Db): Promise<Invite[]> {
  const rows = await db
    .select({ link: oneTimeLinks, invitedBy: users.name })
    .from(oneTimeLinks)
    .leftJoin(users, eq(users.id, oneTimeLinks.createdBy))
    .where(isOpenInvite())
    .orderBy(desc(oneTimeLinks.createdAt))
    .limit(500);
  return rows.map(({ link, invitedBy }) => ({
    id: link.id,
    email: link.email,
    role: link.role ?? "user",
    createdAt: link.createdAt,
    expiresAt: link.expiresAt,
    invitedBy,
  }));
}

/** @throws {AppError} NOT_FOUND when it is used, expired or unknown */
export async function revokeInvite(
  db: Db,
  { actorId, inviteId }: { actorId: string; inviteId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const revoked = await tx
      .delete(oneTimeLinks)
      .where(and(eq(oneTimeLinks.id, inviteId), isOpenInvite()))
      .returning({ id: oneTimeLinks.id });
    if (revoked.length === 0) throw new AppError("NOT_FOUND", "This invite was used already or has expired.");
    await appendAudit(tx, { actorId, action: "invite.revoked", subject: inviteId });
  });
}
