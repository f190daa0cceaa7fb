CREATE TABLE "qualification_tests" (
	"batch_id" uuid PRIMARY KEY NOT NULL,
	"demonstration_batch_id" uuid,
	"areas" text[] DEFAULT '{}' NOT NULL,
	"flag_cutoff" real DEFAULT 0.75 NOT NULL,
	"ranking_cutoff" real DEFAULT 0.75 NOT NULL,
	"rating_cutoff" real DEFAULT 6 NOT NULL,
	"retake_after_days" smallint DEFAULT 7 NOT NULL,
	"most_sittings" smallint DEFAULT 3,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "qualification_tests_shares" CHECK ("qualification_tests"."flag_cutoff" between 0 and 1 and "qualification_tests"."ranking_cutoff" between 0 and 1),
	CONSTRAINT "qualification_tests_rating" CHECK ("qualification_tests"."rating_cutoff" between 1 and 7),
	CONSTRAINT "qualification_tests_retakes" CHECK ("qualification_tests"."retake_after_days" >= 0 and "qualification_tests"."most_sittings" >= 1)
);
--> statement-breakpoint
ALTER TABLE "labelers" ADD COLUMN "requalify_asked_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "labelers" ADD COLUMN "requalify_reason" text;--> statement-breakpoint
ALTER TABLE "qualifications" ADD COLUMN "flag_decisions" integer;--> statement-breakpoint
ALTER TABLE "qualifications" ADD COLUMN "ranking_pairs" integer;--> statement-breakpoint
ALTER TABLE "qualifications" ADD COLUMN "rated_demonstrations" integer;--> statement-breakpoint
ALTER TABLE "qualifications" ADD COLUMN "submitted_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "qualification_tests" ADD CONSTRAINT "qualification_tests_batch_id_batches_id_fk" FOREIGN KEY ("batch_id") REFERENCES "public"."batches"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "qualification_tests" ADD CONSTRAINT "qualification_tests_demonstration_batch_id_batches_id_fk" FOREIGN KEY ("demonstration_batch_id") REFERENCES "public"."batches"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "qualification_tests_demonstrations" ON "qualification_tests" USING btree ("demonstration_batch_id");--> statement-breakpoint
ALTER TABLE "labelers" ADD CONSTRAINT "labelers_requalify" CHECK (("labelers"."requalify_asked_at" is null) = ("labelers"."requalify_reason" is null) and ("labelers"."requalify_asked_at" is null or "labelers"."qualified_at" is null));--> statement-breakpoint
ALTER TABLE "qualifications" ADD CONSTRAINT "qualifications_ended" CHECK (("qualifications"."status" in ('passed', 'failed')) = ("qualifications"."ended_at" is not null));