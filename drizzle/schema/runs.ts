/** @file Training: dataset snapshots, runs and their timelines, the workers that claim them, and who is told about it. */
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
  primaryKey,
  smallint,
  text,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { regressionCases } from "./cases";
import { createdAt, id, moment } from "./columns";
import { checkpoints } from "./models";
import { users } from "./people";

export const datasetKinds = ["demonstrations", "documents", "rankings", "prompts"] as const;

/** A snapshot: once sealed it never changes, but that rows of it may be erased. A trigger refuses anything else. */
export const datasets = pgTable(
  "datasets",
  {
    id: id(),
    name: text().notNull(),
    kind: text({ enum: datasetKinds }).notNull(),
    /** sha256 of the manifest: the row hashes in order, each followed by a line end. Null while rows are added. */
    sha256: text(),
    rowCount: integer().notNull().default(0),
    /** Of its rows as JSONL, before anything was erased. */
    sizeBytes: bigint({ mode: "number" }).notNull().default(0),
    /** Lines that were no rows and were left out, as whoever uploaded it had asked. */
    skippedLines: integer().notNull().default(0),
    /** Parts of the upload received so far: the number of the next one. */
    nextPart: integer().notNull().default(0),
    source: text({ enum: ["upload", "product"] }).notNull(),
    /** Said by whoever made it: where the data comes from, under what licence. */
    description: text().notNull().default(""),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
    sealedAt: moment(),
    /** Its rows are all erased; the manifest stays, so that what was trained on it can still be named. */
    deletedAt: moment(),
  },
  (t) => [
    index("datasets_by_sha256").on(t.sha256),
    check("datasets_kind", sql`${t.kind} in ('demonstrations', 'documents', 'rankings', 'prompts')`),
    check("datasets_source", sql`${t.source} in ('upload', 'product')`),
    check("datasets_sha256", sql`${t.sha256} ~ '^[0-9a-f]{64}$'`),
    check("datasets_sealed", sql`(${t.sealedAt} is null) = (${t.sha256} is null)`),
    check("datasets_counts", sql`${t.rowCount} >= 0 and ${t.sizeBytes} >= 0 and ${t.skippedLines} >= 0`),
  ],
);

export const datasetRows = pgTable(
  "dataset_rows",
  {
    datasetId: uuid()
      .notNull()
      .references(() => datasets.id, { onDelete: "cascade" }),
    /** From 0. */
    position: integer().notNull(),
    /** sha256 of `content`; stays when the row is erased, so that the manifest still verifies. */
    hash: text().notNull(),
    /** One line of JSONL, byte for byte. Null = erased. */
    content: text(),
    /** Whose words it holds. Losing its owner erases the row (trigger). */
    ownerId: uuid().references(() => users.id, { onDelete: "set null" }),
  },
  (t) => [
    primaryKey({ columns: [t.datasetId, t.position] }),
    index("dataset_rows_owner").on(t.ownerId).where(sql`${t.ownerId} is not null`),
    index("dataset_rows_erased").on(t.datasetId).where(sql`${t.content} is null`),
    check("dataset_rows_hash", sql`${t.hash} ~ '^[0-9a-f]{64}$'`),
    check("dataset_rows_position", sql`${t.position} >= 0`),
    check("dataset_rows_one_line", sql`${t.content} not like E'%\n%'`),
    check("dataset_rows_tombstone", sql`${t.content} is not null or ${t.ownerId} is null`),
  ],
);

/** A machine, or a process of it, that may claim runs. Its token is shown once; only a hash is kept. */
export const workers = pgTable(
  "workers",
  {
    id: id(),
    name: text().notNull(),
    /** `embedded`: the child of the web process. */
    kind: text({ enum: ["embedded", "remote"] }).notNull(),
    tokenHash: text().notNull().unique(),
    /** Last four characters of the token, to tell workers apart. */
    suffix: text().notNull(),
    /** What it said when it last asked for work. */
    protocolVersion: integer(),
    stages: text().array().notNull().default(sql`'{}'`),
    capabilities: jsonb().notNull().default({}),
    versions: jsonb().notNull().default({}),
    lastSeenAt: moment(),
    revokedAt: moment(),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
  },
  (t) => [
    check("workers_kind", sql`${t.kind} in ('embedded', 'remote')`),
    uniqueIndex("workers_embedded").on(t.kind).where(sql`${t.kind} = 'embedded'`),
  ],
);

