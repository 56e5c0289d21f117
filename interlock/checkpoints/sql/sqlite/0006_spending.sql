-- Model calls: each written down before it goes out, and settled when it comes back (I11). What is
-- never settled counts for what it reserved: tokens, and money in 10^-12 of the currency's unit.
CREATE TABLE model_calls (
  seq             INTEGER PRIMARY KEY,
  id              TEXT NOT NULL UNIQUE,
  thread_id       TEXT NOT NULL,
  superstep       TEXT NOT NULL,
  path            TEXT NOT NULL,
  role            TEXT NOT NULL CHECK (role IN ('worker', 'planner', 'judge')),
  worker          TEXT NOT NULL,
  attempt         INTEGER NOT NULL,
  model           TEXT NOT NULL,
  calls           INTEGER NOT NULL,
  input_bytes     INTEGER NOT NULL,
  reserved_tokens INTEGER NOT NULL,
  reserved_money  INTEGER NOT NULL,
  tokens          INTEGER NOT NULL,
  money           INTEGER NOT NULL,
  input_tokens    INTEGER,
  output_tokens   INTEGER,
  cached_tokens   INTEGER NOT NULL,
  error           TEXT,
  started_at      TEXT NOT NULL,
  ended_at        TEXT
) STRICT;

CREATE INDEX model_calls_by_thread ON model_calls (thread_id, path);

CREATE TRIGGER model_calls_end_once BEFORE UPDATE ON model_calls
WHEN OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL OR NEW.id <> OLD.id
  OR NEW.thread_id <> OLD.thread_id OR NEW.reserved_tokens <> OLD.reserved_tokens
  OR NEW.reserved_money <> OLD.reserved_money
BEGIN
  SELECT RAISE(ABORT, 'I11: a model call ends once');
END;

CREATE TRIGGER model_calls_are_not_replaced BEFORE INSERT ON model_calls
WHEN EXISTS (SELECT 1 FROM model_calls WHERE id = NEW.id)
BEGIN
  SELECT RAISE(IGNORE);
END;

CREATE TRIGGER model_calls_stay BEFORE DELETE ON model_calls
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE thread_id = OLD.thread_id)
BEGIN
  SELECT RAISE(ABORT, 'I11: what was spent stays spent');
END;
