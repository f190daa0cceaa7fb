/** @file Webhooks: signed requests to addresses an admin named, tried again with growing waits until one is taken. */
import { createHmac, randomBytes } from "node:crypto";
import { and, asc, desc, eq, lte, sql } from "drizzle-orm";
import { webhookDeliveries, webhooks } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { AppError } from "../errors";
import { appendAudit } from "./audit";
import { afterTry } from "./delivery-tries";
import type { NotificationKind, NotificationPayload } from "./notifications";
import type { SignedHead } from "./signed-head";

/** Header with `sha256=` and the HMAC of `<timestamp>.<body>` in hex. */
export const signatureHeader = "x-attune-signature";
/** Header with the seconds since 1970 at which it was signed: refuse old ones, and nobody can send it again. */
export const timestampHeader = "x-attune-timestamp";
/** Header with the delivery's id, the same on every try. */
export const deliveryHeader = "x-attune-delivery";

const maxWebhooks = 20;
const timeoutMs = 10_000;
const perRound = 20;

export type Webhook = {
  id: string;
  url: string;
  events: NotificationKind[];
  createdAt: Date;
  /** What the last delivery came to. */
  last: { status: Delivery["status"]; httpStatus: number | null; error: string | null; at: Date } | null;
};

export type Delivery = {
  id: string;
  event: string;
  status: "pending" | "delivered" | "failed";
  attempts: number;
  /** When it is tried next. */
  dueAt: Date;
  httpStatus: number | null;
  error: string | null;
  createdAt: Date;
  deliveredAt: Date | null;
};

const deliveryColumns = {
  id: webhookDeliveries.id,
  event: webhookDeliveries.event,
  status: webhookDeliveries.status,
  attempts: webhookDeliveries.attempts,
  dueAt: webhookDeliveries.dueAt,
  httpStatus: webhookDeliveries.httpStatus,
  error: webhookDeliveries.error,
  createdAt: webhookDeliveries.createdAt,
  deliveredAt: webhookDeliveries.deliveredAt,
};

/** Oldest first. */
export async function listWebhooks(db: Db): Promise<Webhook[]> {
  const rows = await db.select().from(webhooks).orderBy(asc(webhooks.createdAt));
  const newest = await db
    .selectDistinctOn([webhookDeliveries.webhookId], {
      webhookId: webhookDeliveries.webhookId,
      ...deliveryColumns,
    })
    .from(webhookDeliveries)
    .orderBy(webhookDeliveries.webhookId, desc(webhookDeliveries.createdAt));
  return rows.map(({ id, url, events, createdAt }) => {
    const last = newest.find(({ webhookId }) => webhookId === id);
    return {
      id,
      url,
      events,
      createdAt,
      last: last
        ? {
            status: last.status,
            httpStatus: last.httpStatus,
            error: last.error,
            at: last.deliveredAt ?? last.createdAt,
          }
        : null,
    };
  });
}

/**
 * Any http or https address may be named, private ones too: on a server of one's own the receiver is often the machine next
 * door, and only admins name addresses. Redirects are not followed, and what is answered is not read.
 * @returns the secret, which nobody can read again. @throws {AppError} CONFLICT beyond 20
 */
export async function createWebhook(
  db: Db,
  { url, events, actorId }: { url: string; events: NotificationKind[]; actorId: string },
): Promise<{ webhookId: string; secret: string }> {
  const secret = randomBytes(32).toString("base64url");
  return db.transaction(async (tx) => {
    if ((await tx.$count(webhooks)) >= maxWebhooks) {
      throw new AppError("CONFLICT", `There are ${maxWebhooks} webhooks. Delete one that is not used.`);
    }
    const [row] = await tx
      .insert(webhooks)
      .values({ url, secret, events: [...new Set(events)], createdBy: actorId })
      .returning({ id: webhooks.id });
    if (!row) throw new Error("The webhook was not stored.");
    await appendAudit(tx, {
      actorId,
      action: "webhook.created",
      subject: row.id,
      details: { host: new URL(url).host, events },
    });
    return { webhookId: row.id, secret };
  });
}

/** With what was to be sent to it. @throws {AppError} NOT_FOUND */
export async function deleteWebhook(
  db: Db,
  { webhookId, actorId }: { webhookId: string; actorId: string },
): Promise<void> {
  await db.transaction(async (tx) => {
    const deleted = await tx
      .delete(webhooks)
      .where(eq(webhooks.id, webhookId))
      .returning({ id: webhooks.id });
    if (deleted.length === 0) throw new AppError("NOT_FOUND", "There is no such webhook.");
    await appendAudit(tx, { actorId, action: "webhook.deleted", subject: webhookId });
  });
}

