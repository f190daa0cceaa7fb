/** @file The checkpoint registry and the channels that say which checkpoint people talk to. */
import { sql } from "drizzle-orm";
import { type AnyPgColumn, bigint, check, jsonb, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { moment } from "./columns";
import { users } from "./people";

export const checkpoints = pgTable(
  "checkpoints",
  {
    /** sha256 of its attune.json. */
    id: text().primaryKey(),
    name: text().notNull(),
    /** `base`: imported, not trained here. */
    stage: text({ enum: ["base", "pretrain", "sft", "reward", "ppo"] }).notNull(),
    parentId: text().references((): AnyPgColumn => checkpoints.id),
    /** Folder, relative to the data folder (or absolute where the person named one). */
    folder: text().notNull(),
    manifest: jsonb().notNull(),
    sizeBytes: bigint({ mode: "number" }).notNull(),
    createdAt: moment().notNull().defaultNow(),
  },
  (t) => [check("checkpoints_stage", sql`${t.stage} in ('base', 'pretrain', 'sft', 'reward', 'ppo')`)],
);

/** A channel points to one checkpoint by its primary key: two live policies cannot be written down. */
export const channels = pgTable("channels", {
  name: text().primaryKey(),
  checkpointId: text()
    .notNull()
    .references(() => checkpoints.id),
  changedBy: uuid().references(() => users.id, { onDelete: "set null" }),
  changedAt: moment().notNull().defaultNow(),
});
