/** @file The record of who did what: rows that only grow, each carrying the hash of the one before. */
import { createHash } from "node:crypto";
import { and, asc, desc, eq, gt, ilike, lt, type SQL, sql } from "drizzle-orm";
import { auditLog, users } from "@/drizzle/schema";
import type { Db, Tx } from "../db/db";

/** What can be recorded. `<area>.<what happened>`, in the past tense. */
export const auditActions = [
  "account.created",
  "account.deleted",
  "account.exported",
  "account.passwordChanged",
  "account.passwordReset",
  "apiKey.created",
  "apiKey.revoked",
  "backup.made",
  "backup.restored",
  "batch.closed",
  "batch.created",
  "batch.opened",
  "batch.paused",
  "batch.prioritised",
  "batch.tasksRetired",
  "case.archived",
  "case.judged",
  "case.pinned",
  "case.restored",
  "channel.closed",
  "channel.frozen",
  "channel.pointed",
  "channel.settingsChanged",
  "channel.unfrozen",
  "checkpoint.deleted",
  "checkpoint.kept",
  "checkpoint.registered",
  "comparison.ended",
  "comparison.started",
  "consent.answered",
  "dataset.created",
  "dataset.deleted",
  "dataset.rowsErased",
  "demonstration.returned",
  "demonstration.reviewed",
  "evaluation.askedAgain",
  "evaluation.created",
  "evaluation.judgeAdded",
  "guidelines.versionAdded",
  "history.imported",
  "invite.created",
  "invite.revoked",
  "labeler.groupChanged",
  "labeler.requalificationAsked",
  "labeler.restored",
  "labeler.setAside",
  "labelerGroup.created",
  "person.disabled",
  "person.enabled",
  "person.grantsChanged",
  "person.resetLinkIssued",
  "person.roleChanged",
  "promotion.approved",
  "promotion.failed",
  "promotion.noted",
  "promotion.overridden",
  "promotion.requested",
  "promotion.withdrawn",
  "prompt.reported",
  "prompt.restored",
  "prompt.sensitivityChanged",
  "prompts.collected",
  "prompts.uploaded",
  "question.answered",
  "qualification.decided",
  "qualification.failed",
  "qualification.passed",
  "qualificationTest.changed",
  "ranking.adjudicated",
  "ranking.returned",
  "rankings.exported",
  "rankings.importRemoved",
  "rankings.imported",
  "rewardModel.chosen",
  "rewardModel.dropped",
  "run.cancelled",
  "run.created",
  "run.ended",
  "run.paused",
  "run.prioritised",
  "run.resumed",
  "session.revoked",
  "setting.changed",
  "setup.completed",
  "suite.deleted",
  "suite.uploaded",
  "task.knownAnswerRemoved",
  "task.knownAnswerSet",
  "webhook.created",
  "webhook.deleted",
  "worker.created",
  "worker.revoked",
] as const;
export type AuditAction = (typeof auditActions)[number];

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export type AuditEntry = {
  /** Null = the system, or somebody at the machine itself. */
  actorId: string | null;
  action: AuditAction;
  /** What it was done to: a person's id, a setting's name. */
  subject: string;
  /** Facts of the act. No addresses, names or texts of people: rows are never erased. */
  details?: { [key: string]: Json };
};

const pageSize = 1000;

/**
 * Appends a row to the chain. Takes the caller's transaction, so the act and its record stand or fall together; call it
 * last, because it makes every other append wait until the transaction ends.
 */