export const runStatuses = [
  "queued",
  "running",
  "pausing",
  "paused",
  "cancelling",
  "cancelled",
  "finished",
  "failed",
] as const;

export const runs = pgTable(
  "runs",
  {
    id: id(),
    /** What people call it: run 31. One more than the highest; a sequence would leave gaps after a crash. */
    number: integer().notNull().unique(),
    name: text().notNull(),
    stage: text({ enum: ["pretrain", "sft", "reward", "ppo", "eval"] }).notNull(),
    /** The stage's settings, defaults included, without those that name files: the worker fills these in. */
    config: jsonb().notNull(),
    /** Where it starts from; for `pretrain`, whose tokenizer it takes: null where it makes a new one. */
    baseCheckpointId: text().references(() => checkpoints.id),
    /**
     * queued: waits for a worker · running: a worker holds the lease · pausing, cancelling: the worker is to be told, or
     * has been told · paused: goes on when somebody says so · cancelled, finished, failed: over.
     */
    status: text({ enum: runStatuses }).notNull().default("queued"),
    /** Why it is paused or failed, for people. */
    reason: text(),
    /** Higher goes first. */
    priority: smallint().notNull().default(0),
    /** What a worker must have; see `requirementsSchema` in server/runs/protocol. */
    requirements: jsonb().notNull().default({}),
    /** Not to be claimed before: a run whose code failed waits a little. */
    notBefore: moment(),
    /** Failures of its code without a new checkpoint in between. */
    attempts: smallint().notNull().default(0),
    /** Whether a checkpoint came in since the last failure of its code. */
    hasProgressed: boolean().notNull().default(false),
    /** Times that the system killed its training process without a new checkpoint in between. */
    kills: smallint().notNull().default(0),
    /** Counts leases: a write that carries an older number is late and refused. */
    fencing: integer().notNull().default(0),
    workerId: uuid().references(() => workers.id),
    /** The process of that worker: another one that claims has replaced it. */
    workerSession: text(),
    leaseExpiresAt: moment(),
    /** Steps done, and how many there will be. */
    step: integer().notNull().default(0),
    totalSteps: integer(),
    /** Of the newest event a worker sent; the next is one higher. */
    lastSequence: integer().notNull().default(0),
    /** Of the newest row of its timeline or its metrics. */
    lastNumber: integer().notNull().default(0),
    /** Why the same run could not be made again; null where it could. */
    notReproducible: text(),
    clonedFromId: uuid().references((): AnyPgColumn => runs.id, { onDelete: "set null" }),
    /** The first of the runs that were started together, alike but for their seeds; null: it was started alone. */
    seedsOfId: uuid().references((): AnyPgColumn => runs.id, { onDelete: "set null" }),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    /** Who last paused, resumed or cancelled it, for whoever comes second. */
    changedBy: uuid().references(() => users.id, { onDelete: "set null" }),
    changedAt: moment(),
    createdAt: createdAt(),
    queuedAt: moment().notNull().defaultNow(),
    startedAt: moment(),
    endedAt: moment(),
  },
  (t) => [
    index("runs_queue").on(t.priority, t.queuedAt).where(sql`${t.status} = 'queued'`),
    index("runs_leased").on(t.leaseExpiresAt).where(sql`${t.leaseExpiresAt} is not null`),
    index("runs_by_base").on(t.baseCheckpointId),
    index("runs_by_seeds").on(t.seedsOfId).where(sql`${t.seedsOfId} is not null`),
    // One lease per process of a worker: what it holds already it is given again.
    uniqueIndex("runs_worker_session").on(t.workerId, t.workerSession).where(sql`${t.workerId} is not null`),
    check("runs_stage", sql`${t.stage} in ('pretrain', 'sft', 'reward', 'ppo', 'eval')`),
    check(
      "runs_status",
      sql`${t.status} in ('queued', 'running', 'pausing', 'paused', 'cancelling', 'cancelled', 'finished', 'failed')`,
    ),
    check(
      "runs_lease",
      sql`(${t.status} in ('running', 'pausing', 'cancelling')) = (${t.workerId} is not null)
        and (${t.workerId} is null) = (${t.leaseExpiresAt} is null)
        and (${t.workerId} is null) = (${t.workerSession} is null)`,
    ),
    check("runs_base", sql`${t.stage} = 'pretrain' or ${t.baseCheckpointId} is not null`),
    check(
      "runs_ended",
      sql`(${t.status} in ('cancelled', 'finished', 'failed')) = (${t.endedAt} is not null)`,
    ),
    check("runs_failed", sql`${t.status} <> 'failed' or ${t.reason} is not null`),
    check(
      "runs_counts",
      sql`${t.attempts} >= 0 and ${t.kills} >= 0 and ${t.fencing} >= 0 and ${t.step} >= 0`,
    ),
  ],
);

