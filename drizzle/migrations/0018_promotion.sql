CREATE TABLE "promotion_approvals" (
	"request_id" uuid NOT NULL,
	"actor_id" uuid NOT NULL,
	"opponent_id" text,
	"reason" text DEFAULT '' NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "promotion_approvals_request_id_actor_id_pk" PRIMARY KEY("request_id","actor_id")
);
--> statement-breakpoint
CREATE TABLE "promotion_notes" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"promotion_id" bigint NOT NULL,
	"actor_id" uuid,
	"text" text NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "promotion_requests" (
	"id" uuid PRIMARY KEY DEFAULT gen_random_uuid() NOT NULL,
	"kind" text NOT NULL,
	"channel" text NOT NULL,
	"checkpoint_id" text NOT NULL,
	"opponent_id" text,
	"requested_by" uuid,
	"reason" text NOT NULL,
	"plan" jsonb,
	"is_cold" boolean DEFAULT false NOT NULL,
	"scheduled_for" timestamp with time zone,
	"status" text DEFAULT 'open' NOT NULL,
	"overrides" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"problem" text,
	"decided_by" uuid,
	"decided_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "promotion_requests_kind" CHECK ("promotion_requests"."kind" in ('promotion', 'canary')),
	CONSTRAINT "promotion_requests_status" CHECK ("promotion_requests"."status" in ('open', 'applied', 'withdrawn', 'failed')),
	CONSTRAINT "promotion_requests_decided" CHECK (("promotion_requests"."status" = 'open') = ("promotion_requests"."decided_at" is null)),
	CONSTRAINT "promotion_requests_plan" CHECK (("promotion_requests"."kind" = 'canary') = ("promotion_requests"."plan" is not null))
);
--> statement-breakpoint
CREATE TABLE "promotions" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "promotions_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"channel" text NOT NULL,
	"kind" text NOT NULL,
	"checkpoint_id" text NOT NULL,
	"previous_id" text,
	"traffic_share" real DEFAULT 0 NOT NULL,
	"request_id" uuid,
	"actor_id" uuid,
	"reason" text NOT NULL,
	"evidence" jsonb,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "promotions_kind" CHECK ("promotions"."kind" in ('started', 'pointed', 'promotion', 'rollback', 'autoReturn', 'canary', 'ramp', 'canaryEnded')),
	CONSTRAINT "promotions_traffic_share" CHECK ("promotions"."traffic_share" between 0 and 100)
);
--> statement-breakpoint
ALTER TABLE "notifications" DROP CONSTRAINT "notifications_kind";--> statement-breakpoint
ALTER TABLE "webhooks" DROP CONSTRAINT "webhooks_events";--> statement-breakpoint
ALTER TABLE "channels" ADD COLUMN "traffic_share" real DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "channels" ADD COLUMN "ramp" jsonb;--> statement-breakpoint
ALTER TABLE "channels" ADD COLUMN "settings" jsonb DEFAULT '{}'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "channels" ADD COLUMN "frozen_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "channels" ADD COLUMN "frozen_by" uuid;--> statement-breakpoint
ALTER TABLE "channels" ADD COLUMN "freeze_reason" text;--> statement-breakpoint
ALTER TABLE "promotion_approvals" ADD CONSTRAINT "promotion_approvals_request_id_promotion_requests_id_fk" FOREIGN KEY ("request_id") REFERENCES "public"."promotion_requests"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_approvals" ADD CONSTRAINT "promotion_approvals_opponent_id_checkpoints_id_fk" FOREIGN KEY ("opponent_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_notes" ADD CONSTRAINT "promotion_notes_promotion_id_promotions_id_fk" FOREIGN KEY ("promotion_id") REFERENCES "public"."promotions"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_requests" ADD CONSTRAINT "promotion_requests_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_requests" ADD CONSTRAINT "promotion_requests_opponent_id_checkpoints_id_fk" FOREIGN KEY ("opponent_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_requests" ADD CONSTRAINT "promotion_requests_requested_by_users_id_fk" FOREIGN KEY ("requested_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotion_requests" ADD CONSTRAINT "promotion_requests_decided_by_users_id_fk" FOREIGN KEY ("decided_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotions" ADD CONSTRAINT "promotions_checkpoint_id_checkpoints_id_fk" FOREIGN KEY ("checkpoint_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotions" ADD CONSTRAINT "promotions_previous_id_checkpoints_id_fk" FOREIGN KEY ("previous_id") REFERENCES "public"."checkpoints"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "promotions" ADD CONSTRAINT "promotions_request_id_promotion_requests_id_fk" FOREIGN KEY ("request_id") REFERENCES "public"."promotion_requests"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "promotion_notes_promotion" ON "promotion_notes" USING btree ("promotion_id","at");--> statement-breakpoint
CREATE INDEX "promotion_requests_channel" ON "promotion_requests" USING btree ("channel","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "promotion_requests_open" ON "promotion_requests" USING btree ("channel","checkpoint_id") WHERE "promotion_requests"."status" = 'open';--> statement-breakpoint
CREATE INDEX "promotions_channel" ON "promotions" USING btree ("channel","at");--> statement-breakpoint
CREATE INDEX "promotions_checkpoint" ON "promotions" USING btree ("checkpoint_id");--> statement-breakpoint
ALTER TABLE "channels" ADD CONSTRAINT "channels_frozen_by_users_id_fk" FOREIGN KEY ("frozen_by") REFERENCES "public"."users"("id") ON DELETE set null ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "messages_checkpoint" ON "messages" USING btree ("checkpoint_id","created_at");--> statement-breakpoint
ALTER TABLE "channels" ADD CONSTRAINT "channels_traffic_share" CHECK ("channels"."traffic_share" between 0 and 100);--> statement-breakpoint
ALTER TABLE "channels" ADD CONSTRAINT "channels_live_share" CHECK ("channels"."name" <> 'live' or "channels"."traffic_share" = 0);--> statement-breakpoint
ALTER TABLE "channels" ADD CONSTRAINT "channels_frozen" CHECK (("channels"."frozen_at" is null) = ("channels"."freeze_reason" is null));--> statement-breakpoint
ALTER TABLE "notifications" ADD CONSTRAINT "notifications_kind" CHECK ("notifications"."kind" in ('runFinished', 'runFailed', 'runPaused', 'workerLost', 'diskLow', 'promotionRequested', 'promoted', 'rolledBack', 'promotionsFrozen'));--> statement-breakpoint
ALTER TABLE "webhooks" ADD CONSTRAINT "webhooks_events" CHECK ("webhooks"."events" <@ array['runFinished', 'runFailed', 'runPaused', 'workerLost', 'diskLow', 'promotionRequested', 'promoted', 'rolledBack', 'promotionsFrozen']);--> statement-breakpoint
-- The history of channels only grows, as the audit log does.
CREATE FUNCTION refuse_history_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, lower(TG_OP) USING ERRCODE = 'restrict_violation';
END
$$;
--> statement-breakpoint
CREATE TRIGGER promotions_append_only BEFORE UPDATE OR DELETE ON promotions
  FOR EACH ROW EXECUTE FUNCTION refuse_history_change();
--> statement-breakpoint
CREATE TRIGGER promotions_no_truncate BEFORE TRUNCATE ON promotions
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_history_change();
--> statement-breakpoint
CREATE TRIGGER promotion_notes_append_only BEFORE UPDATE OR DELETE ON promotion_notes
  FOR EACH ROW EXECUTE FUNCTION refuse_history_change();
--> statement-breakpoint
CREATE TRIGGER promotion_notes_no_truncate BEFORE TRUNCATE ON promotion_notes
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_history_change();
--> statement-breakpoint
-- What was live before there was a history, as the audit log tells it.
INSERT INTO promotions (channel, kind, checkpoint_id, previous_id, actor_id, reason, at)
  SELECT a.subject, CASE WHEN a.actor_id IS NOT NULL THEN 'promotion' WHEN a.details ->> 'reason' = 'command line' THEN 'pointed' ELSE 'started' END,
    c.id, p.id, a.actor_id, coalesce(a.details ->> 'reason', ''), a.at
  FROM audit_log a JOIN checkpoints c ON c.id = a.details ->> 'to' LEFT JOIN checkpoints p ON p.id = a.details ->> 'from'
  WHERE a.action = 'channel.pointed' ORDER BY a.id;
--> statement-breakpoint
INSERT INTO promotions (channel, kind, checkpoint_id, actor_id, reason, at)
  SELECT n.name, 'started', n.checkpoint_id, n.changed_by, 'before the history began', n.changed_at FROM channels n
  WHERE n.checkpoint_id IS DISTINCT FROM
    (SELECT h.checkpoint_id FROM promotions h WHERE h.channel = n.name ORDER BY h.id DESC LIMIT 1);
