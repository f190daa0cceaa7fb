CREATE TABLE "reward_reports" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"checkpoint_id" text NOT NULL,
	"report" jsonb NOT NULL,
	"left_out" integer NOT NULL,
	"created_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "reward_reports_left_out" CHECK ("reward_reports"."left_out" >= 0)
);
--> statement-breakpoint
ALTER TABLE "reward_reports" ADD CONSTRAINT "reward_reports_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reward_reports" ADD CONSTRAINT "reward_reports_created_by_users_id_fk" FOREIGN KEY ("created_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "reward_reports_checkpoint" ON "reward_reports" USING btree ("checkpoint_id","created_at");