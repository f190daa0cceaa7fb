CREATE TABLE "ranking_scores" (
	"ranking_id" uuid PRIMARY KEY NOT NULL,
	"reward_model_id" text NOT NULL,
	"pairs" smallint NOT NULL,
	"agreed" real NOT NULL,
	"by_policy" jsonb NOT NULL,
	"was_seen" boolean NOT NULL,
	"fault" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ranking_scores_agreed" CHECK ("ranking_scores"."agreed" between 0 and "ranking_scores"."pairs"),
	CONSTRAINT "ranking_scores_fault" CHECK ("ranking_scores"."fault" is null or "ranking_scores"."pairs" = 0)
);
--> statement-breakpoint
CREATE TABLE "current_reward_model" (
	"id" smallint PRIMARY KEY DEFAULT 1 NOT NULL,
	"checkpoint_id" text NOT NULL,
	"chosen_by" uuid,
	"chosen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"scores_since" timestamp with time zone DEFAULT now() NOT NULL,
	"problem" text,
	"problem_at" timestamp with time zone,
	CONSTRAINT "current_reward_model_one" CHECK ("current_reward_model"."id" = 1),
	CONSTRAINT "current_reward_model_problem" CHECK (("current_reward_model"."problem" is null) = ("current_reward_model"."problem_at" is null))
);
--> statement-breakpoint
ALTER TABLE "conversations" ADD COLUMN "best_of" smallint DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "best_of" smallint;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "score" real;--> statement-breakpoint
ALTER TABLE "messages" ADD COLUMN "reward_model_id" text;--> statement-breakpoint
ALTER TABLE "ranking_scores" ADD CONSTRAINT "ranking_scores_ranking_id_rankings_id_fk" FOREIGN KEY ("ranking_id") REFERENCES "public"."rankings"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ranking_scores" ADD CONSTRAINT "ranking_scores_reward_model_id_checkpoints_id_fk" FOREIGN KEY ("reward_model_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "current_reward_model" ADD CONSTRAINT "current_reward_model_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "current_reward_model" ADD CONSTRAINT "current_reward_model_chosen_by_users_id_fk" FOREIGN KEY ("chosen_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "ranking_scores_reward_model" ON "ranking_scores" USING btree ("reward_model_id","created_at");--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_reward_model_id_checkpoints_id_fk" FOREIGN KEY ("reward_model_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "conversations" ADD CONSTRAINT "conversations_best_of" CHECK ("conversations"."best_of" between 1 and 8);--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_best_of" CHECK ("messages"."best_of" between 2 and 8);--> statement-breakpoint
ALTER TABLE "messages" ADD CONSTRAINT "messages_score" CHECK (("messages"."score" is null) = ("messages"."reward_model_id" is null));