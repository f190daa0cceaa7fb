/** @file The checkpoint registry and the channels that say which checkpoint people talk to. */
import { sql } from "drizzle-orm";
import {
  type AnyPgColumn,
  bigint,
  boolean,
  check,
  index,
  integer,
  jsonb,
  pgTable,
  real,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { createdAt, id, moment } from "./columns";
import { users } from "./people";
import { runs } from "./runs";

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
    /** The run of this server that made it, and the steps done by then. */
    runId: uuid().references((): AnyPgColumn => runs.id),
    step: integer(),
    /** The run's best so far, by validation loss. */
    isBest: boolean().notNull().default(false),
    /** Whether `state/` lies beside it: a run can go on from it. */
    hasState: boolean().notNull().default(false),
    /** Why an admin wants it kept; null = retention may decide. */
    keepReason: text(),
    /** Its files are gone; the row stays, so that answers and checkpoints made from it can still be explained. */
    deletedAt: moment(),
    createdAt: moment().notNull().defaultNow(),
  },
  (t) => [
    check("checkpoints_stage", sql`${t.stage} in ('base', 'pretrain', 'sft', 'reward', 'ppo')`),
    check("checkpoints_run", sql`(${t.runId} is null) = (${t.step} is null)`),
    check("checkpoints_deleted", sql`${t.deletedAt} is null or not ${t.hasState}`),
    index("checkpoints_run_step").on(t.runId, t.step),
    uniqueIndex("checkpoints_best").on(t.runId).where(sql`${t.isBest}`),
  ],
);

/** A channel points to one checkpoint by its primary key: two live policies cannot be written down. */
export const channels = pgTable(
  "channels",
  {
    name: text().primaryKey(),
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id),
    /** Percent of the conversations that ask for `live` which it answers; `live` itself has the rest. */
    trafficShare: real().notNull().default(0),
    /** How the share grows by itself: see `rampSchema`. Null: it stays. */
    ramp: jsonb(),
    /** Its gates and its watch: see `channelSettingsSchema`. */
    settings: jsonb().notNull().default({}),
    /** Nothing is promoted to it while this stands; the way back stays open. */
    frozenAt: moment(),
    frozenBy: uuid().references(() => users.id, { onDelete: "set null" }),
    freezeReason: text(),
    changedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    changedAt: moment().notNull().defaultNow(),
  },
  (t) => [
    check("channels_traffic_share", sql`${t.trafficShare} between 0 and 100`),
    check("channels_live_share", sql`${t.name} <> 'live' or ${t.trafficShare} = 0`),
    check("channels_frozen", sql`(${t.frozenAt} is null) = (${t.freezeReason} is null)`),
  ],
);

/**
 * What a reward model makes of rankings that it has not seen, measured on this server; what its run measured lies in its
 * folder.
 */
export const rewardReports = pgTable(
  "reward_reports",
  {
    id: id(),
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id, { onDelete: "cascade" }),
    /** See `rewardReportSchema`. Holds no texts: they are read where they lie, as long as they may be. */
    report: jsonb().notNull(),
    /** Ranked prompts that were left out, for the model's run had them. */
    leftOut: integer().notNull(),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
  },
  (t) => [
    index("reward_reports_checkpoint").on(t.checkpointId, t.createdAt),
    check("reward_reports_left_out", sql`${t.leftOut} >= 0`),
  ],
);

/** The reward model in use: it scores new rankings before they are trained on, and picks the best answers. None: no row. */
export const currentRewardModel = pgTable(
  "current_reward_model",
  {
    /** Always 1: two cannot be written down. */
    id: smallint().primaryKey().default(1),
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id),
    chosenBy: uuid().references(() => users.id, { onDelete: "set null" }),
    chosenAt: moment().notNull().defaultNow(),
    /** Rankings from then on are scored first. Stays where one reward model follows another. */
    scoresSince: moment().notNull().defaultNow(),
    /** Why it cannot score now; while it stands no ranking waits. */
    problem: text(),
    problemAt: moment(),
  },
  (t) => [
    check("current_reward_model_one", sql`${t.id} = 1`),
    check("current_reward_model_problem", sql`(${t.problem} is null) = (${t.problemAt} is null)`),
  ],
);
