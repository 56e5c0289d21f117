-- Scratchpads: what workers noted on their steps, append-only while the run is under way (I4).
-- `note` is UTF-8: text columns refuse U+0000.
CREATE TABLE scratchpad_notes (
  seq       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id        TEXT COLLATE "C" NOT NULL UNIQUE,
  thread_id TEXT COLLATE "C" NOT NULL,
  superstep TEXT COLLATE "C" NOT NULL,
  step_id   TEXT COLLATE "C" NOT NULL,
  worker    TEXT COLLATE "C" NOT NULL,
  attempt   BIGINT NOT NULL,
  size      BIGINT NOT NULL,
  noted_at  TEXT COLLATE "C" NOT NULL,
  note      BYTEA NOT NULL
);

CREATE INDEX scratchpad_notes_by_step ON scratchpad_notes (thread_id, step_id);

CREATE TRIGGER scratchpad_notes_are_append_only BEFORE UPDATE ON scratchpad_notes FOR EACH ROW
EXECUTE FUNCTION refuse('scratchpads are append-only');

CREATE FUNCTION refuse_while_under_way() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM runs WHERE thread_id = OLD.thread_id
             AND status NOT IN ('completed', 'degraded', 'failed', 'cancelled')) THEN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'IL001';
  END IF;
  RETURN OLD;
END
$$;

CREATE TRIGGER scratchpad_notes_stay BEFORE DELETE ON scratchpad_notes FOR EACH ROW
EXECUTE FUNCTION refuse_while_under_way('the notes of a run under way stay');

-- Prunings: threads whose record of an ended run is being deleted on request. A row lives in the
-- transaction that deletes and nowhere else; without one, what was written down stays.
CREATE TABLE prunings (
  thread_id TEXT COLLATE "C" NOT NULL PRIMARY KEY
);

CREATE FUNCTION refuse_pruning_under_way() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = NEW.thread_id
                 AND status IN ('completed', 'degraded', 'failed', 'cancelled')) THEN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'IL001';
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER prunings_are_of_ended_runs BEFORE INSERT ON prunings FOR EACH ROW
EXECUTE FUNCTION refuse_pruning_under_way('only the record of an ended run can be deleted');

CREATE FUNCTION refuse_without_pruning() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM prunings WHERE thread_id = OLD.thread_id) THEN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'IL001';
  END IF;
  RETURN OLD;
END
$$;

DROP TRIGGER handoffs_are_append_only ON handoffs;

CREATE TRIGGER handoffs_are_append_only BEFORE UPDATE ON handoffs FOR EACH ROW
EXECUTE FUNCTION refuse('the journal is append-only');

CREATE TRIGGER handoffs_stay BEFORE DELETE ON handoffs FOR EACH ROW
EXECUTE FUNCTION refuse_without_pruning('the journal is append-only');

DROP TRIGGER outcomes_stay ON outcomes;

CREATE TRIGGER outcomes_stay BEFORE DELETE ON outcomes FOR EACH ROW
EXECUTE FUNCTION refuse_without_pruning('I9: outcomes stay');

DROP TRIGGER questions_stay ON questions;

CREATE TRIGGER questions_stay BEFORE DELETE ON questions FOR EACH ROW
EXECUTE FUNCTION refuse_without_pruning('I10: questions stay');

CREATE INDEX channel_values_by_blob ON channel_values (thread_id, blob_hash)
WHERE blob_hash IS NOT NULL;
CREATE INDEX task_writes_by_blob ON task_writes (thread_id, blob_hash)
WHERE blob_hash IS NOT NULL;
