CREATE TABLE "batches" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"task" text NOT NULL,
	"purpose" text DEFAULT 'work' NOT NULL,
	"status" text NOT NULL,
	"k" smallint NOT NULL,
	"overlap" smallint DEFAULT 1 NOT NULL,
	"group_id" uuid,
	"guidelines_version" integer NOT NULL,
	"has_ratings" boolean DEFAULT true NOT NULL,
	"policies" text[] DEFAULT '{}' NOT NULL,
	"sampling" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"priority" smallint DEFAULT 0 NOT NULL,
	"deadline" timestamp with time zone,
	"repeat_share" real DEFAULT 0 NOT NULL,
	"gold_share" real DEFAULT 0 NOT NULL,
	"cost_per_hour" real,
	"import_id" uuid,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"closed_at" timestamp with time zone,
	CONSTRAINT "batches_task" CHECK ("batches"."task" in ('ranking', 'pairwise', 'demonstration')),
	CONSTRAINT "batches_purpose" CHECK ("batches"."purpose" in ('work', 'practice', 'qualification', 'imported')),
	CONSTRAINT "batches_status" CHECK ("batches"."status" in ('preparing', 'open', 'paused', 'closed')),
	CONSTRAINT "batches_k" CHECK (case when "batches"."purpose" = 'imported' then "batches"."k" >= 0
        when "batches"."task" = 'demonstration' then "batches"."k" = 0
        when "batches"."task" = 'pairwise' then "batches"."k" = 2
        else "batches"."k" between 4 and 9 end),
	CONSTRAINT "batches_overlap" CHECK ("batches"."overlap" between 1 and 100),
	CONSTRAINT "batches_shares" CHECK ("batches"."repeat_share" between 0 and 1 and "batches"."gold_share" between 0 and 1)
);
--> statement-breakpoint
CREATE TABLE "demonstrations" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"prompt_id" uuid NOT NULL,
	"task_id" uuid,
	"labeler_id" uuid,
	"pseudonym" text NOT NULL,
	"text" text NOT NULL,
	"edited_from_id" uuid,
	"version" smallint DEFAULT 1 NOT NULL,
	"is_current" boolean DEFAULT true NOT NULL,
	"status" text DEFAULT 'submitted' NOT NULL,
	"rating" smallint,
	"review_comment" text,
	"reviewed_by" uuid,
	"reviewed_at" timestamp with time zone,
	"pasted_characters" integer DEFAULT 0 NOT NULL,
	"guidelines_version" integer NOT NULL,
	"group_id" uuid,
	"active_ms" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "demonstrations_status" CHECK ("demonstrations"."status" in ('submitted', 'accepted', 'returned')),
	CONSTRAINT "demonstrations_rating" CHECK ("demonstrations"."rating" between 1 and 7)
);
--> statement-breakpoint
CREATE TABLE "guidelines" (
	"version" integer PRIMARY KEY NOT NULL,
	"text" text NOT NULL,
	"changes" text DEFAULT '' NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "imports" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"kind" text NOT NULL,
	"layout" text NOT NULL,
	"status" text NOT NULL,
	"reason" text,
	"size_bytes" bigint DEFAULT 0 NOT NULL,
	"read_bytes" bigint DEFAULT 0 NOT NULL,
	"next_part" integer DEFAULT 0 NOT NULL,
	"counts" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"faults" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "imports_kind" CHECK ("imports"."kind" in ('prompts', 'rankings', 'histories')),
	CONSTRAINT "imports_status" CHECK ("imports"."status" in ('receiving', 'reading', 'finished', 'failed')),
	CONSTRAINT "imports_ended" CHECK (("imports"."status" in ('finished', 'failed')) = ("imports"."ended_at" is not null))
);
--> statement-breakpoint
CREATE TABLE "labeler_groups" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"name" text NOT NULL,
	"is_held_out" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "labeler_groups_name_unique" UNIQUE("name")
);
--> statement-breakpoint
CREATE TABLE "labelers" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"pseudonym" text NOT NULL,
	"group_id" uuid,
	"agreed_at" timestamp with time zone,
	"agreement_version" integer,
	"qualified_at" timestamp with time zone,
	"set_aside_at" timestamp with time zone,
	"set_aside_reason" text,
	"sees_sensitive" boolean DEFAULT true NOT NULL,
	"mode" text DEFAULT 'board' NOT NULL,
	"daily_cap" smallint,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "labelers_pseudonym_unique" UNIQUE("pseudonym"),
	CONSTRAINT "labelers_mode" CHECK ("labelers"."mode" in ('board', 'guided')),
	CONSTRAINT "labelers_set_aside" CHECK (("labelers"."set_aside_at" is null) = ("labelers"."set_aside_reason" is null))
);
--> statement-breakpoint
CREATE TABLE "prompts" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"source" text NOT NULL,
	"form" text DEFAULT 'plain' NOT NULL,
	"messages" jsonb NOT NULL,
	"folded_text" text NOT NULL,
	"owner_id" uuid,
	"conversation_id" uuid,
	"message_id" uuid,
	"import_id" uuid,
	"imported" jsonb,
	"split" text NOT NULL,
	"status" text DEFAULT 'ready' NOT NULL,
	"removed_by" text,
	"duplicate_of_id" uuid,
	"masked" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"is_sensitive" boolean DEFAULT false NOT NULL,
	"priority" smallint DEFAULT 0 NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "prompts_source" CHECK ("prompts"."source" in ('conversation', 'labeler', 'upload', 'import')),
	CONSTRAINT "prompts_form" CHECK ("prompts"."form" in ('plain', 'fewShot', 'useCase')),
	CONSTRAINT "prompts_split" CHECK ("prompts"."split" in ('train', 'validation', 'test')),
	CONSTRAINT "prompts_status" CHECK ("prompts"."status" in ('ready', 'removed', 'reported', 'erased')),
	CONSTRAINT "prompts_removed_by" CHECK ("prompts"."removed_by" in ('duplicate', 'ownerLimit', 'tooLong')),
	CONSTRAINT "prompts_removed" CHECK (("prompts"."status" = 'removed') <= ("prompts"."removed_by" is not null)),
	CONSTRAINT "prompts_erased" CHECK ("prompts"."status" <> 'erased' or ("prompts"."owner_id" is null and "prompts"."folded_text" = ''))
);
--> statement-breakpoint
CREATE TABLE "qualifications" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"labeler_id" uuid NOT NULL,
	"batch_id" uuid NOT NULL,
	"areas" text[] DEFAULT '{}' NOT NULL,
	"status" text NOT NULL,
	"flag_agreement" real,
	"ranking_agreement" real,
	"demonstration_rating" real,
	"decided_by" uuid,
	"decision_reason" text,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	CONSTRAINT "qualifications_status" CHECK ("qualifications"."status" in ('sitting', 'reviewing', 'passed', 'failed'))
);
--> statement-breakpoint
CREATE TABLE "ranked_responses" (
	"ranking_id" uuid NOT NULL,
	"response_id" uuid NOT NULL,
	"rank" smallint NOT NULL,
	"overall" smallint,
	"helpful" smallint,
	"honest" smallint,
	"harmless" smallint,
	"flags" text[] DEFAULT '{}' NOT NULL,
	"note" text DEFAULT '' NOT NULL,
	CONSTRAINT "ranked_responses_ranking_id_response_id_pk" PRIMARY KEY("ranking_id","response_id"),
	CONSTRAINT "ranked_responses_rank" CHECK ("ranked_responses"."rank" >= 1),
	CONSTRAINT "ranked_responses_overall" CHECK ("ranked_responses"."overall" between 1 and 7),
	CONSTRAINT "ranked_responses_helpful" CHECK ("ranked_responses"."helpful" between 1 and 7),
	CONSTRAINT "ranked_responses_honest" CHECK ("ranked_responses"."honest" between 1 and 7),
	CONSTRAINT "ranked_responses_harmless" CHECK ("ranked_responses"."harmless" between 1 and 7)
);
--> statement-breakpoint
CREATE TABLE "ranking_tasks" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"batch_id" uuid NOT NULL,
	"prompt_id" uuid NOT NULL,
	"status" text NOT NULL,
	"open_places" smallint NOT NULL,
	"position" integer NOT NULL,
	"is_gold" boolean DEFAULT false NOT NULL,
	"explanation" text DEFAULT '' NOT NULL,
	"repeat_of_id" uuid,
	"only_for_id" uuid,
	"not_before" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ranking_tasks_status" CHECK ("ranking_tasks"."status" in ('sampling', 'open', 'done', 'excluded')),
	CONSTRAINT "ranking_tasks_open_places" CHECK ("ranking_tasks"."open_places" >= 0),
	CONSTRAINT "ranking_tasks_repeat" CHECK (("ranking_tasks"."repeat_of_id" is null) = ("ranking_tasks"."only_for_id" is null))
);
--> statement-breakpoint
CREATE TABLE "rankings" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"task_id" uuid NOT NULL,
	"kind" text DEFAULT 'labeler' NOT NULL,
	"labeler_id" uuid,
	"pseudonym" text NOT NULL,
	"version" smallint DEFAULT 1 NOT NULL,
	"is_current" boolean DEFAULT true NOT NULL,
	"status" text DEFAULT 'submitted' NOT NULL,
	"returned_comment" text,
	"returned_by" uuid,
	"mode" text NOT NULL,
	"none_acceptable" boolean DEFAULT false NOT NULL,
	"response_order" uuid[] NOT NULL,
	"guidelines_version" integer,
	"imported_instructions" text,
	"imported" jsonb,
	"group_id" uuid,
	"started_at" timestamp with time zone,
	"active_ms" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "rankings_kind" CHECK ("rankings"."kind" in ('labeler', 'adjudication', 'imported')),
	CONSTRAINT "rankings_status" CHECK ("rankings"."status" in ('submitted', 'returned')),
	CONSTRAINT "rankings_mode" CHECK ("rankings"."mode" in ('board', 'guided', 'pairwise', 'imported')),
	CONSTRAINT "rankings_guidelines" CHECK ("rankings"."kind" = 'imported' or "rankings"."guidelines_version" is not null)
);
--> statement-breakpoint
CREATE TABLE "responses" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"prompt_id" uuid NOT NULL,
	"source" text NOT NULL,
	"text" text NOT NULL,
	"checkpoint_id" text,
	"author" text,
	"imported" jsonb,
	"message_id" uuid,
	"sampling" jsonb,
	"seed" integer,
	"token_ids" integer[],
	"logprobs" real[],
	"is_finished" boolean DEFAULT true NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "responses_source" CHECK ("responses"."source" in ('sampled', 'conversation', 'imported')),
	CONSTRAINT "responses_checkpoint" CHECK ("responses"."source" = 'imported' or "responses"."checkpoint_id" is not null)
);
--> statement-breakpoint
CREATE TABLE "snapshot_demonstrations" (
	"dataset_id" uuid NOT NULL,
	"demonstration_id" uuid NOT NULL,
	CONSTRAINT "snapshot_demonstrations_dataset_id_demonstration_id_pk" PRIMARY KEY("dataset_id","demonstration_id")
);
--> statement-breakpoint
CREATE TABLE "snapshot_rankings" (
	"dataset_id" uuid NOT NULL,
	"ranking_id" uuid NOT NULL,
	CONSTRAINT "snapshot_rankings_dataset_id_ranking_id_pk" PRIMARY KEY("dataset_id","ranking_id")
);
--> statement-breakpoint
CREATE TABLE "task_claims" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"task_id" uuid NOT NULL,
	"labeler_id" uuid NOT NULL,
	"response_order" uuid[] NOT NULL,
	"draft" jsonb,
	"draft_version" integer DEFAULT 0 NOT NULL,
	"active_ms" integer DEFAULT 0 NOT NULL,
	"claimed_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"released_at" timestamp with time zone,
	CONSTRAINT "task_claims_active" CHECK ("task_claims"."active_ms" >= 0)
);
--> statement-breakpoint
CREATE TABLE "task_questions" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"task_id" uuid NOT NULL,
	"asked_by" uuid,
	"question" text NOT NULL,
	"answer" text,
	"answered_by" uuid,
	"answered_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "task_responses" (
	"task_id" uuid NOT NULL,
	"response_id" uuid NOT NULL,
	"position" smallint NOT NULL,
	"gold_rank" smallint,
	"gold_flags" text[],
	CONSTRAINT "task_responses_task_id_response_id_pk" PRIMARY KEY("task_id","response_id"),
	CONSTRAINT "task_responses_gold_rank" CHECK ("task_responses"."gold_rank" >= 1)
);
--> statement-breakpoint
CREATE TABLE "task_skips" (
	"task_id" uuid NOT NULL,
	"labeler_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"reason" text NOT NULL,
	"active_ms" integer DEFAULT 0 NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "task_skips_task_id_labeler_id_pk" PRIMARY KEY("task_id","labeler_id"),
	CONSTRAINT "task_skips_kind" CHECK ("task_skips"."kind" in ('skip', 'cannotBeRanked', 'report'))
);
--> statement-breakpoint
ALTER TABLE "datasets" DROP CONSTRAINT "datasets_kind";--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_group_id_labeler_groups_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."labeler_groups"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_guidelines_version_guidelines_version_fk" FOREIGN KEY ("guidelines_version") REFERENCES "public"."guidelines"("version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_import_id_imports_id_fk" FOREIGN KEY ("import_id") REFERENCES "public"."imports"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "demonstrations" ADD CONSTRAINT "demonstrations_prompt_id_prompts_id_fk" FOREIGN KEY ("prompt_id") REFERENCES "public"."prompts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "demonstrations" ADD CONSTRAINT "demonstrations_task_id_ranking_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "demonstrations" ADD CONSTRAINT "demonstrations_labeler_id_users_id_fk" FOREIGN KEY ("labeler_id") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "demonstrations" ADD CONSTRAINT "demonstrations_edited_from_id_responses_id_fk" FOREIGN KEY ("edited_from_id") REFERENCES "public"."responses"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "demonstrations" ADD CONSTRAINT "demonstrations_reviewed_by_users_id_fk" FOREIGN KEY ("reviewed_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "demonstrations" ADD CONSTRAINT "demonstrations_guidelines_version_guidelines_version_fk" FOREIGN KEY ("guidelines_version") REFERENCES "public"."guidelines"("version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "demonstrations" ADD CONSTRAINT "demonstrations_group_id_labeler_groups_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."labeler_groups"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "guidelines" ADD CONSTRAINT "guidelines_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "imports" ADD CONSTRAINT "imports_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "labelers" ADD CONSTRAINT "labelers_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "labelers" ADD CONSTRAINT "labelers_group_id_labeler_groups_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."labeler_groups"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "prompts" ADD CONSTRAINT "prompts_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "prompts" ADD CONSTRAINT "prompts_conversation_id_conversations_id_fk" FOREIGN KEY ("conversation_id") REFERENCES "public"."conversations"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "prompts" ADD CONSTRAINT "prompts_message_id_messages_id_fk" FOREIGN KEY ("message_id") REFERENCES "public"."messages"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "prompts" ADD CONSTRAINT "prompts_import_id_imports_id_fk" FOREIGN KEY ("import_id") REFERENCES "public"."imports"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "prompts" ADD CONSTRAINT "prompts_duplicate_of_id_prompts_id_fk" FOREIGN KEY ("duplicate_of_id") REFERENCES "public"."prompts"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "prompts" ADD CONSTRAINT "prompts_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "qualifications" ADD CONSTRAINT "qualifications_labeler_id_users_id_fk" FOREIGN KEY ("labeler_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "qualifications" ADD CONSTRAINT "qualifications_batch_id_batches_id_fk" FOREIGN KEY ("batch_id") REFERENCES "public"."batches"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "qualifications" ADD CONSTRAINT "qualifications_decided_by_users_id_fk" FOREIGN KEY ("decided_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ranked_responses" ADD CONSTRAINT "ranked_responses_ranking_id_rankings_id_fk" FOREIGN KEY ("ranking_id") REFERENCES "public"."rankings"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ranked_responses" ADD CONSTRAINT "ranked_responses_response_id_responses_id_fk" FOREIGN KEY ("response_id") REFERENCES "public"."responses"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ranking_tasks" ADD CONSTRAINT "ranking_tasks_batch_id_batches_id_fk" FOREIGN KEY ("batch_id") REFERENCES "public"."batches"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ranking_tasks" ADD CONSTRAINT "ranking_tasks_prompt_id_prompts_id_fk" FOREIGN KEY ("prompt_id") REFERENCES "public"."prompts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ranking_tasks" ADD CONSTRAINT "ranking_tasks_repeat_of_id_ranking_tasks_id_fk" FOREIGN KEY ("repeat_of_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ranking_tasks" ADD CONSTRAINT "ranking_tasks_only_for_id_users_id_fk" FOREIGN KEY ("only_for_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rankings" ADD CONSTRAINT "rankings_task_id_ranking_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rankings" ADD CONSTRAINT "rankings_labeler_id_users_id_fk" FOREIGN KEY ("labeler_id") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rankings" ADD CONSTRAINT "rankings_returned_by_users_id_fk" FOREIGN KEY ("returned_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rankings" ADD CONSTRAINT "rankings_guidelines_version_guidelines_version_fk" FOREIGN KEY ("guidelines_version") REFERENCES "public"."guidelines"("version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "rankings" ADD CONSTRAINT "rankings_group_id_labeler_groups_id_fk" FOREIGN KEY ("group_id") REFERENCES "public"."labeler_groups"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "responses" ADD CONSTRAINT "responses_prompt_id_prompts_id_fk" FOREIGN KEY ("prompt_id") REFERENCES "public"."prompts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "responses" ADD CONSTRAINT "responses_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "responses" ADD CONSTRAINT "responses_message_id_messages_id_fk" FOREIGN KEY ("message_id") REFERENCES "public"."messages"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshot_demonstrations" ADD CONSTRAINT "snapshot_demonstrations_dataset_id_datasets_id_fk" FOREIGN KEY ("dataset_id") REFERENCES "public"."datasets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshot_demonstrations" ADD CONSTRAINT "snapshot_demonstrations_demonstration_id_demonstrations_id_fk" FOREIGN KEY ("demonstration_id") REFERENCES "public"."demonstrations"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshot_rankings" ADD CONSTRAINT "snapshot_rankings_dataset_id_datasets_id_fk" FOREIGN KEY ("dataset_id") REFERENCES "public"."datasets"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "snapshot_rankings" ADD CONSTRAINT "snapshot_rankings_ranking_id_rankings_id_fk" FOREIGN KEY ("ranking_id") REFERENCES "public"."rankings"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_claims" ADD CONSTRAINT "task_claims_task_id_ranking_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_claims" ADD CONSTRAINT "task_claims_labeler_id_users_id_fk" FOREIGN KEY ("labeler_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_questions" ADD CONSTRAINT "task_questions_task_id_ranking_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_questions" ADD CONSTRAINT "task_questions_asked_by_users_id_fk" FOREIGN KEY ("asked_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_questions" ADD CONSTRAINT "task_questions_answered_by_users_id_fk" FOREIGN KEY ("answered_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_responses" ADD CONSTRAINT "task_responses_task_id_ranking_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_responses" ADD CONSTRAINT "task_responses_response_id_responses_id_fk" FOREIGN KEY ("response_id") REFERENCES "public"."responses"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_skips" ADD CONSTRAINT "task_skips_task_id_ranking_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "task_skips" ADD CONSTRAINT "task_skips_labeler_id_users_id_fk" FOREIGN KEY ("labeler_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "batches_queue" ON "batches" USING btree ("priority","created_at") WHERE "batches"."status" = 'open';--> statement-breakpoint
CREATE INDEX "demonstrations_prompt" ON "demonstrations" USING btree ("prompt_id");--> statement-breakpoint
CREATE INDEX "demonstrations_labeler" ON "demonstrations" USING btree ("labeler_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "demonstrations_current" ON "demonstrations" USING btree ("prompt_id","labeler_id") WHERE "demonstrations"."is_current" and "demonstrations"."labeler_id" is not null;--> statement-breakpoint
CREATE INDEX "prompts_neighbours" ON "prompts" USING btree ((left("folded_text", 400)) collate "C");--> statement-breakpoint
CREATE INDEX "prompts_owner" ON "prompts" USING btree ("owner_id");--> statement-breakpoint
CREATE INDEX "prompts_queue" ON "prompts" USING btree ("status","priority","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "prompts_once" ON "prompts" USING btree ("message_id") WHERE "prompts"."message_id" is not null;--> statement-breakpoint
CREATE INDEX "qualifications_labeler" ON "qualifications" USING btree ("labeler_id","started_at");--> statement-breakpoint
CREATE UNIQUE INDEX "qualifications_sitting" ON "qualifications" USING btree ("labeler_id") WHERE "qualifications"."status" in ('sitting', 'reviewing');--> statement-breakpoint
CREATE INDEX "ranked_responses_response" ON "ranked_responses" USING btree ("response_id");--> statement-breakpoint
CREATE INDEX "ranking_tasks_queue" ON "ranking_tasks" USING btree ("batch_id","position") WHERE "ranking_tasks"."status" = 'open' and "ranking_tasks"."open_places" > 0 and "ranking_tasks"."only_for_id" is null;--> statement-breakpoint
CREATE INDEX "ranking_tasks_repeats" ON "ranking_tasks" USING btree ("only_for_id","not_before") WHERE "ranking_tasks"."only_for_id" is not null;--> statement-breakpoint
CREATE INDEX "ranking_tasks_sampling" ON "ranking_tasks" USING btree ("batch_id","position") WHERE "ranking_tasks"."status" = 'sampling';--> statement-breakpoint
CREATE INDEX "ranking_tasks_prompt" ON "ranking_tasks" USING btree ("prompt_id");--> statement-breakpoint
CREATE UNIQUE INDEX "rankings_version" ON "rankings" USING btree ("task_id","labeler_id","kind","version") WHERE "rankings"."labeler_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "rankings_current" ON "rankings" USING btree ("task_id","labeler_id","kind") WHERE "rankings"."is_current" and "rankings"."labeler_id" is not null;--> statement-breakpoint
CREATE INDEX "rankings_task" ON "rankings" USING btree ("task_id");--> statement-breakpoint
CREATE INDEX "rankings_labeler" ON "rankings" USING btree ("labeler_id","created_at");--> statement-breakpoint
CREATE INDEX "responses_prompt" ON "responses" USING btree ("prompt_id");--> statement-breakpoint
CREATE INDEX "snapshot_demonstrations_demonstration" ON "snapshot_demonstrations" USING btree ("demonstration_id");--> statement-breakpoint
CREATE INDEX "snapshot_rankings_ranking" ON "snapshot_rankings" USING btree ("ranking_id");--> statement-breakpoint
CREATE UNIQUE INDEX "task_claims_once" ON "task_claims" USING btree ("task_id","labeler_id");--> statement-breakpoint
CREATE INDEX "task_claims_labeler" ON "task_claims" USING btree ("labeler_id","claimed_at");--> statement-breakpoint
CREATE INDEX "task_claims_expiry" ON "task_claims" USING btree ("expires_at") WHERE "task_claims"."released_at" is null;--> statement-breakpoint
CREATE INDEX "task_questions_open" ON "task_questions" USING btree ("created_at") WHERE "task_questions"."answer" is null;--> statement-breakpoint
CREATE INDEX "task_questions_asked_by" ON "task_questions" USING btree ("asked_by");--> statement-breakpoint
CREATE INDEX "task_responses_response" ON "task_responses" USING btree ("response_id");--> statement-breakpoint
CREATE INDEX "task_skips_labeler" ON "task_skips" USING btree ("labeler_id","created_at");--> statement-breakpoint
ALTER TABLE "datasets" ADD CONSTRAINT "datasets_kind" CHECK ("datasets"."kind" in ('demonstrations', 'documents', 'rankings'));