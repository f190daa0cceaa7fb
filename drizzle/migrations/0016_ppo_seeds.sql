ALTER TABLE "runs" ADD COLUMN "seeds_of_id" uuid;--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_seeds_of_id_runs_id_fk" FOREIGN KEY ("seeds_of_id") REFERENCES "public"."runs"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "runs_by_seeds" ON "runs" USING btree ("seeds_of_id") WHERE "runs"."seeds_of_id" is not null;