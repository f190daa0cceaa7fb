/** @file People, sessions and callers for tests of procedures. */
import { randomUUID } from "node:crypto";
import { users } from "@/drizzle/schema";
import type { Context, SessionUser } from "@/server/context";
import type { Db } from "@/server/db/db";
import { type Env, loadEnv } from "@/server/env";
import { log } from "@/server/log";
import type { Grant, Role } from "@/server/permissions";
import { createCaller } from "@/server/routers/root";

export const testEnv = (overrides: Record<string, string> = {}): Env =>
  loadEnv({ ATTUNE_DATA: "/nonexistent", LOG_LEVEL: "silent", ...overrides });

/** A person with this role, without a password. */
export async function makePerson(
  db: Db,
  { role = "user", grants = [], name = "Test Person" }: { role?: Role; grants?: Grant[]; name?: string } = {},
): Promise<SessionUser> {
  const [user] = await db
    .insert(users)
    .values({ name, email: `${randomUUID()}@example.org`, role, grants })
    .returning();
  if (!user) throw new Error("The person was not stored.");
  return { id: user.id, name, email: user.email, role, grants };
}

/** What a request of this person carries; null = not signed in. Every context has an address of its own. */
export function testContext(db: Db, user: SessionUser | null, overrides: Partial<Context> = {}): Context {
  return {
    db,
    env: testEnv(),
    user,
    sessionId: null,
    address: `test-${randomUUID()}`,
    requestId: "test",
    log,
    ...overrides,
  };
}

/** All procedures, called as this person. */
export const callerFor = (db: Db, user: SessionUser | null, overrides: Partial<Context> = {}) =>
  createCaller(testContext(db, user, overrides));
