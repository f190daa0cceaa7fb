/** @file Promotion: who asked for it, who agreed, and the history of every channel, which only grows. */
import { sql } from "drizzle-orm";
import {
  bigint,
  boolean,
  check,
  index,
  jsonb,
  pgTable,
  primaryKey,
  real,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, id, moment } from "./columns";
import { checkpoints } from "./models";
import { users } from "./people";

const oneOf = (words: readonly string[]) => sql.raw(words.map((word) => `'${word}'`).join(", "));

export const requestKinds = ["promotion", "canary"] as const;
/** failed: its time came and it could not be done; see `problem`. */
export const requestStatuses = ["open", "applied", "withdrawn", "failed"] as const;

export const promotionRequests = pgTable(
  "promotion_requests",
  {
    id: id(),
    kind: text({ enum: requestKinds }).notNull(),
    channel: text().notNull(),
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id),
    /** What was live when it was asked for. */
    opponentId: text().references(() => checkpoints.id),
    requestedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    reason: text().notNull(),
    /** Of a canary: the shares to go through, see `rampStepsSchema`. */
    plan: jsonb(),
    /** The old policy is unloaded before the new one is loaded: chat pauses. */
    isCold: boolean().notNull().default(false),
    /** Null: as soon as somebody applies it. */
    scheduledFor: moment(),
    status: text({ enum: requestStatuses }).notNull().default("open"),
    /** Gates that somebody set aside, each with the reason typed for it: see `overrideSchema`. */
    overrides: jsonb().notNull().default([]),
    problem: text(),
    decidedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    decidedAt: moment(),
    createdAt: createdAt(),
  },
  (t) => [
    index("promotion_requests_channel").on(t.channel, t.createdAt),
    uniqueIndex("promotion_requests_open").on(t.channel, t.checkpointId).where(sql`${t.status} = 'open'`),
    check("promotion_requests_kind", sql`${t.kind} in (${oneOf(requestKinds)})`),
    check("promotion_requests_status", sql`${t.status} in (${oneOf(requestStatuses)})`),
    check("promotion_requests_decided", sql`(${t.status} = 'open') = (${t.decidedAt} is null)`),
    check("promotion_requests_plan", sql`(${t.kind} = 'canary') = (${t.plan} is not null)`),
  ],
);

/** An admin who looked at the evidence and agreed; never the one who asked. */
export const promotionApprovals = pgTable(
  "promotion_approvals",
  {
    requestId: uuid()
      .notNull()
      .references(() => promotionRequests.id, { onDelete: "cascade" }),
    /** Kept without a foreign key, as in the audit log. */
    actorId: uuid().notNull(),
    /** What the candidate was compared with: an approval does not hold against another policy. */
    opponentId: text().references(() => checkpoints.id),
    reason: text().notNull().default(""),
    at: moment().notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.requestId, t.actorId] })],
);

/**
 * started: at the start of the server · pointed: from the command line · promotion · rollback · autoReturn: by itself ·
 * canary: begun · ramp: its share changed · canaryEnded.
 */
export const promotionKinds = [
  "started",
  "pointed",
  "promotion",
  "rollback",
  "autoReturn",
  "canary",
  "ramp",
  "canaryEnded",
] as const;

/** The history of each channel. A trigger refuses updates and deletes. */
export const promotions = pgTable(
  "promotions",
  {
    id: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    channel: text().notNull(),
    kind: text({ enum: promotionKinds }).notNull(),
    /** Answers from then on; of `canaryEnded` the one that does not any more. */
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id),
    previousId: text().references(() => checkpoints.id),
    trafficShare: real().notNull().default(0),
    requestId: uuid().references(() => promotionRequests.id),
    /** Kept without a foreign key: the record outlives the account. Null = the server itself. */
    actorId: uuid(),
    reason: text().notNull(),
    /** Evidence and gates as they stood then: see `decisionSchema`. Null: none was looked at. */
    evidence: jsonb(),
    at: moment().notNull().defaultNow(),
  },
  (t) => [
    index("promotions_channel").on(t.channel, t.at),
    index("promotions_checkpoint").on(t.checkpointId),
    check("promotions_kind", sql`${t.kind} in (${oneOf(promotionKinds)})`),
    check("promotions_traffic_share", sql`${t.trafficShare} between 0 and 100`),
  ],
);

/** What was said afterwards about a row of the history: a rollback need not wait for its reason. */
export const promotionNotes = pgTable(
  "promotion_notes",
  {
    id: id(),
    promotionId: bigint({ mode: "number" })
      .notNull()
      .references(() => promotions.id),
    actorId: uuid(),
    text: text().notNull(),
    at: moment().notNull().defaultNow(),
  },
  (t) => [index("promotion_notes_promotion").on(t.promotionId, t.at)],
);
