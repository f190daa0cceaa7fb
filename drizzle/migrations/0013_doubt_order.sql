DROP INDEX "ranking_tasks_queue";--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "doubt_by" text;--> statement-breakpoint
ALTER TABLE "batches" ADD COLUMN "doubt_model_id" text;--> statement-breakpoint
ALTER TABLE "ranking_tasks" ADD COLUMN "doubt" real;--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_doubt_model_id_checkpoints_id_fk" FOREIGN KEY ("doubt_model_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "ranking_tasks_queue" ON "ranking_tasks" USING btree ("batch_id","doubt" DESC NULLS LAST,"position") WHERE "ranking_tasks"."status" = 'open' and "ranking_tasks"."open_places" > 0 and "ranking_tasks"."only_for_id" is null;--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_doubt_by" CHECK ("batches"."doubt_by" in ('deviation', 'margin'));--> statement-breakpoint
ALTER TABLE "batches" ADD CONSTRAINT "batches_doubt" CHECK (("batches"."doubt_by" is null) = ("batches"."doubt_model_id" is null));