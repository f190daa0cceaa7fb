CREATE TABLE "mail_deliveries" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"user_id" uuid NOT NULL,
	"event" text NOT NULL,
	"payload" jsonb NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"attempts" smallint DEFAULT 0 NOT NULL,
	"due_at" timestamp with time zone DEFAULT now() NOT NULL,
	"error" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"delivered_at" timestamp with time zone,
	CONSTRAINT "mail_deliveries_status" CHECK ("mail_deliveries"."status" in ('pending', 'delivered', 'failed')),
	CONSTRAINT "mail_deliveries_delivered" CHECK (("mail_deliveries"."status" = 'delivered') = ("mail_deliveries"."delivered_at" is not null))
);
--> statement-breakpoint
ALTER TABLE "runs" DROP CONSTRAINT "runs_counts";--> statement-breakpoint
ALTER TABLE "runs" ALTER COLUMN "number" DROP IDENTITY;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "wants_mail" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "runs" ADD COLUMN "kills" smallint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "mail_deliveries" ADD CONSTRAINT "mail_deliveries_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "mail_deliveries_due" ON "mail_deliveries" USING btree ("due_at") WHERE "mail_deliveries"."status" = 'pending';--> statement-breakpoint
CREATE INDEX "mail_deliveries_user" ON "mail_deliveries" USING btree ("user_id","created_at");--> statement-breakpoint
ALTER TABLE "runs" ADD CONSTRAINT "runs_counts" CHECK ("runs"."attempts" >= 0 and "runs"."kills" >= 0 and "runs"."fencing" >= 0 and "runs"."step" >= 0);