CREATE TABLE "case_verdicts" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"case_id" uuid NOT NULL,
	"checkpoint_id" text NOT NULL,
	"response_sha256" text NOT NULL,
	"is_good" boolean NOT NULL,
	"note" text DEFAULT '' NOT NULL,
	"judged_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "regression_cases" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"number" integer GENERATED ALWAYS AS IDENTITY (sequence name "regression_cases_number_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 2147483647 START WITH 1 CACHE 1),
	"title" text NOT NULL,
	"why" text DEFAULT '' NOT NULL,
	"kind" text NOT NULL,
	"expects" jsonb NOT NULL,
	"source" text NOT NULL,
	"prompt_id" uuid,
	"messages" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"archived_at" timestamp with time zone,
	"archived_by" uuid,
	CONSTRAINT "regression_cases_kind" CHECK ("regression_cases"."kind" in ('check', 'reference', 'eyes')),
	CONSTRAINT "regression_cases_source" CHECK ("regression_cases"."source" in ('hand', 'suite', 'prompt')),
	CONSTRAINT "regression_cases_prompt" CHECK (("regression_cases"."source" = 'prompt') = ("regression_cases"."prompt_id" is not null)),
	CONSTRAINT "regression_cases_words" CHECK (("regression_cases"."source" = 'prompt') = ("regression_cases"."messages" = '[]'::jsonb))
);
--> statement-breakpoint
CREATE TABLE "run_suites" (
	"run_id" uuid NOT NULL,
	"suite_id" text NOT NULL,
	CONSTRAINT "run_suites_run_id_suite_id_pk" PRIMARY KEY("run_id","suite_id")
);
--> statement-breakpoint
CREATE TABLE "suites" (
	"id" text PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"title" text NOT NULL,
	"metric" text NOT NULL,
	"item_count" integer NOT NULL,
	"size_bytes" integer NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "suites_items" CHECK ("suites"."item_count" > 0)
);
--> statement-breakpoint
ALTER TABLE "evaluation_transcripts" ADD COLUMN "case_id" uuid;--> statement-breakpoint
ALTER TABLE "case_verdicts" ADD CONSTRAINT "case_verdicts_case_id_regression_cases_id_fk" FOREIGN KEY ("case_id") REFERENCES "public"."regression_cases"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "case_verdicts" ADD CONSTRAINT "case_verdicts_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "case_verdicts" ADD CONSTRAINT "case_verdicts_judged_by_users_id_fk" FOREIGN KEY ("judged_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "regression_cases" ADD CONSTRAINT "regression_cases_prompt_id_prompts_id_fk" FOREIGN KEY ("prompt_id") REFERENCES "public"."prompts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "regression_cases" ADD CONSTRAINT "regression_cases_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "regression_cases" ADD CONSTRAINT "regression_cases_archived_by_users_id_fk" FOREIGN KEY ("archived_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_suites" ADD CONSTRAINT "run_suites_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_suites" ADD CONSTRAINT "run_suites_suite_id_suites_id_fk" FOREIGN KEY ("suite_id") REFERENCES "public"."suites"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "suites" ADD CONSTRAINT "suites_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "case_verdicts_once" ON "case_verdicts" USING btree ("case_id","checkpoint_id","response_sha256","judged_by");--> statement-breakpoint
CREATE INDEX "case_verdicts_checkpoint" ON "case_verdicts" USING btree ("checkpoint_id");--> statement-breakpoint
CREATE UNIQUE INDEX "regression_cases_number" ON "regression_cases" USING btree ("number");--> statement-breakpoint
CREATE INDEX "regression_cases_prompt" ON "regression_cases" USING btree ("prompt_id");--> statement-breakpoint
CREATE INDEX "run_suites_suite" ON "run_suites" USING btree ("suite_id");--> statement-breakpoint
CREATE INDEX "suites_name" ON "suites" USING btree ("name","created_at");--> statement-breakpoint
ALTER TABLE "evaluation_transcripts" ADD CONSTRAINT "evaluation_transcripts_case_id_regression_cases_id_fk" FOREIGN KEY ("case_id") REFERENCES "public"."regression_cases"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "evaluation_transcripts_case" ON "evaluation_transcripts" USING btree ("case_id") WHERE "evaluation_transcripts"."case_id" is not null;--> statement-breakpoint
-- A case that was pinned of somebody's prompt goes with it, and what was answered to it goes with the case.
CREATE FUNCTION delete_cases_of_prompt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM regression_cases WHERE prompt_id = NEW.id;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER prompts_delete_cases AFTER UPDATE ON prompts
  FOR EACH ROW WHEN (NEW.status = 'erased' AND OLD.status <> 'erased') EXECUTE FUNCTION delete_cases_of_prompt();
--> statement-breakpoint
-- The gate was off because nothing could be pinned; whoever saved other settings saved that, too.
UPDATE channels SET settings = settings #- '{gates,regressions}';
