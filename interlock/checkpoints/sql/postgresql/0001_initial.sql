-- What a trigger says no with; its one argument is the reason.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'IL001';
END
$$;

-- Set on every table of ours: while the transaction is lent to a tool, it may read them only.
CREATE FUNCTION refuse_when_lent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('interlock.lent', true) = 'on' THEN
    RAISE EXCEPTION USING
      MESSAGE = 'this table is not the tool''s to write to', ERRCODE = 'IL002';
  END IF;
  RETURN NULL;
END
$$;

-- How many transactions each connection thread of a storage has committed: whoever loses its
-- connection in a COMMIT learns here whether that transaction is in.
CREATE TABLE commit_marks (
  writer TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  number BIGINT NOT NULL,
  at     TIMESTAMPTZ NOT NULL
);

-- Runs: one a thread, written down before the first node. Terminal statuses absorb (I9).
CREATE TABLE runs (
  seq           BIGINT GENERATED ALWAYS AS IDENTITY,
  thread_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  goal          TEXT COLLATE "C" NOT NULL,
  context       TEXT COLLATE "C" NOT NULL,
  status        TEXT COLLATE "C" NOT NULL CHECK (status IN
                  ('running', 'waiting', 'completed', 'degraded', 'failed', 'cancelled')),
  accepted_at   TEXT COLLATE "C" NOT NULL,
  updated_at    TEXT COLLATE "C" NOT NULL,
  cancel_reason TEXT COLLATE "C",
  result        TEXT COLLATE "C" NOT NULL,
  stepwise      BOOLEAN NOT NULL
);

CREATE INDEX runs_by_status ON runs (status);

CREATE TRIGGER runs_absorb BEFORE UPDATE ON runs FOR EACH ROW
WHEN (OLD.status IN ('completed', 'degraded', 'failed', 'cancelled'))
EXECUTE FUNCTION refuse('I9: the status of this run is terminal');

CREATE TRIGGER runs_stay BEFORE DELETE ON runs FOR EACH ROW
EXECUTE FUNCTION refuse('an accepted run never vanishes');

-- Leases: who may write to a thread. The token only grows; expires_at is NULL once released.
CREATE TABLE leases (
  thread_id     TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  token         BIGINT NOT NULL,
  owner         TEXT COLLATE "C" NOT NULL,
  owner_host    TEXT COLLATE "C" NOT NULL,
  owner_pid     BIGINT NOT NULL,
  owner_started DOUBLE PRECISION NOT NULL,
  expires_at    DOUBLE PRECISION
);

CREATE TRIGGER lease_tokens_grow BEFORE UPDATE OF token ON leases FOR EACH ROW
WHEN (NEW.token < OLD.token)
EXECUTE FUNCTION refuse('fencing tokens never shrink');

-- Payloads: values by the SHA-256 of their canonical encoding, once a thread. Big parts of a value
-- are payloads of their own: `cuts` says where they were cut out, as JSON [[offset in data, hash]].
CREATE TABLE payloads (
  thread_id TEXT COLLATE "C" NOT NULL,
  hash      TEXT COLLATE "C" NOT NULL,
  size      BIGINT NOT NULL,
  data      BYTEA NOT NULL,
  cuts      TEXT COLLATE "C",
  PRIMARY KEY (thread_id, hash)
);

-- The journal of handoffs: append-only.
CREATE TABLE handoffs (
  seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id            TEXT COLLATE "C" NOT NULL UNIQUE,
  thread_id     TEXT COLLATE "C" NOT NULL,
  superstep     TEXT COLLATE "C" NOT NULL,
  kind          TEXT COLLATE "C" NOT NULL,
  sender        TEXT COLLATE "C" NOT NULL,
  receiver      TEXT COLLATE "C" NOT NULL,
  step_id       TEXT COLLATE "C",
  attempt       BIGINT NOT NULL,
  worker        TEXT COLLATE "C",
  payload_hash  TEXT COLLATE "C" NOT NULL,
  verdict       TEXT COLLATE "C",
  status        TEXT COLLATE "C",
  queued_at     TEXT COLLATE "C",
  started_at    TEXT COLLATE "C",
  ended_at      TEXT COLLATE "C" NOT NULL,
  input_tokens  BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  trace_id      TEXT COLLATE "C"
);

CREATE INDEX handoffs_by_thread ON handoffs (thread_id);
CREATE INDEX handoffs_by_attempt ON handoffs (thread_id, kind, step_id, superstep, attempt);

CREATE TRIGGER handoffs_are_append_only BEFORE UPDATE OR DELETE ON handoffs FOR EACH ROW
EXECUTE FUNCTION refuse('the journal is append-only');

