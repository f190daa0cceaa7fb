/** @file Keys of the OpenAI-compatible API: shown once, stored hashed, revocable. */
import { createHash, randomBytes } from "node:crypto";
import { and, count, desc, eq, isNull, lt, or } from "drizzle-orm";
import { apiKeys, users } from "@/drizzle/schema";
import type { SessionUser } from "../context";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import { appendAudit } from "./audit";

const prefix = "att_";
const maxKeysPerPerson = 50;
const usedResolutionMs = 60_000;

export type ApiKey = {
  id: string;
  name: string;
  /** Last four characters. */
  suffix: string;
  /** May its traffic be used to improve the assistant? */
  consent: boolean;
  createdAt: Date;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
};

const keyColumns = {
  id: apiKeys.id,
  name: apiKeys.name,
  suffix: apiKeys.suffix,
  consent: apiKeys.consent,
  createdAt: apiKeys.createdAt,
  lastUsedAt: apiKeys.lastUsedAt,
  revokedAt: apiKeys.revokedAt,
};

/** @returns the key itself, which nobody can read again. @throws {AppError} CONFLICT beyond 50 keys */
export async function createApiKey(
  db: Db,
  { userId, name, consent }: { userId: string; name: string; consent: boolean },
): Promise<{ key: string; apiKey: ApiKey }> {
  const key = `${prefix}${randomBytes(32).toString("base64url")}`;
  return db.transaction(async (tx) => {
    const [existing] = await tx
      .select({ n: count() })
      .from(apiKeys)
      .where(and(eq(apiKeys.userId, userId), isNull(apiKeys.revokedAt)));
    if ((existing?.n ?? 0) >= maxKeysPerPerson) {
      throw new AppError("CONFLICT", `You have ${maxKeysPerPerson} keys. Revoke one that is not used.`);
    }
    const [apiKey] = await tx
      .insert(apiKeys)
      .values({ userId, name, consent, keyHash: hashKey(key), suffix: key.slice(-4) })
      .returning(keyColumns);
    if (!apiKey) throw new Error("The key was not stored.");
    await appendAudit(tx, {
      actorId: userId,
      action: "apiKey.created",
      subject: apiKey.id,
      details: { consent },
    });
    return { key, apiKey };
  });
}

/** Newest first, revoked ones included. */
export async function listApiKeys(db: Db, userId: string): Promise<ApiKey[]> {
  return db
    .select(keyColumns)
    .from(apiKeys)
    .where(eq(apiKeys.userId, userId))
    .orderBy(desc(apiKeys.createdAt))
    .limit(500);
}

/** Ends the key at once; its traffic is no training data from then on. @throws {AppError} NOT_FOUND */
export async function revokeApiKey(
  db: Db,
  { userId, apiKeyId }: { userId: string; apiKeyId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const revoked = await tx
      .update(apiKeys)
      .set({ revokedAt: new Date() })
      .where(and(eq(apiKeys.id, apiKeyId), eq(apiKeys.userId, userId), isNull(apiKeys.revokedAt)))
      .returning({ id: apiKeys.id });
    if (revoked.length === 0)
      throw new AppError("NOT_FOUND", "There is no such key, or it is revoked already.");
    await appendAudit(tx, { actorId: userId, action: "apiKey.revoked", subject: apiKeyId });
  });
}

export type KeyHolder = { user: SessionUser; apiKeyId: string; consent: boolean };

/**
 * Who a key belongs to.
 * @param authorization the header, "Bearer att_…"
 * @returns null for a missing, unknown or revoked key, and for a disabled person's
 */
export async function authenticateApiKey(db: Db, authorization: string | null): Promise<KeyHolder | null> {
  const key = /^Bearer +(\S{1,200})$/i.exec(authorization?.trim() ?? "")?.[1];
  if (!key?.startsWith(prefix)) return null;
  const [found] = await db
    .select({
      apiKeyId: apiKeys.id,
      consent: apiKeys.consent,
      user: { id: users.id, name: users.name, email: users.email, role: users.role, grants: users.grants },
    })
    .from(apiKeys)
    .innerJoin(users, eq(users.id, apiKeys.userId))
    .where(and(eq(apiKeys.keyHash, hashKey(key)), isNull(apiKeys.revokedAt), eq(users.banned, false)));
  if (found) await noteUse(db, found.apiKeyId);
  return found ?? null;
}

/** To the minute: a busy key would otherwise write a row per request. */
async function noteUse(db: Db, apiKeyId: string): Promise<void> {
  const now = new Date();
  const stale = or(
    isNull(apiKeys.lastUsedAt),
    lt(apiKeys.lastUsedAt, new Date(now.getTime() - usedResolutionMs)),
  );
  await db
    .update(apiKeys)
    .set({ lastUsedAt: now })
    .where(and(eq(apiKeys.id, apiKeyId), stale));
}

/** Keys are random: a plain hash is enough, and can be looked up. */
function hashKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}