export async function appendAudit(
  tx: Tx,
  { actorId, action, subject, details = {} }: AuditEntry,
): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(hashtext('attune audit'))`);
  const [last] = await tx.select({ hash: auditLog.hash }).from(auditLog).orderBy(desc(auditLog.id)).limit(1);
  const row = { at: new Date(), actorId, action, subject, details, prevHash: last?.hash ?? "" };
  await tx.insert(auditLog).values({ ...row, hash: hashRow(row) });
}

type HashedFields = Omit<typeof auditLog.$inferSelect, "id" | "hash">;

/** sha256 over the row's fields, in one canonical order, and the hash before it. */
function hashRow({ at, actorId, action, subject, details, prevHash }: HashedFields): string {
  const text = canonicalJson([at.toISOString(), actorId, action, subject, details, prevHash]);
  return createHash("sha256").update(text).digest("hex");
}

/** JSON with sorted keys: the database does not keep their order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner instanceof Object && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

/** The newest row: kept outside the database (in every backup's manifest), it shows rows cut off the end. */
export type AuditHead = { id: number; hash: string };

export async function readAuditHead(db: Db): Promise<AuditHead | null> {
  const [head] = await db
    .select({ id: auditLog.id, hash: auditLog.hash })
    .from(auditLog)
    .orderBy(desc(auditLog.id))
    .limit(1);
  return head ?? null;
}

export type AuditVerdict =
  | { ok: true; rows: number; head: AuditHead | null }
  /**
   * `brokenAt`: the first row that does not follow from the one before, or the known head. changed: it is not what its hash says ·
   * missing: rows are gone before it, or the end is cut off · rewritten: the chain holds, but is another one than the known head's.
   */
  | { ok: false; rows: number; brokenAt: number; reason: "changed" | "missing" | "rewritten" };

/** Recomputes the whole chain. @param known a head seen earlier, which must still be in it */
export async function verifyAudit(db: Db, known?: AuditHead): Promise<AuditVerdict> {
  return verifyAuditAfter(db, null, known);
}

/** From the row after `start` on, which is taken as it is. */
export async function verifyAuditAfter(
  db: Db,
  start: AuditHead | null,
  known?: AuditHead,
): Promise<AuditVerdict> {
  let head = start;
  let rows = 0;
  let hasKnown = known === undefined;
  for (;;) {
    const page = await db
      .select()
      .from(auditLog)
      .where(head ? gt(auditLog.id, head.id) : undefined)
      .orderBy(asc(auditLog.id))
      .limit(pageSize);
    for (const row of page) {
      if (row.prevHash !== (head?.hash ?? ""))
        return { ok: false, rows, brokenAt: row.id, reason: "missing" };
      if (row.hash !== hashRow(row)) return { ok: false, rows, brokenAt: row.id, reason: "changed" };
      head = { id: row.id, hash: row.hash };
      hasKnown ||= known?.hash === row.hash;
      rows += 1;
    }
    if (page.length < pageSize) break;
  }
  if (known && !hasKnown) {
    const isLonger = head !== null && head.id >= known.id;
    return { ok: false, rows, brokenAt: known.id, reason: isLonger ? "rewritten" : "missing" };
  }
  return { ok: true, rows, head };
}

/** Whether the row of a head is there and still has its hash. */
export async function hasAuditHead(db: Db, { id, hash }: AuditHead): Promise<boolean> {
  return (await db.$count(auditLog, and(eq(auditLog.id, id), eq(auditLog.hash, hash)))) > 0;
}

export type AuditRow = {
  id: number;
  at: Date;
  action: string;
  subject: string;
  details: unknown;
  actor: { id: string; name: string | null } | null;
};

export type AuditQuery = {
  /** Rows older than this id; null = from the newest. */
  cursor: number | null;
  limit: number;
  /** Beginning of the action: "person." or "setting.changed". */
  action?: string | undefined;
  actorId?: string | undefined;
  subject?: string | undefined;
};

/** Newest first. `actor.name` is null where the account is gone. */
export async function listAudit(
  db: Db,
  { cursor, limit, action, actorId, subject }: AuditQuery,
): Promise<{ rows: AuditRow[]; nextCursor: number | null }> {
  const conditions: (SQL | undefined)[] = [
    cursor === null ? undefined : lt(auditLog.id, cursor),
    action ? ilike(auditLog.action, `${action.replace(/[\\%_]/g, "\\$&")}%`) : undefined,
    actorId ? eq(auditLog.actorId, actorId) : undefined,
    subject ? eq(auditLog.subject, subject) : undefined,
  ];
  const found = await db
    .select({ row: auditLog, actorName: users.name })
    .from(auditLog)
    .leftJoin(users, eq(users.id, auditLog.actorId))
    .where(and(...conditions))
    .orderBy(desc(auditLog.id))
    .limit(limit + 1);
  const rows = found.slice(0, limit).map(({ row, actorName }) => ({
    id: row.id,
    at: row.at,
    action: row.action,
    subject: row.subject,
    details: row.details,
    actor: row.actorId === null ? null : { id: row.actorId, name: actorName },
  }));
  return { rows, nextCursor: found.length > limit ? (rows.at(-1)?.id ?? null) : null };
}