-- Outcomes: how the steps of one dispatch superstep stand. Terminal ones absorb (I9).
CREATE TABLE outcomes (
  seq       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  thread_id TEXT COLLATE "C" NOT NULL,
  superstep TEXT COLLATE "C" NOT NULL,
  step_id   TEXT COLLATE "C" NOT NULL,
  status    TEXT COLLATE "C" NOT NULL,
  outcome   TEXT COLLATE "C" NOT NULL,
  UNIQUE (thread_id, superstep, step_id)
);

CREATE INDEX outcomes_newest ON outcomes (thread_id, step_id, seq, status);

CREATE TRIGGER outcomes_absorb BEFORE UPDATE ON outcomes FOR EACH ROW
WHEN (OLD.status <> 'waiting')
EXECUTE FUNCTION refuse('I9: the status of this outcome is terminal');

CREATE TRIGGER outcomes_stay BEFORE DELETE ON outcomes FOR EACH ROW
EXECUTE FUNCTION refuse('I9: outcomes stay');

-- Questions for people, with the one answer each may get (I10).
CREATE TABLE questions (
  seq         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          TEXT COLLATE "C" NOT NULL UNIQUE,
  thread_id   TEXT COLLATE "C" NOT NULL,
  status      TEXT COLLATE "C" NOT NULL CHECK (status IN ('open', 'answered', 'applied', 'closed')),
  question    TEXT COLLATE "C" NOT NULL,
  answer      TEXT COLLATE "C",
  asked_at    TEXT COLLATE "C" NOT NULL,
  answered_at TEXT COLLATE "C"
);

CREATE INDEX questions_by_thread ON questions (thread_id);
CREATE INDEX questions_open ON questions (seq) WHERE status = 'open';

CREATE TRIGGER answers_stay BEFORE UPDATE OF answer ON questions FOR EACH ROW
WHEN (OLD.answer IS NOT NULL AND NEW.answer IS DISTINCT FROM OLD.answer)
EXECUTE FUNCTION refuse('I10: this question has its answer');

CREATE TRIGGER questions_stay BEFORE DELETE ON questions FOR EACH ROW
EXECUTE FUNCTION refuse('I10: questions stay');

-- LangGraph's checkpoints, without channel values.
CREATE TABLE checkpoints (
  thread_id     TEXT COLLATE "C" NOT NULL,
  ns            TEXT COLLATE "C" NOT NULL,
  checkpoint_id TEXT COLLATE "C" NOT NULL,
  parent_id     TEXT COLLATE "C",
  run_id        TEXT COLLATE "C",
  format        TEXT COLLATE "C" NOT NULL,
  document      BYTEA NOT NULL,
  PRIMARY KEY (thread_id, ns, checkpoint_id)
);

CREATE INDEX checkpoints_by_run ON checkpoints (run_id) WHERE run_id IS NOT NULL;

-- Channel values by version: one row each time a channel changed. Big ones lie in blobs.
CREATE TABLE channel_values (
  thread_id TEXT COLLATE "C" NOT NULL,
  ns        TEXT COLLATE "C" NOT NULL,
  channel   TEXT COLLATE "C" NOT NULL,
  version   TEXT COLLATE "C" NOT NULL,
  format    TEXT COLLATE "C" NOT NULL,
  data      BYTEA,
  blob_hash TEXT COLLATE "C",
  PRIMARY KEY (thread_id, ns, channel, version)
);

-- What the tasks of a superstep have written before its checkpoint.
CREATE TABLE task_writes (
  thread_id     TEXT COLLATE "C" NOT NULL,
  ns            TEXT COLLATE "C" NOT NULL,
  checkpoint_id TEXT COLLATE "C" NOT NULL,
  task_path     TEXT COLLATE "C" NOT NULL,
  task_id       TEXT COLLATE "C" NOT NULL,
  idx           BIGINT NOT NULL,
  channel       TEXT COLLATE "C" NOT NULL,
  format        TEXT COLLATE "C" NOT NULL,
  data          BYTEA,
  blob_hash     TEXT COLLATE "C",
  PRIMARY KEY (thread_id, ns, checkpoint_id, task_id, idx)
);

-- Big serialised channel values and task writes by their SHA-256, once a thread.
CREATE TABLE blobs (
  thread_id TEXT COLLATE "C" NOT NULL,
  hash      TEXT COLLATE "C" NOT NULL,
  data      BYTEA NOT NULL,
  PRIMARY KEY (thread_id, hash)
);