/** What a run learns from. */
export const runDatasets = pgTable(
  "run_datasets",
  {
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    datasetId: uuid()
      .notNull()
      .references(() => datasets.id),
    /** `pretrainMix`: text learned beside the rest, so that the model does not forget it (SFT's `pretrainMix`, PPO's `ptx`). */
    role: text({ enum: ["data", "pretrainMix"] }).notNull(),
    /** Order among those of its role, from 0. */
    position: smallint().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.runId, t.role, t.position] }),
    index("run_datasets_dataset").on(t.datasetId),
    check("run_datasets_role", sql`${t.role} in ('data', 'pretrainMix')`),
  ],
);

/** What a run of PPO is scored by. */
export const runRewardModels = pgTable(
  "run_reward_models",
  {
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id),
    /** `judge`: it only watches, and the policy never learns from it. */
    role: text({ enum: ["score", "judge"] }).notNull(),
    /** Order among those of its role, from 0: the value function starts as a copy of the first that scores. */
    position: smallint().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.runId, t.role, t.position] }),
    index("run_reward_models_checkpoint").on(t.checkpointId),
    check("run_reward_models_role", sql`${t.role} in ('score', 'judge')`),
  ],
);

export const timelineKinds = ["log", "sample", "incident", "phase", "state", "checkpoint"] as const;

/** A run's timeline: what its workers report, what people do, what goes wrong. */
export const runEvents = pgTable(
  "run_events",
  {
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    /** Order of the timeline, shared with the metrics; written under the run's lock, so readers miss none. */
    number: integer().notNull(),
    /** The worker's own count; null for what the server writes. */
    sequence: integer(),
    kind: text({ enum: timelineKinds }).notNull(),
    step: integer(),
    payload: jsonb().notNull(),
    /** The server's clock: a worker's may be wrong. */
    at: moment().notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.runId, t.number] }),
    uniqueIndex("run_events_sequence").on(t.runId, t.sequence),
    index("run_events_kind").on(t.runId, t.kind, t.number),
    check("run_events_kind", sql`${t.kind} in ('log', 'sample', 'incident', 'phase', 'state', 'checkpoint')`),
  ],
);

/** One row a step. A resumed run that computes a step again writes over it. */
export const runMetrics = pgTable(
  "run_metrics",
  {
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    step: integer().notNull(),
    /** As in `runEvents`. */
    number: integer().notNull(),
    /** Name → number, or null where it was not finite. */
    values: jsonb().notNull(),
    at: moment().notNull().defaultNow(),
  },
  (t) => [
    primaryKey({ columns: [t.runId, t.step] }),
    index("run_metrics_number").on(t.runId, t.number),
    check("run_metrics_step", sql`${t.step} >= 0`),
  ],
);

