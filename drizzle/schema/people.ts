/** @file Who uses Attune: accounts (better-auth's four tables), invites, one-time links, API keys and consent. */
import { sql } from "drizzle-orm";
import { boolean, check, index, integer, pgTable, text, uniqueIndex, uuid } from "drizzle-orm/pg-core";
import { createdAt, id, moment } from "./columns";

export const users = pgTable(
  "users",
  {
    id: id(),
    name: text().notNull(),
    email: text().notNull().unique(),
    emailVerified: boolean().notNull().default(false),
    image: text(),
    /** Nested: a labeler may do what a user may, an admin what a labeler may. */
    role: text({ enum: ["user", "labeler", "admin"] })
      .notNull()
      .default("user"),
    /** Permissions beyond the role. */
    grants: text({ enum: ["labelingLead", "auditor"] })
      .array()
      .notNull()
      .default(sql`'{}'`),
    banned: boolean().notNull().default(false),
    banReason: text(),
    banExpires: moment(),
    /** May this person's conversations be used to improve the assistant? Off until they say so. */
    consent: boolean().notNull().default(false),
    /** When the question was explained and answered; null = not asked yet. */
    consentAnsweredAt: moment(),
    /** Does this person want notifications by mail? Asks nothing of those who may not read them. */
    wantsMail: boolean().notNull().default(false),
    createdAt: createdAt(),
    updatedAt: moment().notNull().defaultNow(),
  },
  (t) => [
    check("users_role", sql`${t.role} in ('user', 'labeler', 'admin')`),
    check("users_grants", sql`${t.grants} <@ array['labelingLead', 'auditor']`),
  ],
);

export const sessions = pgTable(
  "sessions",
  {
    id: id(),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    token: text().notNull().unique(),
    expiresAt: moment().notNull(),
    ipAddress: text(),
    userAgent: text(),
    impersonatedBy: text(),
    createdAt: createdAt(),
    updatedAt: moment().notNull().defaultNow(),
  },
  (t) => [index("sessions_user").on(t.userId)],
);

/** Ways to sign in. A user may have none with a password (single sign-on). */
export const accounts = pgTable(
  "accounts",
  {
    id: id(),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    accountId: text().notNull(),
    providerId: text().notNull(),
    accessToken: text(),
    refreshToken: text(),
    idToken: text(),
    accessTokenExpiresAt: moment(),
    refreshTokenExpiresAt: moment(),
    scope: text(),
    password: text(),
    createdAt: createdAt(),
    updatedAt: moment().notNull().defaultNow(),
  },
  (t) => [
    index("accounts_user").on(t.userId),
    uniqueIndex("accounts_provider").on(t.providerId, t.accountId),
  ],
);

export const verifications = pgTable(
  "verifications",
  {
    id: id(),
    identifier: text().notNull(),
    value: text().notNull(),
    expiresAt: moment().notNull(),
    createdAt: createdAt(),
    updatedAt: moment().notNull().defaultNow(),
  },
  (t) => [index("verifications_identifier").on(t.identifier)],
);

/** One-time links: the first admin's set-up, an invitation, a password reset. Only a hash of the token is kept. */
export const oneTimeLinks = pgTable(
  "one_time_links",
  {
    id: id(),
    kind: text({ enum: ["setup", "invite", "reset"] }).notNull(),
    tokenHash: text().notNull().unique(),
    /** Invites: whom, if addressed, and the role they get. */
    email: text(),
    role: text({ enum: ["user", "labeler", "admin"] }),
    /** Resets: whose password. */
    userId: uuid().references(() => users.id, { onDelete: "cascade" }),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
    expiresAt: moment().notNull(),
    usedAt: moment(),
    usedBy: uuid().references(() => users.id, { onDelete: "set null" }),
  },
  (t) => [check("one_time_links_kind", sql`${t.kind} in ('setup', 'invite', 'reset')`)],
);

/** Keys of the OpenAI-compatible API. Shown once; only a hash is kept. */
export const apiKeys = pgTable(
  "api_keys",
  {
    id: id(),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    name: text().notNull(),
    keyHash: text().notNull().unique(),
    /** Last four characters, to tell keys apart. */
    suffix: text().notNull(),
    /** May traffic with this key be used to improve the assistant? */
    consent: boolean().notNull().default(false),
    createdAt: createdAt(),
    lastUsedAt: moment(),
    revokedAt: moment(),
  },
  (t) => [index("api_keys_user").on(t.userId)],
);

/** Every answer to the consent question, newest wins; `conversationId` null = for the whole account. */
export const consentEvents = pgTable(
  "consent_events",
  {
    id: id(),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    conversationId: uuid(),
    granted: boolean(), // null on a conversation: back to the account's answer
    noticeVersion: integer().notNull().default(1),
    createdAt: createdAt(),
  },
  (t) => [index("consent_events_user").on(t.userId, t.createdAt)],
);
