/** @file Settings an admin changes, and the append-only audit log. */
import { bigint, index, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { moment } from "./columns";

export const settings = pgTable("settings", {
  key: text().primaryKey(),
  value: jsonb().notNull(),
  updatedAt: moment().notNull().defaultNow(),
});

/** Rows are chained: `hash` covers the row and `prevHash`. A trigger refuses updates and deletes. */
export const auditLog = pgTable(
  "audit_log",
  {
    id: bigint({ mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
    at: moment().notNull().defaultNow(),
    /** Kept without a foreign key: the record outlives the account. Null = the system. */
    actorId: uuid(),
    action: text().notNull(),
    subject: text().notNull(),
    details: jsonb().notNull().default({}),
    prevHash: text().notNull(),
    hash: text().notNull().unique(),
  },
  (t) => [index("audit_log_subject").on(t.subject)],
);
