/** @file The person's answer to "may your conversations be used to improve the assistant?", and its history. */
import { and, desc, eq, sql } from "drizzle-orm";
import { consentEvents, conversations, users } from "@/drizzle/schema";
import type { Db } from "../db/db";
import { appendAudit } from "./audit";

/** Raise it when the explanation changes in substance: the person is then asked again. */
export const consentNoticeVersion = 1;

export type ConsentState = {
  granted: boolean;
  /** Null = the question was not answered yet: explain it once and ask. */
  answeredAt: Date | null;
};

export type ConsentEvent = {
  at: Date;
  /** Null = for the whole account. */
  conversationId: string | null;
  /** Null on a conversation: back to the account's answer. */
  granted: boolean | null;
  noticeVersion: number;
};

export async function readConsent(db: Db, userId: string): Promise<ConsentState> {
  const [user] = await db
    .select({ granted: users.consent, answeredAt: users.consentAnsweredAt })
    .from(users)
    .where(eq(users.id, userId));
  return user ?? { granted: false, answeredAt: null };
}

/** Holds from now on for every dataset made later; a withdrawal needs no other step. */
export async function answerConsent(
  db: Db,
  { userId, granted }: { userId: string; granted: boolean },
): Promise<ConsentState> {
  return db.transaction(async (tx) => {
    const answeredAt = new Date();
    await tx
      .update(users)
      .set({ consent: granted, consentAnsweredAt: answeredAt })
      .where(eq(users.id, userId));
    // "No" means all of it: an earlier "yes" on single conversations must not outlive it. Imported ones do not follow the
    // account: a later "yes" is not about them.
    if (!granted) {
      await tx
        .update(conversations)
        .set({ consent: sql`case when ${conversations.source} = 'import' then false end` })
        .where(and(eq(conversations.userId, userId), eq(conversations.consent, true)));
    }
    await tx.insert(consentEvents).values({ userId, granted, noticeVersion: consentNoticeVersion });
    await appendAudit(tx, {
      actorId: userId,
      action: "consent.answered",
      subject: userId,
      details: { granted },
    });
    return { granted, answeredAt };
  });
}

/** Every answer, newest first. */
export async function listConsentEvents(db: Db, userId: string): Promise<ConsentEvent[]> {
  return db
    .select({
      at: consentEvents.createdAt,
      conversationId: consentEvents.conversationId,
      granted: consentEvents.granted,
      noticeVersion: consentEvents.noticeVersion,
    })
    .from(consentEvents)
    .where(eq(consentEvents.userId, userId))
    .orderBy(desc(consentEvents.createdAt))
    .limit(1000);
}