/**
 * Responses of a run of PPO with all that was known of them, for people to read: of the first step and of the newest ones.
 * A resumed run that computes a step again writes over its own.
 */
export const runEpisodes = pgTable(
  "run_episodes",
  {
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    step: integer().notNull(),
    /** As its worker ordered them, from 0. */
    place: smallint().notNull(),
    /** The row its prompt was taken from: erased with it. */
    datasetId: uuid(),
    position: integer(),
    /** See `episodeSchema` in server/runs/protocol. */
    episode: jsonb().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.runId, t.step, t.place] }),
    index("run_episodes_source").on(t.datasetId, t.position).where(sql`${t.datasetId} is not null`),
    check("run_episodes_step", sql`${t.step} >= 0`),
  ],
);

/** What a run of the stage eval measured of its base. */
export const evaluations = pgTable(
  "evaluations",
  {
    runId: uuid()
      .primaryKey()
      .references(() => runs.id, { onDelete: "cascade" }),
    checkpointId: text()
      .notNull()
      .references(() => checkpoints.id),
    /** See `evalReportSchema`. */
    report: jsonb().notNull(),
    createdAt: createdAt(),
  },
  (t) => [index("evaluations_checkpoint").on(t.checkpointId, t.createdAt)],
);

/** Item by item what an evaluation asked, and what was said. */
export const evaluationTranscripts = pgTable(
  "evaluation_transcripts",
  {
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    /** Order over all suites and ways of asking, from 0. */
    position: integer().notNull(),
    suite: text().notNull(),
    variant: text().notNull(),
    /** See `transcriptSchema`. */
    transcript: jsonb().notNull(),
    /** The regression case that was asked: what it says goes with it. */
    caseId: uuid().references((): AnyPgColumn => regressionCases.id, { onDelete: "cascade" }),
  },
  (t) => [
    primaryKey({ columns: [t.runId, t.position] }),
    index("evaluation_transcripts_case").on(t.caseId).where(sql`${t.caseId} is not null`),
    index("evaluation_transcripts_suite").on(t.runId, t.suite, t.variant),
    check("evaluation_transcripts_position", sql`${t.position} >= 0`),
  ],
);

/** A checkpoint on its way in. */
export const runUploads = pgTable(
  "run_uploads",
  {
    id: id(),
    runId: uuid()
      .notNull()
      .references(() => runs.id, { onDelete: "cascade" }),
    /** sha256 of the manifest it will have. */
    checkpointId: text().notNull(),
    step: integer().notNull(),
    isBest: boolean().notNull(),
    /** attune.json, byte for byte. */
    manifest: text().notNull(),
    /** Path → sha256 and size; the training state's paths begin with `state/`. */
    files: jsonb().notNull(),
    createdAt: createdAt(),
    completedAt: moment(),
  },
  (t) => [
    uniqueIndex("run_uploads_checkpoint").on(t.runId, t.checkpointId),
    check("run_uploads_checkpoint_id", sql`${t.checkpointId} ~ '^[0-9a-f]{64}$'`),
    check("run_uploads_step", sql`${t.step} >= 0`),
  ],
);

/** Parts that are on the disk. */
export const runUploadParts = pgTable(
  "run_upload_parts",
  {
    uploadId: uuid()
      .notNull()
      .references(() => runUploads.id, { onDelete: "cascade" }),
    file: text().notNull(),
    /** From 0; every part but a file's last has 8 MiB. */
    part: integer().notNull(),
    sha256: text().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.uploadId, t.file, t.part] }),
    check("run_upload_parts_part", sql`${t.part} >= 0`),
    check("run_upload_parts_sha256", sql`${t.sha256} ~ '^[0-9a-f]{64}$'`),
  ],
);

