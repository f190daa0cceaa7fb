-- A sealed snapshot is what runs were made from: its rows stay as they were, but that their content may be erased.
CREATE FUNCTION guard_dataset_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    -- Nobody's words outlive their account: whoever deletes the person erases the row, whether they know of it or not.
    IF NEW.owner_id IS NULL AND OLD.owner_id IS NOT NULL THEN
      NEW.content := NULL;
    END IF;
    IF NEW.content IS NULL THEN
      NEW.owner_id := NULL;
    END IF;
    IF NEW.dataset_id <> OLD.dataset_id OR NEW.position <> OLD.position OR NEW.hash <> OLD.hash
      OR (NEW.content IS NOT NULL AND NEW.content IS DISTINCT FROM OLD.content)
      OR (NEW.owner_id IS NOT NULL AND NEW.owner_id IS DISTINCT FROM OLD.owner_id) THEN
      RAISE EXCEPTION 'dataset rows are never changed, only erased' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
  END IF;
  IF EXISTS (SELECT FROM datasets WHERE id = CASE TG_OP WHEN 'INSERT' THEN NEW.dataset_id ELSE OLD.dataset_id END
    AND sealed_at IS NOT NULL) THEN
    RAISE EXCEPTION 'the dataset is sealed: % refused', lower(TG_OP) USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN CASE TG_OP WHEN 'INSERT' THEN NEW ELSE OLD END;
END
$$;
--> statement-breakpoint
CREATE TRIGGER dataset_rows_guard BEFORE INSERT OR UPDATE OR DELETE ON dataset_rows
  FOR EACH ROW EXECUTE FUNCTION guard_dataset_row();
--> statement-breakpoint
CREATE FUNCTION guard_dataset() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.sealed_at IS NOT NULL AND (
    NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.sha256 IS DISTINCT FROM OLD.sha256
    OR NEW.sealed_at IS DISTINCT FROM OLD.sealed_at OR NEW.row_count <> OLD.row_count
    OR NEW.size_bytes <> OLD.size_bytes OR (OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL)
  ) THEN
    RAISE EXCEPTION 'the dataset is sealed: update refused' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER datasets_guard BEFORE UPDATE ON datasets FOR EACH ROW EXECUTE FUNCTION guard_dataset();
