/** @file The first admin: until there is one, every start prints a fresh set-up link. */
import { and, eq, isNull } from "drizzle-orm";
import { oneTimeLinks, users } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { type Env, publicUrl } from "../env";
import { issueLink } from "./one-time-links";

export async function hasAdmin(db: Db): Promise<boolean> {
  return (await db.$count(users, eq(users.role, "admin"))) > 0;
}

/**
 * The address for the first admin, valid for 7 days, until it is used or the next start makes another.
 * @param port the port really bound, where PORT is 0
 * @returns null once there is an admin
 */
export async function ensureSetupLink(db: Db, env: Env, port?: number): Promise<string | null> {
  const link = await db.transaction(async (tx) => {
    if (await hasAdmin(tx)) return null;
    await tx.delete(oneTimeLinks).where(and(eq(oneTimeLinks.kind, "setup"), isNull(oneTimeLinks.usedAt)));
    return issueLink(tx, { kind: "setup", createdBy: null, role: "admin" });
  });
  return link && `${publicUrl(env, port)}${link.path}`;
}
