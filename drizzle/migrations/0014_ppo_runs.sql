CREATE TABLE "run_episodes" (
	"run_id" uuid NOT NULL,
	"step" integer NOT NULL,
	"place" smallint NOT NULL,
	"dataset_id" uuid,
	"position" integer,
	"episode" jsonb NOT NULL,
	CONSTRAINT "run_episodes_run_id_step_place_pk" PRIMARY KEY("run_id","step","place"),
	CONSTRAINT "run_episodes_step" CHECK ("run_episodes"."step" >= 0)
);
--> statement-breakpoint
CREATE TABLE "run_reward_models" (
	"run_id" uuid NOT NULL,
	"checkpoint_id" text NOT NULL,
	"role" text NOT NULL,
	"position" smallint NOT NULL,
	CONSTRAINT "run_reward_models_run_id_role_position_pk" PRIMARY KEY("run_id","role","position"),
	CONSTRAINT "run_reward_models_role" CHECK ("run_reward_models"."role" in ('score', 'judge'))
);
--> statement-breakpoint
ALTER TABLE "datasets" DROP CONSTRAINT "datasets_kind";--> statement-breakpoint
ALTER TABLE "run_episodes" ADD CONSTRAINT "run_episodes_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_reward_models" ADD CONSTRAINT "run_reward_models_run_id_runs_id_fk" FOREIGN KEY ("run_id") REFERENCES "public"."runs"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "run_reward_models" ADD CONSTRAINT "run_reward_models_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "run_episodes_source" ON "run_episodes" USING btree ("dataset_id","position") WHERE "run_episodes"."dataset_id" is not null;--> statement-breakpoint
CREATE INDEX "run_reward_models_checkpoint" ON "run_reward_models" USING btree ("checkpoint_id");--> statement-breakpoint
ALTER TABLE "datasets" ADD CONSTRAINT "datasets_kind" CHECK ("datasets"."kind" in ('demonstrations', 'documents', 'rankings', 'prompts'));