/** @throws {AppError} NOT_FOUND */
export async function testWebhook(db: Db, webhookId: string): Promise<Delivery> {
  const isThere = await db.$count(webhooks, eq(webhooks.id, webhookId));
  if (!isThere) throw new AppError("NOT_FOUND", "There is no such webhook.");
  const payload: NotificationPayload = {
    id: webhookId,
    event: "test",
    text: "This is a test.",
    run: null,
    createdAt: new Date().toISOString(),
  };
  const [row] = await db
    .insert(webhookDeliveries)
    .values({ webhookId, event: "test", payload })
    .returning({ id: webhookDeliveries.id });
  if (!row) throw new Error("The delivery was not stored.");
  await deliver(db, row.id);
  const [delivery] = await db
    .select(deliveryColumns)
    .from(webhookDeliveries)
    .where(eq(webhookDeliveries.id, row.id));
  if (!delivery) throw new AppError("NOT_FOUND", "The webhook was deleted meanwhile.");
  return delivery;
}

/** Newest first. */
export function listDeliveries(db: Db, webhookId: string): Promise<Delivery[]> {
  return db
    .select(deliveryColumns)
    .from(webhookDeliveries)
    .where(eq(webhookDeliveries.webhookId, webhookId))
    .orderBy(desc(webhookDeliveries.createdAt))
    .limit(100);
}

/** @throws {AppError} CONFLICT for one that was not given up */
export async function retryDelivery(db: Db, deliveryId: string): Promise<void> {
  const changed = await db
    .update(webhookDeliveries)
    .set({ status: "pending", attempts: 0, dueAt: new Date() })
    .where(and(eq(webhookDeliveries.id, deliveryId), eq(webhookDeliveries.status, "failed")))
    .returning({ id: webhookDeliveries.id });
  if (changed.length === 0) throw new AppError("CONFLICT", "There is no such delivery that was given up.");
}

/**
 * Tries everything that is due, at once.
 * @param readHead the signed head of the audit log: whoever keeps what is sent can tell later whether the log was rewritten
 * @returns how many were tried
 */
export async function deliverDue(
  db: Db,
  now = new Date(),
  readHead: () => SignedHead | null = () => null,
): Promise<number> {
  const due = await db
    .select({ id: webhookDeliveries.id })
    .from(webhookDeliveries)
    .where(and(eq(webhookDeliveries.status, "pending"), lte(webhookDeliveries.dueAt, now)))
    .orderBy(asc(webhookDeliveries.dueAt))
    .limit(perRound);
  const auditHead = due.length > 0 ? readHead() : null;
  await Promise.all(due.map(({ id }) => deliver(db, id, { now, auditHead })));
  return due.length;
}

async function deliver(
  db: Db,
  deliveryId: string,
  { now = new Date(), auditHead = null }: { now?: Date; auditHead?: SignedHead | null } = {},
): Promise<void> {
  const [delivery] = await db
    .update(webhookDeliveries)
    .set({ attempts: sql`${webhookDeliveries.attempts} + 1` })
    .where(and(eq(webhookDeliveries.id, deliveryId), eq(webhookDeliveries.status, "pending")))
    .returning();
  if (!delivery) return;
  const [webhook] = await db.select().from(webhooks).where(eq(webhooks.id, delivery.webhookId));
  if (!webhook) return;
  const body = JSON.stringify({ ...(delivery.payload as object), ...(auditHead && { auditHead }) });
  const outcome = await send(webhook, { id: delivery.id, body, now });
  await db
    .update(webhookDeliveries)
    .set({ ...outcome, ...afterTry({ attempts: delivery.attempts, error: outcome.error, now }) })
    .where(eq(webhookDeliveries.id, deliveryId));
}

/** What a receiver computes to see that it was us. */
export function signPayload(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac("sha256", secret).update(`${timestamp}.${body}`).digest("hex")}`;
}

async function send(
  { url, secret }: { url: string; secret: string },
  { id, body, now }: { id: string; body: string; now: Date },
): Promise<{ httpStatus: number | null; error: string | null }> {
  const timestamp = String(Math.floor(now.getTime() / 1000));
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        "content-type": "application/json",
        "user-agent": "Attune",
        [timestampHeader]: timestamp,
        [signatureHeader]: signPayload(secret, timestamp, body),
        [deliveryHeader]: id,
      },
    });
    await response.body?.cancel();
    return { httpStatus: response.status, error: response.ok ? null : `It answered ${response.status}.` };
  } catch (error) {
    return { httpStatus: null, error: describeFailure(error) };
  }
}

function describeFailure(error: unknown): string {
  if (error instanceof Error && error.name === "TimeoutError") {
    return `It did not answer within ${timeoutMs / 1000} seconds.`;
  }
  const cause = error instanceof Error ? error.cause : null;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
  return `It could not be reached (${code}).`;
}
