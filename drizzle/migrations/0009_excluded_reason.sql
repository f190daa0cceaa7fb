ALTER TABLE "ranking_tasks" ADD COLUMN "excluded_reason" text;--> statement-breakpoint
-- The reason of a task whose responses could not be sampled was in the column of known answers.
UPDATE ranking_tasks t SET
  excluded_reason = CASE
    WHEN p.status = 'erased' THEN 'The prompt was erased with its owner''s data.'
    WHEN p.status = 'reported' THEN 'The prompt was reported and pulled from every queue.'
    WHEN NOT t.is_gold AND t.explanation <> '' THEN t.explanation
    ELSE 'Labelers found that it cannot be ranked.' END,
  explanation = CASE WHEN t.is_gold THEN t.explanation ELSE '' END
FROM prompts p WHERE p.id = t.prompt_id AND t.status = 'excluded';--> statement-breakpoint
-- Prompts that a lead pulled left their tasks as they were.
UPDATE ranking_tasks t SET status = 'excluded', excluded_reason = 'The prompt was reported and pulled from every queue.'
FROM prompts p WHERE p.id = t.prompt_id AND p.status = 'reported' AND t.status <> 'excluded';--> statement-breakpoint
ALTER TABLE "ranking_tasks" ADD CONSTRAINT "ranking_tasks_excluded" CHECK (("ranking_tasks"."status" = 'excluded') = ("ranking_tasks"."excluded_reason" is not null));--> statement-breakpoint
-- As before, and says why.
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
  UPDATE ranking_tasks SET status = 'excluded', excluded_reason = 'The prompt was erased with its owner''s data.'
    WHERE prompt_id = NEW.id;
  RETURN NEW;
END
$$;
