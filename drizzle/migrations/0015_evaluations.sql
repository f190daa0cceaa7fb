CREATE TABLE "evaluation_transcripts" (
	"run_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"suite" text NOT NULL,
	"variant" text NOT NULL,
	"transcript" jsonb NOT NULL,
	CONSTRAINT "evaluation_transcripts_run_id_position_pk" PRIMARY KEY("run_id","position"),
	CONSTRAINT "evaluation_transcripts_position" CHECK ("evaluation_transcripts"."position" >= 0)
);
--> statement-breakpoint
CREATE TABLE "evaluations" (
	"run_id" uuid PRIMARY KEY NOT NULL,
	"checkpoint_id" text NOT NULL,
	"report" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "evaluation_transcripts" ADD CONSTRAINT "evaluation_transcripts_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "evaluations" ADD CONSTRAINT "evaluations_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "evaluations" ADD CONSTRAINT "evaluations_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "evaluation_transcripts_suite" ON "evaluation_transcripts" USING btree ("run_id","suite","variant");--> statement-breakpoint
CREATE INDEX "evaluations_checkpoint" ON "evaluations" USING btree ("checkpoint_id","created_at");