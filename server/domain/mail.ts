/** @file Mail of what happened, to admins and labelers: who wants it, what was sent, trying again until the mail server takes it. */
import { and, asc, desc, eq, lte, sql } from "drizzle-orm";
import { mailDeliveries, users } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";
import { AppError } from "../errors";
import { type Mail, type Mailer, MailRefusedError } from "../mail";
import { isAllowed } from "../permissions";
import { afterTry, type DeliveryStatus } from "./delivery-tries";
import type { NotificationPayload } from "./notifications";

export type MailDelivery = {
  id: string;
  event: string;
  status: DeliveryStatus;
  attempts: number;
  /** When it is tried next. */
  dueAt: Date;
  error: string | null;
  createdAt: Date;
  deliveredAt: Date | null;
};

export type OwnMail = {
  /** Whether a mail server is set. */
  isConfigured: boolean;
  wantsMail: boolean;
  address: string;
  /** The last ones, newest first. */
  deliveries: MailDelivery[];
};

const perRound = 20;
const shown = 20;
const noServer =
  "No mail server is set (ATTUNE_SMTP_URL and ATTUNE_MAIL_FROM in the settings of the server).";
/** By then a try is over: nobody else begins one of the same mail before. */
const takenMs = 60_000;

const columns = {
  id: mailDeliveries.id,
  event: mailDeliveries.event,
  status: mailDeliveries.status,
  attempts: mailDeliveries.attempts,
  dueAt: mailDeliveries.dueAt,
  error: mailDeliveries.error,
  createdAt: mailDeliveries.createdAt,
  deliveredAt: mailDeliveries.deliveredAt,
};

/** Ids of those who want notifications by mail and may read them. */
export async function listMailReaders(tx: Tx): Promise<string[]> {
  const rows = await tx
    .select({ id: users.id, role: users.role, grants: users.grants })
    .from(users)
    .where(and(eq(users.wantsMail, true), eq(users.banned, false)));
  return rows.filter((person) => isAllowed(person, "runs.read")).map(({ id }) => id);
}

const labelingEvent = "labeling";

/** What a labeler is told by mail. Names no prompt and quotes nobody: mail is read in many places. */
export type LabelingNews = { text: string; path: string };

/** Tells a labeler who wants mail. Takes the caller's transaction: what happened and that it is told stand or fall together. */
export async function mailLabeler(tx: Tx, userId: string, news: LabelingNews): Promise<void> {
  const isWanted = and(eq(users.id, userId), eq(users.wantsMail, true), eq(users.banned, false));
  if ((await tx.$count(users, isWanted)) === 0) return;
  await tx.insert(mailDeliveries).values({ userId, event: labelingEvent, payload: news });
}

export type MailChoice = Pick<OwnMail, "isConfigured" | "wantsMail" | "address">;

/** @throws {AppError} NOT_FOUND */
export async function readMailChoice(
  db: Db,
  { userId, isConfigured }: { userId: string; isConfigured: boolean },
): Promise<MailChoice> {
  const [person] = await db
    .select({ wantsMail: users.wantsMail, address: users.email })
    .from(users)
    .where(eq(users.id, userId));
  if (!person) throw new AppError("NOT_FOUND", "There is no such account.");
  return { ...person, isConfigured };
}

/** @throws {AppError} NOT_FOUND */
export async function readOwnMail(
  db: Db,
  { userId, isConfigured }: { userId: string; isConfigured: boolean },
): Promise<OwnMail> {
  const choice = await readMailChoice(db, { userId, isConfigured });
  const deliveries = await db
    .select(columns)
    .from(mailDeliveries)
    .where(eq(mailDeliveries.userId, userId))
    .orderBy(desc(mailDeliveries.createdAt))
    .limit(shown);
  return { ...choice, deliveries };
}

export async function chooseMail(
  db: Db,
  { userId, wantsMail }: { userId: string; wantsMail: boolean },
): Promise<void> {
  await db.update(users).set({ wantsMail }).where(eq(users.id, userId));
}

/** Tried once, at once, to one's own address. @throws {AppError} PRECONDITION_FAILED where no mail server is set */
export async function sendTestMail(db: Db, mailer: Mailer | null, userId: string): Promise<MailDelivery> {
  if (!mailer) throw new AppError("PRECONDITION_FAILED", noServer);
  const now = new Date();
  const payload: NotificationPayload = {
    id: userId,
    event: "test",
    text: "This is a test.",
    run: null,
    createdAt: now.toISOString(),
  };
  const [row] = await db
    .insert(mailDeliveries)
    .values({ userId, event: "test", payload, dueAt: new Date(now.getTime() + takenMs) })
    .returning({ id: mailDeliveries.id });
  if (!row) throw new Error("The mail was not stored.");
  await deliver(db, mailer, { deliveryId: row.id, now });
  const [delivery] = await db.select(columns).from(mailDeliveries).where(eq(mailDeliveries.id, row.id));
  if (!delivery) throw new AppError("CONFLICT", "The account may not read notifications any more.");
  return delivery;
}

