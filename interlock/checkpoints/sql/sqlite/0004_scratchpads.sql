-- Scratchpads: what workers noted on their steps, append-only while the run is under way (I4).
-- `note` is UTF-8: text columns of other databases refuse U+0000.
CREATE TABLE scratchpad_notes (
  seq       INTEGER PRIMARY KEY,
  id        TEXT NOT NULL UNIQUE,
  thread_id TEXT NOT NULL,
  superstep TEXT NOT NULL,
  step_id   TEXT NOT NULL,
  worker    TEXT NOT NULL,
  attempt   INTEGER NOT NULL,
  size      INTEGER NOT NULL,
  noted_at  TEXT NOT NULL,
  note      BLOB NOT NULL
) STRICT;

CREATE INDEX scratchpad_notes_by_step ON scratchpad_notes (thread_id, step_id);

CREATE TRIGGER scratchpad_notes_are_append_only BEFORE UPDATE ON scratchpad_notes
BEGIN
  SELECT RAISE(ABORT, 'scratchpads are append-only');
END;

CREATE TRIGGER scratchpad_notes_stay BEFORE DELETE ON scratchpad_notes
WHEN EXISTS (SELECT 1 FROM runs WHERE thread_id = OLD.thread_id
             AND status NOT IN ('completed', 'degraded', 'failed', 'cancelled'))
BEGIN
  SELECT RAISE(ABORT, 'the notes of a run under way stay');
END;

CREATE TRIGGER scratchpad_notes_are_not_replaced BEFORE INSERT ON scratchpad_notes
WHEN EXISTS (SELECT 1 FROM scratchpad_notes WHERE id = NEW.id)
BEGIN
  SELECT RAISE(IGNORE);
END;

-- Prunings: threads whose record of an ended run is being deleted on request. A row lives in the
-- transaction that deletes and nowhere else; without one, what was written down stays.
CREATE TABLE prunings (
  thread_id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER prunings_are_of_ended_runs BEFORE INSERT ON prunings
WHEN NOT EXISTS (SELECT 1 FROM runs WHERE thread_id = NEW.thread_id
                 AND status IN ('completed', 'degraded', 'failed', 'cancelled'))
BEGIN
  SELECT RAISE(ABORT, 'only the record of an ended run can be deleted');
END;

DROP TRIGGER handoffs_stay;

CREATE TRIGGER handoffs_stay BEFORE DELETE ON handoffs
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE thread_id = OLD.thread_id)
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only');
END;

DROP TRIGGER outcomes_stay;

CREATE TRIGGER outcomes_stay BEFORE DELETE ON outcomes
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE thread_id = OLD.thread_id)
BEGIN
  SELECT RAISE(ABORT, 'I9: outcomes stay');
END;

DROP TRIGGER questions_stay;

CREATE TRIGGER questions_stay BEFORE DELETE ON questions
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE thread_id = OLD.thread_id)
BEGIN
  SELECT RAISE(ABORT, 'I10: questions stay');
END;

-- A blob goes when the last value that names it goes.
CREATE INDEX channel_values_by_blob ON channel_values (thread_id, blob_hash)
WHERE blob_hash IS NOT NULL;
CREATE INDEX task_writes_by_blob ON task_writes (thread_id, blob_hash)
WHERE blob_hash IS NOT NULL;
