/** @file Who has an account, and what admins change about them: role, grants, disabled or not. */
import { and, desc, eq, ilike, isNull, lt, or, sql } from "drizzle-orm";
import { z } from "zod";
import { accounts, oneTimeLinks, sessions, users } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import type { Grant, Role } from "../permissions";
import { appendAudit } from "./audit";

export type Person = {
  id: string;
  name: string;
  email: string;
  role: Role;
  grants: Grant[];
  isDisabled: boolean;
  /** False for an account that signs in another way. */
  hasPassword: boolean;
  createdAt: Date;
  /** Newest use of a session; null = signed out everywhere. */
  lastSeenAt: Date | null;
};

export type PeopleQuery = {
  /** Part of a name or an address; empty = everybody. */
  search: string;
  role?: Role | undefined;
  isDisabled?: boolean | undefined;
  cursor: string | null;
  limit: number;
};

// Drizzle writes columns of a query over one table without their table; inside a subquery that would name the
// subquery's own. A nested fragment keeps the table.
const personId = sql`${users.id}`;

const personColumns = {
  id: users.id,
  name: users.name,
  email: users.email,
  role: users.role,
  grants: users.grants,
  isDisabled: users.banned,
  hasPassword: sql<boolean>`exists (
    select from ${accounts} where ${accounts.userId} = ${personId} and ${accounts.password} is not null
  )`,
  createdAt: users.createdAt,
  lastSeenAt: sql<Date | null>`(
    select max(${sessions.updatedAt}) from ${sessions} where ${sessions.userId} = ${personId}
  )`.mapWith((value: string | null) => (value === null ? null : new Date(value))),
};

/** Newest first. */
export async function listPeople(
  db: Db,
  { search, role, isDisabled, cursor, limit }: PeopleQuery,
): Promise<{ people: Person[]; total: number; nextCursor: string | null }> {
  const pattern = `%${search.trim().replace(/[\\%_]/g, "\\$&")}%`;
  const filter = and(
    search.trim() === "" ? undefined : or(ilike(users.name, pattern), ilike(users.email, pattern)),
    role && eq(users.role, role),
    isDisabled === undefined ? undefined : eq(users.banned, isDisabled),
  );
  const found = await db
    .select({ ...personColumns, position: sql<string>`${users.createdAt}::text` })
    .from(users)
    .where(and(filter, cursor === null ? undefined : isAfter(cursor)))
    .orderBy(desc(users.createdAt), desc(users.id))
    .limit(limit + 1);
  const last = found.length > limit ? found[limit - 1] : undefined;
  return {
    people: found.slice(0, limit).map(({ position: _, ...person }) => person),
    total: await db.$count(users, filter),
    nextCursor: last ? writeCursor(last.position, last.id) : null,
  };
}

// The moment as the database writes it: a JavaScript Date would lose the microseconds that order two sign-ups.
const cursorSchema = z.tuple([
  z
    .string()
    .max(40)
    .regex(/^[0-9 :+.-]+$/),
  z.uuid(),
]);

function writeCursor(position: string, id: string): string {
  return Buffer.from(JSON.stringify([position, id])).toString("base64url");
}

