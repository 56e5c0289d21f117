-- Model calls: each written down before it goes out, and settled when it comes back (I11). What is
-- never settled counts for what it reserved: tokens, and money in 10^-12 of the currency's unit.
CREATE TABLE model_calls (
  seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id              TEXT COLLATE "C" NOT NULL UNIQUE,
  thread_id       TEXT COLLATE "C" NOT NULL,
  superstep       TEXT COLLATE "C" NOT NULL,
  path            TEXT COLLATE "C" NOT NULL,
  role            TEXT COLLATE "C" NOT NULL CHECK (role IN ('worker', 'planner', 'judge')),
  worker          TEXT COLLATE "C" NOT NULL,
  attempt         BIGINT NOT NULL,
  model           TEXT COLLATE "C" NOT NULL,
  calls           BIGINT NOT NULL,
  input_bytes     BIGINT NOT NULL,
  reserved_tokens BIGINT NOT NULL,
  reserved_money  BIGINT NOT NULL,
  tokens          BIGINT NOT NULL,
  money           BIGINT NOT NULL,
  input_tokens    BIGINT,
  output_tokens   BIGINT,
  cached_tokens   BIGINT NOT NULL,
  error           TEXT COLLATE "C",
  started_at      TEXT COLLATE "C" NOT NULL,
  ended_at        TEXT COLLATE "C"
);

CREATE INDEX model_calls_by_thread ON model_calls (thread_id, path);

CREATE TRIGGER model_calls_end_once BEFORE UPDATE ON model_calls FOR EACH ROW
WHEN (OLD.ended_at IS NOT NULL OR NEW.ended_at IS NULL OR NEW.id <> OLD.id
  OR NEW.thread_id <> OLD.thread_id OR NEW.reserved_tokens <> OLD.reserved_tokens
  OR NEW.reserved_money <> OLD.reserved_money)
EXECUTE FUNCTION refuse('I11: a model call ends once');

CREATE TRIGGER model_calls_stay BEFORE DELETE ON model_calls FOR EACH ROW
EXECUTE FUNCTION refuse_without_pruning('I11: what was spent stays spent');