export const notificationKinds = [
  "runFinished",
  "runFailed",
  "runPaused",
  "workerLost",
  "diskLow",
  "promotionRequested",
  "promoted",
  "rolledBack",
  "promotionsFrozen",
] as const;
const inNotificationKinds = sql.raw(notificationKinds.map((kind) => `'${kind}'`).join(", "));

/** What admins are told in the app. */
export const notifications = pgTable(
  "notifications",
  {
    id: id(),
    kind: text({ enum: notificationKinds }).notNull(),
    runId: uuid().references(() => runs.id, { onDelete: "cascade" }),
    text: text().notNull(),
    createdAt: createdAt(),
  },
  (t) => [
    index("notifications_created").on(t.createdAt),
    check("notifications_kind", sql`${t.kind} in (${inNotificationKinds})`),
  ],
);

export const notificationReads = pgTable(
  "notification_reads",
  {
    notificationId: uuid()
      .notNull()
      .references(() => notifications.id, { onDelete: "cascade" }),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    readAt: moment().notNull().defaultNow(),
  },
  (t) => [primaryKey({ columns: [t.notificationId, t.userId] })],
);

/** Addresses that are told of the same by a signed request. */
export const webhooks = pgTable(
  "webhooks",
  {
    id: id(),
    url: text().notNull(),
    /** Key of the signature; needed as it is, so not hashed. Shown once. */
    secret: text().notNull(),
    events: text({ enum: notificationKinds }).array().notNull(),
    createdBy: uuid().references(() => users.id, { onDelete: "set null" }),
    createdAt: createdAt(),
  },
  (t) => [
    check("webhooks_url", sql`${t.url} ~ '^https?://'`),
    check("webhooks_events", sql`${t.events} <@ array[${inNotificationKinds}]`),
  ],
);

export const webhookDeliveries = pgTable(
  "webhook_deliveries",
  {
    id: id(),
    webhookId: uuid()
      .notNull()
      .references(() => webhooks.id, { onDelete: "cascade" }),
    event: text().notNull(),
    payload: jsonb().notNull(),
    status: text({ enum: ["pending", "delivered", "failed"] })
      .notNull()
      .default("pending"),
    attempts: smallint().notNull().default(0),
    /** When it is tried (again). */
    dueAt: moment().notNull().defaultNow(),
    /** What the last try gave. */
    httpStatus: smallint(),
    error: text(),
    createdAt: createdAt(),
    deliveredAt: moment(),
  },
  (t) => [
    index("webhook_deliveries_due").on(t.dueAt).where(sql`${t.status} = 'pending'`),
    index("webhook_deliveries_webhook").on(t.webhookId, t.createdAt),
    check("webhook_deliveries_status", sql`${t.status} in ('pending', 'delivered', 'failed')`),
    check("webhook_deliveries_delivered", sql`(${t.status} = 'delivered') = (${t.deliveredAt} is not null)`),
  ],
);

/** The same by mail, to admins who want it. */
export const mailDeliveries = pgTable(
  "mail_deliveries",
  {
    id: id(),
    userId: uuid()
      .notNull()
      .references(() => users.id, { onDelete: "cascade" }),
    event: text().notNull(),
    payload: jsonb().notNull(),
    status: text({ enum: ["pending", "delivered", "failed"] })
      .notNull()
      .default("pending"),
    attempts: smallint().notNull().default(0),
    /** When it is tried (again). */
    dueAt: moment().notNull().defaultNow(),
    /** What the last try gave. */
    error: text(),
    createdAt: createdAt(),
    deliveredAt: moment(),
  },
  (t) => [
    index("mail_deliveries_due").on(t.dueAt).where(sql`${t.status} = 'pending'`),
    index("mail_deliveries_user").on(t.userId, t.createdAt),
    check("mail_deliveries_status", sql`${t.status} in ('pending', 'delivered', 'failed')`),
    check("mail_deliveries_delivered", sql`(${t.status} = 'delivered') = (${t.deliveredAt} is not null)`),
  ],
);