/** @throws {AppError} BAD_REQUEST for a cursor this list did not give */
function isAfter(cursor: string) {
  const parsed = cursorSchema.safeParse(parseJson(Buffer.from(cursor, "base64url").toString()));
  if (!parsed.success)
    throw new AppError("BAD_REQUEST", "The list was asked for a page that does not exist.");
  const [position, id] = parsed.data;
  return or(
    lt(users.createdAt, sql`${position}::timestamptz`),
    and(eq(users.createdAt, sql`${position}::timestamptz`), lt(users.id, id)),
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

type Act = { actorId: string; userId: string };

/** Changes the role and signs the person out everywhere. @throws {AppError} NOT_FOUND, FORBIDDEN on oneself, CONFLICT for the last admin */
export async function changeRole(db: Db, { actorId, userId, role }: Act & { role: Role }): Promise<void> {
  await changePerson(db, { actorId, userId }, async (tx, person) => {
    if (person.role === role) return;
    await tx.update(users).set({ role, updatedAt: new Date() }).where(eq(users.id, userId));
    await signOutEverywhere(tx, userId);
    await withdrawLinks(tx, userId);
    await appendAudit(tx, {
      actorId,
      action: "person.roleChanged",
      subject: userId,
      details: { from: person.role, to: role },
    });
  });
}

/** Replaces the grants and signs the person out everywhere. @throws {AppError} NOT_FOUND, FORBIDDEN on oneself */
export async function changeGrants(
  db: Db,
  { actorId, userId, grants }: Act & { grants: Grant[] },
): Promise<void> {
  const unique = [...new Set(grants)].sort();
  await changePerson(db, { actorId, userId }, async (tx, person) => {
    if (JSON.stringify([...person.grants].sort()) === JSON.stringify(unique)) return;
    await tx.update(users).set({ grants: unique, updatedAt: new Date() }).where(eq(users.id, userId));
    await signOutEverywhere(tx, userId);
    await appendAudit(tx, {
      actorId,
      action: "person.grantsChanged",
      subject: userId,
      details: { from: person.grants, to: unique },
    });
  });
}

/** Signs the person out everywhere and refuses them until enabled. Their data stays; their keys stop working. */
export async function disablePerson(db: Db, { actorId, userId }: Act): Promise<void> {
  await changePerson(db, { actorId, userId }, async (tx, person) => {
    if (person.banned) return;
    await tx.update(users).set({ banned: true, updatedAt: new Date() }).where(eq(users.id, userId));
    await signOutEverywhere(tx, userId);
    await withdrawLinks(tx, userId);
    await appendAudit(tx, { actorId, action: "person.disabled", subject: userId });
  });
}

export async function enablePerson(db: Db, { actorId, userId }: Act): Promise<void> {
  await changePerson(db, { actorId, userId }, async (tx, person) => {
    if (!person.banned) return;
    await tx.update(users).set({ banned: false, updatedAt: new Date() }).where(eq(users.id, userId));
    await appendAudit(tx, { actorId, action: "person.enabled", subject: userId });
  });
}

type PersonRow = Pick<typeof users.$inferSelect, "role" | "grants" | "banned">;

async function changePerson(
  db: Db,
  { actorId, userId }: Act,
  change: (tx: Tx, person: PersonRow) => Promise<void>,
): Promise<void> {
  if (actorId === userId)
    throw new AppError("FORBIDDEN", "Nobody changes their own rights: ask another admin.");
  await db.transaction(async (tx) => {
    await lockAdmins(tx);
    const [person] = await tx
      .select({ role: users.role, grants: users.grants, banned: users.banned })
      .from(users)
      .where(eq(users.id, userId));
    if (!person) throw new AppError("NOT_FOUND", "There is no such account.");
    await change(tx, person);
    await requireAdmin(tx);
  });
}

/** Two admins who demote each other at once: the second waits, and is then refused. */
export async function lockAdmins(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune admins'))`);
}

/** Call after a change that may have taken the last admin. @throws {AppError} CONFLICT, which rolls it back */
export async function requireAdmin(tx: Tx): Promise<void> {
  const left = await tx.$count(users, and(eq(users.role, "admin"), eq(users.banned, false)));
  if (left === 0) {
    throw new AppError("CONFLICT", "This would leave no admin. Make another person admin first.");
  }
}

/** Links a former admin made would let them back in: as a new admin by an invite, as another by a reset. */
export async function withdrawLinks(tx: Tx, createdBy: string): Promise<void> {
  await tx
    .delete(oneTimeLinks)
    .where(and(eq(oneTimeLinks.createdBy, createdBy), isNull(oneTimeLinks.usedAt)));
}

export async function signOutEverywhere(tx: Tx, userId: string): Promise<void> {
  await tx.delete(sessions).where(eq(sessions.userId, userId));
}