/** Tries one's own mail again that was given up. @throws {AppError} CONFLICT for any other */
export async function retryMail(
  db: Db,
  { deliveryId, userId }: { deliveryId: string; userId: string },
): Promise<void> {
  const changed = await db
    .update(mailDeliveries)
    .set({ status: "pending", attempts: 0, dueAt: new Date() })
    .where(
      and(
        eq(mailDeliveries.id, deliveryId),
        eq(mailDeliveries.userId, userId),
        eq(mailDeliveries.status, "failed"),
      ),
    )
    .returning({ id: mailDeliveries.id });
  if (changed.length === 0) throw new AppError("CONFLICT", "There is no such mail that was given up.");
}

/**
 * Tries everything that is due, at once.
 * @param mailer null: no mail server is set; what is due is given up, so that it does not come in a heap once there is one
 * @returns how many were tried
 */
export async function deliverMails(db: Db, mailer: Mailer | null, now = new Date()): Promise<number> {
  const isDue = and(eq(mailDeliveries.status, "pending"), lte(mailDeliveries.dueAt, now));
  if (!mailer) {
    await db.update(mailDeliveries).set({ status: "failed", error: noServer }).where(isDue);
    return 0;
  }
  const due = await db
    .update(mailDeliveries)
    .set({ dueAt: new Date(now.getTime() + takenMs) })
    .where(
      sql`${mailDeliveries.id} in ${db
        .select({ id: mailDeliveries.id })
        .from(mailDeliveries)
        .where(isDue)
        .orderBy(asc(mailDeliveries.dueAt))
        .limit(perRound)}`,
    )
    .returning({ id: mailDeliveries.id });
  await Promise.all(due.map(({ id: deliveryId }) => deliver(db, mailer, { deliveryId, now })));
  return due.length;
}

async function deliver(
  db: Db,
  mailer: Mailer,
  { deliveryId, now }: { deliveryId: string; now: Date },
): Promise<void> {
  const [delivery] = await db
    .update(mailDeliveries)
    .set({ attempts: sql`${mailDeliveries.attempts} + 1` })
    .where(and(eq(mailDeliveries.id, deliveryId), eq(mailDeliveries.status, "pending")))
    .returning();
  if (!delivery) return;
  const { attempts, event, userId } = delivery;
  const to = await findAddress(db, userId, event);
  if (to === null) {
    await db.delete(mailDeliveries).where(eq(mailDeliveries.id, deliveryId));
    return;
  }
  const mail =
    event === labelingEvent
      ? toLabelerMail(delivery.payload as LabelingNews, to, mailer.url)
      : toMail(delivery.payload as NotificationPayload, to, mailer.url);
  const error = await trySending(mailer, mail);
  // Whoever asks for a test looks at what comes of it: a second one hours later would only puzzle.
  const isLast = event === "test" && error !== null;
  await db
    .update(mailDeliveries)
    .set({ ...afterTry({ attempts, error, now }), ...(isLast && { status: "failed" as const }) })
    .where(eq(mailDeliveries.id, deliveryId));
}

/** Null for somebody who may not read it any more, or does not want it. */
async function findAddress(db: Db, userId: string, event: string): Promise<string | null> {
  const [person] = await db
    .select({
      email: users.email,
      role: users.role,
      grants: users.grants,
      banned: users.banned,
      wantsMail: users.wantsMail,
    })
    .from(users)
    .where(eq(users.id, userId));
  const permission = event === labelingEvent ? "labeling.work" : "runs.read";
  if (!person || person.banned || !isAllowed(person, permission)) return null;
  return person.wantsMail || event === "test" ? person.email : null;
}

async function trySending(mailer: Mailer, mail: Mail): Promise<string | null> {
  try {
    await mailer.send(mail);
    return null;
  } catch (error) {
    if (error instanceof MailRefusedError) return error.message;
    throw error;
  }
}

function toLabelerMail({ text, path }: LabelingNews, to: string, url: string): Mail {
  const why = `You asked for this at ${url}/label/work, where you can switch it off.`;
  return { to, subject: `Attune: ${text}`, text: [text, "", `${url}${path}`, "", "-- ", why, ""].join("\n") };
}

function toMail({ text, run }: NotificationPayload, to: string, url: string): Mail {
  const [firstLine = ""] = text.split("\n");
  const link = run === null ? [] : ["", `${url}/admin/runs/${run.id}`];
  const why = `You asked for this at ${url}/admin/notifications, where you can switch it off.`;
  return {
    to,
    subject: `Attune: ${firstLine.slice(0, 150)}`,
    text: [text, ...link, "", "-- ", why, ""].join("\n"),
  };
}
