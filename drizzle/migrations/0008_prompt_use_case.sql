ALTER TABLE "prompts" ADD COLUMN "use_case" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "snapshot_demonstrations" ADD COLUMN "position" integer;--> statement-breakpoint
ALTER TABLE "task_questions" ADD COLUMN "read_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "task_questions" ADD COLUMN "example_in_version" integer;--> statement-breakpoint
ALTER TABLE "task_questions" ADD CONSTRAINT "task_questions_example_in_version_guidelines_version_fk" FOREIGN KEY ("example_in_version") REFERENCES "public"."guidelines"("version") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "demonstrations_waiting" ON "demonstrations" USING btree ("created_at") WHERE "demonstrations"."is_current" and "demonstrations"."status" = 'submitted';--> statement-breakpoint
-- Rows of a snapshot lie in the order of its demonstrations. Where one has lost its link, nobody can tell which is whose.
UPDATE snapshot_demonstrations s SET position = placed.position FROM (
  SELECT l.dataset_id, l.demonstration_id,
    row_number() OVER (PARTITION BY l.dataset_id ORDER BY d.created_at, d.id) - 1 AS position,
    count(*) OVER (PARTITION BY l.dataset_id) AS links
  FROM snapshot_demonstrations l JOIN demonstrations d ON d.id = l.demonstration_id
) placed JOIN datasets ON datasets.id = placed.dataset_id
WHERE s.dataset_id = placed.dataset_id AND s.demonstration_id = placed.demonstration_id AND datasets.row_count = placed.links;
--> statement-breakpoint
-- As before, and what was asked, answered and reviewed about the prompt goes too: it may repeat the prompt's words.
CREATE OR REPLACE FUNCTION erase_prompt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Losing its owner and losing its conversation come one after the other: the second time there is nothing left to do.
  IF OLD.status = 'erased' OR NOT ((NEW.owner_id IS NULL AND OLD.owner_id IS NOT NULL)
    OR (NEW.conversation_id IS NULL AND OLD.conversation_id IS NOT NULL)
    OR (NEW.status = 'erased' AND OLD.status <> 'erased')) THEN
    RETURN NEW;
  END IF;
  NEW.status := 'erased';
  NEW.owner_id := NULL;
  NEW.messages := '[]';
  NEW.folded_text := '';
  NEW.use_case := '';
  UPDATE responses SET text = '', token_ids = NULL, logprobs = NULL WHERE prompt_id = NEW.id;
  UPDATE demonstrations SET text = '', review_comment = NULL WHERE prompt_id = NEW.id;
  UPDATE task_claims SET draft = NULL WHERE task_id IN (SELECT id FROM ranking_tasks WHERE prompt_id = NEW.id);
  UPDATE task_questions SET question = '', answer = NULL
    WHERE task_id IN (SELECT id FROM ranking_tasks WHERE prompt_id = NEW.id);
  UPDATE ranked_responses SET note = '' WHERE response_id IN (SELECT id FROM responses WHERE prompt_id = NEW.id);
  UPDATE ranking_tasks SET status = 'excluded' WHERE prompt_id = NEW.id;
  RETURN NEW;
END
$$;
--> statement-breakpoint
-- Nobody's words outlive their account, a labeler's neither: whoever deletes it erases what they wrote, and the rows of
-- datasets made of it. Ranks and ratings stay, as numbers under a pseudonym.
CREATE FUNCTION erase_demonstration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.labeler_id IS NULL AND OLD.labeler_id IS NOT NULL THEN
    NEW.text := '';
    NEW.review_comment := NULL;
    UPDATE dataset_rows r SET content = NULL FROM snapshot_demonstrations s
      WHERE s.demonstration_id = NEW.id AND r.dataset_id = s.dataset_id AND r.position = s.position
        AND r.content IS NOT NULL;
  END IF;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER demonstrations_erase BEFORE UPDATE ON demonstrations
  FOR EACH ROW EXECUTE FUNCTION erase_demonstration();
--> statement-breakpoint
CREATE FUNCTION erase_question() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.asked_by IS NULL AND OLD.asked_by IS NOT NULL THEN
    NEW.question := '';
    NEW.answer := NULL;
  END IF;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER task_questions_erase BEFORE UPDATE ON task_questions
  FOR EACH ROW EXECUTE FUNCTION erase_question();
--> statement-breakpoint
CREATE FUNCTION erase_ranking_notes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.labeler_id IS NULL AND OLD.labeler_id IS NOT NULL THEN
    UPDATE ranked_responses SET note = '' WHERE ranking_id = NEW.id AND note <> '';
  END IF;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER rankings_erase_notes BEFORE UPDATE ON rankings FOR EACH ROW EXECUTE FUNCTION erase_ranking_notes();
