-- Nobody's words outlive their account or their conversation: whoever deletes either erases the prompt made of it, what was
-- answered and written to it, and the drafts about it, whether they know of it or not. Rankings stay, as numbers.
CREATE FUNCTION erase_prompt() RETURNS trigger LANGUAGE plpgsql AS $$
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
  UPDATE responses SET text = '', token_ids = NULL, logprobs = NULL WHERE prompt_id = NEW.id;
  UPDATE demonstrations SET text = '' WHERE prompt_id = NEW.id;
  UPDATE task_claims SET draft = NULL WHERE task_id IN (SELECT id FROM ranking_tasks WHERE prompt_id = NEW.id);
  UPDATE ranked_responses SET note = '' WHERE response_id IN (SELECT id FROM responses WHERE prompt_id = NEW.id);
  UPDATE ranking_tasks SET status = 'excluded' WHERE prompt_id = NEW.id;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER prompts_erase BEFORE UPDATE ON prompts FOR EACH ROW EXECUTE FUNCTION erase_prompt();
