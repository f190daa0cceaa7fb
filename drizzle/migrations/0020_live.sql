CREATE TABLE "draft_pairs" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"comparison_id" uuid NOT NULL,
	"question_id" uuid NOT NULL,
	"first_id" uuid NOT NULL,
	"second_id" uuid NOT NULL,
	"user_id" uuid NOT NULL,
	"seed" integer NOT NULL,
	"verdict" text,
	"decided_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "draft_pairs_verdict" CHECK ("draft_pairs"."verdict" in ('first', 'second', 'tie', 'bothBad')),
	CONSTRAINT "draft_pairs_decided" CHECK ("draft_pairs"."verdict" is null or "draft_pairs"."decided_at" is not null)
);
--> statement-breakpoint
CREATE TABLE "live_comparisons" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"channel" text NOT NULL,
	"candidate_id" text NOT NULL,
	"opponent_id" text NOT NULL,
	"share" real NOT NULL,
	"per_day" smallint NOT NULL,
	"spacing" smallint NOT NULL,
	"reason" text NOT NULL,
	"started_by" uuid,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"ended_by" uuid,
	"end_reason" text,
	CONSTRAINT "live_comparisons_share" CHECK ("live_comparisons"."share" > 0 and "live_comparisons"."share" <= 100),
	CONSTRAINT "live_comparisons_per_day" CHECK ("live_comparisons"."per_day" >= 1),
	CONSTRAINT "live_comparisons_spacing" CHECK ("live_comparisons"."spacing" >= 1),
	CONSTRAINT "live_comparisons_ended" CHECK (("live_comparisons"."ended_at" is null) = ("live_comparisons"."end_reason" is null))
);
--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "is_resumed" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "draft_pairs" ADD CONSTRAINT "draft_pairs_comparison_id_live_comparisons_id_fk" FOREIGN KEY ("comparison_id") REFERENCES "public"."live_comparisons"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "draft_pairs" ADD CONSTRAINT "draft_pairs_question_id_messages_id_fk" FOREIGN KEY ("question_id") REFERENCES "public"."messages"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "draft_pairs" ADD CONSTRAINT "draft_pairs_first_id_messages_id_fk" FOREIGN KEY ("first_id") REFERENCES "public"."messages"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "draft_pairs" ADD CONSTRAINT "draft_pairs_second_id_messages_id_fk" FOREIGN KEY ("second_id") REFERENCES "public"."messages"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "draft_pairs" ADD CONSTRAINT "draft_pairs_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "live_comparisons" ADD CONSTRAINT "live_comparisons_candidate_id_checkpoints_id_fk" FOREIGN KEY ("candidate_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "live_comparisons" ADD CONSTRAINT "live_comparisons_opponent_id_checkpoints_id_fk" FOREIGN KEY ("opponent_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "live_comparisons" ADD CONSTRAINT "live_comparisons_started_by_users_id_fk" FOREIGN KEY ("started_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "live_comparisons" ADD CONSTRAINT "live_comparisons_ended_by_users_id_fk" FOREIGN KEY ("ended_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "draft_pairs_question" ON "draft_pairs" USING btree ("question_id");--> statement-breakpoint
CREATE UNIQUE INDEX "draft_pairs_first" ON "draft_pairs" USING btree ("first_id");--> statement-breakpoint
CREATE UNIQUE INDEX "draft_pairs_second" ON "draft_pairs" USING btree ("second_id");--> statement-breakpoint
CREATE INDEX "draft_pairs_comparison" ON "draft_pairs" USING btree ("comparison_id");--> statement-breakpoint
CREATE INDEX "draft_pairs_user" ON "draft_pairs" USING btree ("user_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "live_comparisons_running" ON "live_comparisons" USING btree ("channel") WHERE "live_comparisons"."ended_at" is null;--> statement-breakpoint
CREATE INDEX "live_comparisons_candidate" ON "live_comparisons" USING btree ("candidate_id");--> statement-breakpoint
CREATE INDEX "live_comparisons_opponent" ON "live_comparisons" USING btree ("opponent_id");--> statement-breakpoint
CREATE INDEX "audit_log_subject" ON "audit_log" USING btree ("subject");