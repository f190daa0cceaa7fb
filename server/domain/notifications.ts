/** @file What admins are told about runs: a list in the app, and the same to webhooks and by mail. */
import { and, count, desc, eq, gt, isNull, lt, sql } from "drizzle-orm";
import {
  mailDeliveries,
  notificationKinds,
  notificationReads,
  notifications,
  runs,
  webhookDeliveries,
  webhooks,
} from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { listMailReaders } from "./mail";

export { notificationKinds };
export type NotificationKind = (typeof notificationKinds)[number];

export type Notification = {
  id: string;
  kind: NotificationKind;
  text: string;
  run: { id: string; number: number } | null;
  createdAt: Date;
  isRead: boolean;
};

/** What a webhook is sent, and a mail is made of. */
export type NotificationPayload = {
  id: string;
  event: NotificationKind | "test";
  text: string;
  run: { id: string; number: number; name: string; status: string } | null;
  /** Of what is told about promotions. */
  promotion?: PromotionFacts;
  createdAt: string;
};

export type PromotionFacts = { channel: string; checkpointId: string; requestId: string | null };

/** A disk stays full for a while: said once in this time. */
const quietMs: Partial<Record<NotificationKind, number>> = { diskLow: 60 * 60 * 1000 };
const lifetimeMs = 90 * 24 * 60 * 60 * 1000;

export type NewNotification = {
  kind: NotificationKind;
  runId: string | null;
  text: string;
  promotion?: PromotionFacts;
};

/** Takes the caller's transaction: what happened and that it is told stand or fall together. */
export async function notify(tx: Tx, { kind, runId, text, promotion }: NewNotification): Promise<void> {
  if (await wasSaidLately(tx, kind)) return;
  const [made] = await tx.insert(notifications).values({ kind, runId, text }).returning();
  if (!made) throw new Error("The notification was not stored.");
  const listening = await tx
    .select({ id: webhooks.id })
    .from(webhooks)
    .where(sql`${kind} = any(${webhooks.events})`);
  const readers = await listMailReaders(tx);
  if (listening.length + readers.length === 0) return;
  const payload: NotificationPayload = {
    id: made.id,
    event: kind,
    text,
    run: runId === null ? null : await readRunFacts(tx, runId),
    ...(promotion && { promotion }),
    createdAt: made.createdAt.toISOString(),
  };
  if (listening.length > 0) {
    const rows = listening.map(({ id }) => ({ webhookId: id, event: kind, payload }));
    await tx.insert(webhookDeliveries).values(rows);
  }
  if (readers.length > 0) {
    await tx.insert(mailDeliveries).values(readers.map((userId) => ({ userId, event: kind, payload })));
  }
}

async function wasSaidLately(tx: Tx, kind: NotificationKind): Promise<boolean> {
  const quiet = quietMs[kind];
  if (quiet === undefined) return false;
  const since = new Date(Date.now() - quiet);
  return (
    (await tx.$count(notifications, and(eq(notifications.kind, kind), gt(notifications.createdAt, since)))) >
    0
  );
}

async function readRunFacts(tx: Tx, runId: string): Promise<NotificationPayload["run"]> {
  const [run] = await tx
    .select({ id: runs.id, number: runs.number, name: runs.name, status: runs.status })
    .from(runs)
    .where(eq(runs.id, runId));
  return run ?? null;
}

/** Newest first, with how many this person has not read. */
export async function listNotifications(
  db: Db,
  { userId, limit }: { userId: string; limit: number },
): Promise<{ notifications: Notification[]; unread: number }> {
  const isTheirs = and(
    eq(notificationReads.notificationId, notifications.id),
    eq(notificationReads.userId, userId),
  );
  const rows = await db
    .select({
      id: notifications.id,
      kind: notifications.kind,
      text: notifications.text,
      run: { id: runs.id, number: runs.number },
      createdAt: notifications.createdAt,
      isRead: sql<boolean>`${notificationReads.userId} is not null`,
    })
    .from(notifications)
    .leftJoin(runs, eq(runs.id, notifications.runId))
    .leftJoin(notificationReads, isTheirs)
    .orderBy(desc(notifications.createdAt), desc(notifications.id))
    .limit(limit);
  const [unread] = await db
    .select({ n: count() })
    .from(notifications)
    .leftJoin(notificationReads, isTheirs)
    .where(isNull(notificationReads.userId));
  return { notifications: rows, unread: unread?.n ?? 0 };
}

/** Marks everything up to now as read by this person. */
export async function markNotificationsRead(db: Db, userId: string): Promise<void> {
  await db.execute(sql`
    insert into ${notificationReads} (notification_id, user_id)
    select id, ${userId}::uuid from ${notifications} on conflict do nothing`);
}

export async function sweepNotifications(db: Db, now = new Date()): Promise<void> {
  const before = new Date(now.getTime() - lifetimeMs);
  await db.delete(notifications).where(lt(notifications.createdAt, before));
  await db.delete(mailDeliveries).where(lt(mailDeliveries.createdAt, before));
}
