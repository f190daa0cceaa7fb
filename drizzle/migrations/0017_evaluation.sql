CREATE TABLE "evaluation_judges" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"batch_id" uuid NOT NULL,
	"judge" text NOT NULL,
	"judge_name" text NOT NULL,
	"reward_model_id" text,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "evaluation_judges_judge" CHECK ("evaluation_judges"."judge" in ('rewardModel', 'endpoint')),
	CONSTRAINT "evaluation_judges_model" CHECK (("evaluation_judges"."judge" = 'rewardModel') = ("evaluation_judges"."reward_model_id" is not null))
);
--> statement-breakpoint
CREATE TABLE "judgments" (
	"task_id" uuid NOT NULL,
	"judge_id" uuid NOT NULL,
	"preferred_id" uuid,
	"both_bad" boolean DEFAULT false NOT NULL,
	"margin" real,
	"fault" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "judgments_task_id_judge_id_pk" PRIMARY KEY("task_id","judge_id"),
	CONSTRAINT "judgments_both_bad" CHECK (not "judgments"."both_bad" or "judgments"."preferred_id" is null),
	CONSTRAINT "judgments_fault" CHECK ("judgments"."fault" is null or ("judgments"."preferred_id" is null and "judgments"."margin" is null and not "judgments"."both_bad"))
);
--> statement-breakpoint
ALTER TABLE "batches" DROP CONSTRAINT "batches_purpose";--> statement-breakpoint
ALTER TABLE "evaluation_judges" ADD CONSTRAINT "evaluation_judges_batch_id_batches_id_fk" FOREIGN KEY ("batch_id") REFERENCES "public"."batches"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "evaluation_judges" ADD CONSTRAINT "evaluation_judges_reward_model_id_checkpoints_id_fk" FOREIGN KEY ("reward_model_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "evaluation_judges" ADD CONSTRAINT "evaluation_judges_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "judgments" ADD CONSTRAINT "judgments_task_id_ranking_tasks_id_fk" FOREIGN KEY ("task_id") REFERENCES "public"."ranking_tasks"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "judgments" ADD CONSTRAINT "judgments_judge_id_evaluation_judges_id_fk" FOREIGN KEY ("judge_id") REFERENCES "public"."evaluation_judges"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "judgments" ADD CONSTRAINT "judgments_preferred_id_responses_id_fk" FOREIGN KEY ("preferred_id") REFERENCES "public"."responses"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "evaluation_judges_reward_model" ON "evaluation_judges" USING btree ("batch_id","reward_model_id") WHERE "evaluation_judges"."reward_model_id" is not null;--> statement-breakpoint
CREATE UNIQUE INDEX "evaluation_judges_endpoint" ON "evaluation_judges" USING btree ("batch_id","judge_name") WHERE "evaluation_judges"."judge" = 'endpoint';--> statement-breakpoint
CREATE INDEX "evaluation_judges_by_reward_model" ON "evaluation_judges" USING btree ("reward_model_id");--> statement-breakpoint
CREATE INDEX "judgments_judge" ON "judgments" USING btree ("judge_id");--> statement-breakpoint
CREATE INDEX "batches_evaluated" ON "batches" USING btree ("created_at") WHERE "batches"."purpose" = 'evaluation';--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_evaluation" CHECK ("batches"."purpose" <> 'evaluation'
        or ("batches"."task" = 'pairwise' and cardinality("batches"."policies") = 2 and "batches"."policies"[1] <> "batches"."policies"[2]));--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_purpose" CHECK ("batches"."purpose" in ('work', 'practice', 'qualification', 'imported', 'evaluation'));