/** @file Who sent a request: the session behind its cookie, and that person as they are now. */
import { and, eq } from "drizzle-orm";
import { users } from "@/drizzle/schema";
import type { SessionUser } from "../context";
import type { Db } from "../db/db";
import type { Auth } from "./auth";

export type Session = { user: SessionUser; sessionId: string };

/**
 * @returns the session, or null where there is none or its person is disabled, and the cookies to send back when the
 * session was prolonged
 */
export async function readSession(
  auth: Auth,
  db: Db,
  requestHeaders: Headers,
): Promise<{ session: Session | null; cookies: string[] }> {
  if (!requestHeaders.has("cookie")) return { session: null, cookies: [] };
  const { response, headers } = await auth.api.getSession({ headers: requestHeaders, returnHeaders: true });
  const cookies = headers.getSetCookie();
  if (!response) return { session: null, cookies };
  const user = await readSessionUser(db, response.user.id);
  return { session: user && { user, sessionId: response.session.id }, cookies };
}

/** The person as permissions see them; null when there is no such account or it is disabled. */
export async function readSessionUser(db: Db, userId: string): Promise<SessionUser | null> {
  const [user] = await db
    .select({ id: users.id, name: users.name, email: users.email, role: users.role, grants: users.grants })
    .from(users)
    .where(and(eq(users.id, userId), eq(users.banned, false)));
  return user ?? null;
}
