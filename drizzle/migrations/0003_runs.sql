CREATE TABLE "dataset_rows" (
	"dataset_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"hash" text NOT NULL,
	"content" text,
	"owner_id" uuid,
	CONSTRAINT "dataset_rows_dataset_id_position_pk" PRIMARY KEY("dataset_id","position"),
	CONSTRAINT "dataset_rows_hash" CHECK ("dataset_rows"."hash" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "dataset_rows_position" CHECK ("dataset_rows"."position" >= 0),
	CONSTRAINT "dataset_rows_one_line" CHECK ("dataset_rows"."content" not like E'%
%'),
	CONSTRAINT "dataset_rows_tombstone" CHECK ("dataset_rows"."content" is not null or "dataset_rows"."owner_id" is null)
);
--> statement-breakpoint
CREATE TABLE "datasets" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"sha256" text,
	"row_count" integer DEFAULT 0 NOT NULL,
	"size_bytes" bigint DEFAULT 0 NOT NULL,
	"skipped_lines" integer DEFAULT 0 NOT NULL,
	"next_part" integer DEFAULT 0 NOT NULL,
	"source" text NOT NULL,
	"description" text DEFAULT '' NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"sealed_at" timestamp with time zone,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "datasets_kind" CHECK ("datasets"."kind" in ('demonstrations', 'documents')),
	CONSTRAINT "datasets_source" CHECK ("datasets"."source" in ('upload', 'product')),
	CONSTRAINT "datasets_sha256" CHECK ("datasets"."sha256" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "datasets_sealed" CHECK (("datasets"."sealed_at" is null) = ("datasets"."sha256" is null)),
	CONSTRAINT "datasets_counts" CHECK ("datasets"."row_count" >= 0 and "datasets"."size_bytes" >= 0 and "datasets"."skipped_lines" >= 0)
);
--> statement-breakpoint
CREATE TABLE "notification_reads" (
	"notification_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"read_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "notification_reads_notification_id_user_id_pk" PRIMARY KEY("notification_id","user_id")
);
--> statement-breakpoint
CREATE TABLE "notifications" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"kind" text NOT NULL,
	"run_id" uuid,
	"text" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "notifications_kind" CHECK ("notifications"."kind" in ('runFinished', 'runFailed', 'runPaused', 'workerLost', 'diskLow'))
);
--> statement-breakpoint
CREATE TABLE "run_datasets" (
	"run_id" uuid NOT NULL,
	"dataset_id" uuid NOT NULL,
	"role" text NOT NULL,
	"position" smallint NOT NULL,
	CONSTRAINT "run_datasets_run_id_role_position_pk" PRIMARY KEY("run_id","role","position"),
	CONSTRAINT "run_datasets_role" CHECK ("run_datasets"."role" in ('data', 'pretrainMix'))
);
--> statement-breakpoint
CREATE TABLE "run_events" (
	"run_id" uuid NOT NULL,
	"number" integer NOT NULL,
	"sequence" integer,
	"kind" text NOT NULL,
	"step" integer,
	"payload" jsonb NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "run_events_run_id_number_pk" PRIMARY KEY("run_id","number"),
	CONSTRAINT "run_events_kind" CHECK ("run_events"."kind" in ('log', 'sample', 'incident', 'phase', 'state', 'checkpoint'))
);
--> statement-breakpoint
CREATE TABLE "run_metrics" (
	"run_id" uuid NOT NULL,
	"step" integer NOT NULL,
	"number" integer NOT NULL,
	"values" jsonb NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "run_metrics_run_id_step_pk" PRIMARY KEY("run_id","step"),
	CONSTRAINT "run_metrics_step" CHECK ("run_metrics"."step" >= 0)
);
--> statement-breakpoint
CREATE TABLE "run_upload_parts" (
	"upload_id" uuid NOT NULL,
	"file" text NOT NULL,
	"part" integer NOT NULL,
	"sha256" text NOT NULL,
	CONSTRAINT "run_upload_parts_upload_id_file_part_pk" PRIMARY KEY("upload_id","file","part"),
	CONSTRAINT "run_upload_parts_part" CHECK ("run_upload_parts"."part" >= 0),
	CONSTRAINT "run_upload_parts_sha256" CHECK ("run_upload_parts"."sha256" ~ '^[0-9a-f]{64}$')
);
--> statement-breakpoint
CREATE TABLE "run_uploads" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"run_id" uuid NOT NULL,
	"checkpoint_id" text NOT NULL,
	"step" integer NOT NULL,
	"is_best" boolean NOT NULL,
	"manifest" text NOT NULL,
	"files" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"completed_at" timestamp with time zone,
	CONSTRAINT "run_uploads_checkpoint_id" CHECK ("run_uploads"."checkpoint_id" ~ '^[0-9a-f]{64}$'),
	CONSTRAINT "run_uploads_step" CHECK ("run_uploads"."step" >= 0)
);
--> statement-breakpoint
CREATE TABLE "runs" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"number" integer GENERATED ALWAYS AS IDENTITY (sequence name "runs_number_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"name" text NOT NULL,
	"stage" text NOT NULL,
	"config" jsonb NOT NULL,
	"base_checkpoint_id" text,
	"status" text DEFAULT 'queued' NOT NULL,
	"reason" text,
	"priority" smallint DEFAULT 0 NOT NULL,
	"requirements" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"not_before" timestamp with time zone,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"has_progressed" boolean DEFAULT false NOT NULL,
	"fencing" integer DEFAULT 0 NOT NULL,
	"worker_id" uuid,
	"worker_session" text,
	"lease_expires_at" timestamp with time zone,
	"step" integer DEFAULT 0 NOT NULL,
	"total_steps" integer,
	"last_sequence" integer DEFAULT 0 NOT NULL,
	"last_number" integer DEFAULT 0 NOT NULL,
	"not_reproducible" text,
	"cloned_from_id" uuid,
	"created_by" uuid,
	"changed_by" uuid,
	"changed_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"queued_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "runs_number_unique" UNIQUE("number"),
	CONSTRAINT "runs_stage" CHECK ("runs"."stage" in ('pretrain', 'sft', 'reward', 'ppo', 'eval')),
	CONSTRAINT "runs_status" CHECK ("runs"."status" in ('queued', 'running', 'pausing', 'paused', 'cancelling', 'cancelled', 'finished', 'failed')),
	CONSTRAINT "runs_lease" CHECK (("runs"."status" in ('running', 'pausing', 'cancelling')) = ("runs"."worker_id" is not null)
        and ("runs"."worker_id" is null) = ("runs"."lease_expires_at" is null)
        and ("runs"."worker_id" is null) = ("runs"."worker_session" is null)),
	CONSTRAINT "runs_base" CHECK ("runs"."stage" = 'pretrain' or "runs"."base_checkpoint_id" is not null),
	CONSTRAINT "runs_ended" CHECK (("runs"."status" in ('cancelled', 'finished', 'failed')) = ("runs"."ended_at" is not null)),
	CONSTRAINT "runs_failed" CHECK ("runs"."status" <> 'failed' or "runs"."reason" is not null),
	CONSTRAINT "runs_counts" CHECK ("runs"."attempts" >= 0 and "runs"."fencing" >= 0 and "runs"."step" >= 0)
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"webhook_id" uuid NOT NULL,
	"event" text NOT NULL,
	"payload" jsonb NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone DEFAULT now() NOT NULL,
	"http_status" smallint,
	"error" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"delivered_at" timestamp with time zone,
	CONSTRAINT "webhook_deliveries_status" CHECK ("webhook_deliveries"."status" in ('pending', 'delivered', 'failed')),
	CONSTRAINT "webhook_deliveries_delivered" CHECK (("webhook_deliveries"."status" = 'delivered') = ("webhook_deliveries"."delivered_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"url" text NOT NULL,
	"secret" text NOT NULL,
	"events" text[] NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "webhooks_url" CHECK ("webhooks"."url" ~ '^https?://'),
	CONSTRAINT "webhooks_events" CHECK ("webhooks"."events" <@ array['runFinished', 'runFailed', 'runPaused', 'workerLost', 'diskLow'])
);
--> statement-breakpoint
CREATE TABLE "workers" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"token_hash" text NOT NULL,
	"suffix" text NOT NULL,
	"protocol_version" integer,
	"stages" text[] DEFAULT '{}' NOT NULL,
	"capabilities" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"versions" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"last_seen_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "workers_tokenHash_unique" UNIQUE("token_hash"),
	CONSTRAINT "workers_kind" CHECK ("workers"."kind" in ('embedded', 'remote'))
);
--> statement-breakpoint
ALTER TABLE "checkpoints" ADD COLUMN "run_id" uuid;--> statement-breakpoint
ALTER TABLE "checkpoints" ADD COLUMN "step" integer;--> statement-breakpoint
ALTER TABLE "checkpoints" ADD COLUMN "is_best" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "checkpoints" ADD COLUMN "has_state" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "checkpoints" ADD COLUMN "keep_reason" text;--> statement-breakpoint
ALTER TABLE "checkpoints" ADD COLUMN "deleted_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "dataset_rows" ADD CONSTRAINT "dataset_rows_dataset_id_datasets_id_fk" FOREIGN KEY ("dataset_id") REFERENCES "public"."datasets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "dataset_rows" ADD CONSTRAINT "dataset_rows_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "datasets" ADD CONSTRAINT "datasets_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "notification_reads" ADD CONSTRAINT "notification_reads_notification_id_notifications_id_fk" FOREIGN KEY ("notification_id") REFERENCES "public"."notifications"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "notification_reads" ADD CONSTRAINT "notification_reads_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "notifications" ADD CONSTRAINT "notifications_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_datasets" ADD CONSTRAINT "run_datasets_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_datasets" ADD CONSTRAINT "run_datasets_dataset_id_datasets_id_fk" FOREIGN KEY ("dataset_id") REFERENCES "public"."datasets"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_events" ADD CONSTRAINT "run_events_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_metrics" ADD CONSTRAINT "run_metrics_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_upload_parts" ADD CONSTRAINT "run_upload_parts_upload_id_run_uploads_id_fk" FOREIGN KEY ("upload_id") REFERENCES "public"."run_uploads"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_uploads" ADD CONSTRAINT "run_uploads_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_base_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("base_checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_worker_id_workers_id_fk" FOREIGN KEY ("worker_id") REFERENCES "public"."workers"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_cloned_from_id_runs_id_fk" FOREIGN KEY ("cloned_from_id") REFERENCES "public"."runs"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_changed_by_users_id_fk" FOREIGN KEY ("changed_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhook_deliveries" ADD CONSTRAINT "webhook_deliveries_webhook_id_webhooks_id_fk" FOREIGN KEY ("webhook_id") REFERENCES "public"."webhooks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "workers" ADD CONSTRAINT "workers_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "dataset_rows_owner" ON "dataset_rows" USING btree ("owner_id") WHERE "dataset_rows"."owner_id" is not null;--> statement-breakpoint
CREATE INDEX "dataset_rows_erased" ON "dataset_rows" USING btree ("dataset_id") WHERE "dataset_rows"."content" is null;--> statement-breakpoint
CREATE INDEX "datasets_by_sha256" ON "datasets" USING btree ("sha256");--> statement-breakpoint
CREATE INDEX "notifications_created" ON "notifications" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "run_datasets_dataset" ON "run_datasets" USING btree ("dataset_id");--> statement-breakpoint
CREATE UNIQUE INDEX "run_events_sequence" ON "run_events" USING btree ("run_id","sequence");--> statement-breakpoint
CREATE INDEX "run_events_kind" ON "run_events" USING btree ("run_id","kind","number");--> statement-breakpoint
CREATE INDEX "run_metrics_number" ON "run_metrics" USING btree ("run_id","number");--> statement-breakpoint
CREATE UNIQUE INDEX "run_uploads_checkpoint" ON "run_uploads" USING btree ("run_id","checkpoint_id");--> statement-breakpoint
CREATE INDEX "runs_queue" ON "runs" USING btree ("priority","queued_at") WHERE "runs"."status" = 'queued';--> statement-breakpoint
CREATE INDEX "runs_leased" ON "runs" USING btree ("lease_expires_at") WHERE "runs"."lease_expires_at" is not null;--> statement-breakpoint
CREATE INDEX "runs_by_base" ON "runs" USING btree ("base_checkpoint_id");--> statement-breakpoint
CREATE UNIQUE INDEX "runs_worker_session" ON "runs" USING btree ("worker_id","worker_session") WHERE "runs"."worker_id" is not null;--> statement-breakpoint
CREATE INDEX "webhook_deliveries_due" ON "webhook_deliveries" USING btree ("due_at") WHERE "webhook_deliveries"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "webhook_deliveries_webhook" ON "webhook_deliveries" USING btree ("webhook_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "workers_embedded" ON "workers" USING btree ("kind") WHERE "workers"."kind" = 'embedded';--> statement-breakpoint
ALTER TABLE "checkpoints" ADD CONSTRAINT "checkpoints_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "checkpoints_run_step" ON "checkpoints" USING btree ("run_id","step");--> statement-breakpoint
CREATE UNIQUE INDEX "checkpoints_best" ON "checkpoints" USING btree ("run_id") WHERE "checkpoints"."is_best";--> statement-breakpoint
ALTER TABLE "checkpoints" ADD CONSTRAINT "checkpoints_run" CHECK (("checkpoints"."run_id" is null) = ("checkpoints"."step" is null));--> statement-breakpoint
ALTER TABLE "checkpoints" ADD CONSTRAINT "checkpoints_deleted" CHECK ("checkpoints"."deleted_at" is null or not "checkpoints"."has_state");