-- Runs: one a thread, written down before the first node. Terminal statuses absorb (I9).
CREATE TABLE runs (
  thread_id     TEXT NOT NULL PRIMARY KEY,
  goal          TEXT NOT NULL,
  context       TEXT NOT NULL,
  status        TEXT NOT NULL CHECK (status IN
                  ('running', 'waiting', 'completed', 'degraded', 'failed', 'cancelled')),
  accepted_at   TEXT NOT NULL,
  updated_at    TEXT NOT NULL,
  cancel_reason TEXT,
  result        TEXT NOT NULL,
  stepwise      INTEGER NOT NULL
) STRICT;

CREATE INDEX runs_by_status ON runs (status);

CREATE TRIGGER runs_absorb BEFORE UPDATE ON runs
WHEN OLD.status IN ('completed', 'degraded', 'failed', 'cancelled')
BEGIN
  SELECT RAISE(ABORT, 'I9: the status of this run is terminal');
END;

CREATE TRIGGER runs_stay BEFORE DELETE ON runs
BEGIN
  SELECT RAISE(ABORT, 'an accepted run never vanishes');
END;

-- INSERT OR REPLACE would delete the old row without asking the trigger above.
CREATE TRIGGER runs_are_not_replaced BEFORE INSERT ON runs
WHEN EXISTS (SELECT 1 FROM runs WHERE thread_id = NEW.thread_id)
BEGIN
  SELECT RAISE(ABORT, 'an accepted run never vanishes');
END;

-- Leases: who may write to a thread. The token only grows; expires_at is NULL once released.
CREATE TABLE leases (
  thread_id     TEXT NOT NULL PRIMARY KEY,
  token         INTEGER NOT NULL,
  owner         TEXT NOT NULL,
  owner_host    TEXT NOT NULL,
  owner_pid     INTEGER NOT NULL,
  owner_started REAL NOT NULL,
  expires_at    REAL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER lease_tokens_grow BEFORE UPDATE OF token ON leases
WHEN NEW.token < OLD.token
BEGIN
  SELECT RAISE(ABORT, 'fencing tokens never shrink');
END;

-- Payloads: values by the SHA-256 of their canonical encoding, once a thread. Big parts of a value
-- are payloads of their own: `cuts` says where they were cut out, as JSON [[offset in data, hash]].
CREATE TABLE payloads (
  thread_id TEXT NOT NULL,
  hash      TEXT NOT NULL,
  size      INTEGER NOT NULL,
  data      BLOB NOT NULL,
  cuts      TEXT,
  PRIMARY KEY (thread_id, hash)
) STRICT;

-- The journal of handoffs: append-only.
CREATE TABLE handoffs (
  seq           INTEGER PRIMARY KEY,
  id            TEXT NOT NULL UNIQUE,
  thread_id     TEXT NOT NULL,
  superstep     TEXT NOT NULL,
  kind          TEXT NOT NULL,
  sender        TEXT NOT NULL,
  receiver      TEXT NOT NULL,
  step_id       TEXT,
  attempt       INTEGER NOT NULL,
  worker        TEXT,
  payload_hash  TEXT NOT NULL,
  verdict       TEXT,
  status        TEXT,
  queued_at     TEXT,
  started_at    TEXT,
  ended_at      TEXT NOT NULL,
  input_tokens  INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  trace_id      TEXT
) STRICT;

CREATE INDEX handoffs_by_thread ON handoffs (thread_id);
CREATE INDEX handoffs_by_attempt ON handoffs (thread_id, kind, step_id, superstep, attempt);

CREATE TRIGGER handoffs_are_append_only BEFORE UPDATE ON handoffs
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER handoffs_stay BEFORE DELETE ON handoffs
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER handoffs_are_not_replaced BEFORE INSERT ON handoffs
WHEN EXISTS (SELECT 1 FROM handoffs WHERE id = NEW.id)
BEGIN
  SELECT RAISE(IGNORE);
END;

-- Outcomes: how the steps of one dispatch superstep stand. Terminal ones absorb (I9).
CREATE TABLE outcomes (
  seq       INTEGER PRIMARY KEY,
  thread_id TEXT NOT NULL,
  superstep TEXT NOT NULL,
  step_id   TEXT NOT NULL,
  status    TEXT NOT NULL,
  outcome   TEXT NOT NULL,
  UNIQUE (thread_id, superstep, step_id)
) STRICT;

CREATE INDEX outcomes_newest ON outcomes (thread_id, step_id, seq, status);

CREATE TRIGGER outcomes_absorb BEFORE UPDATE ON outcomes
WHEN OLD.status <> 'waiting'
BEGIN
  SELECT RAISE(ABORT, 'I9: the status of this outcome is terminal');
END;

CREATE TRIGGER outcomes_stay BEFORE DELETE ON outcomes
BEGIN
  SELECT RAISE(ABORT, 'I9: outcomes stay');
END;

CREATE TRIGGER outcomes_are_not_replaced BEFORE INSERT ON outcomes
WHEN EXISTS (SELECT 1 FROM outcomes WHERE thread_id = NEW.thread_id
             AND superstep = NEW.superstep AND step_id = NEW.step_id)
BEGIN
  SELECT RAISE(IGNORE);
END;

-- Questions for people, with the one answer each may get (I10).
CREATE TABLE questions (
  seq         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  thread_id   TEXT NOT NULL,
  status      TEXT NOT NULL CHECK (status IN ('open', 'answered', 'applied', 'closed')),
  question    TEXT NOT NULL,
  answer      TEXT,
  asked_at    TEXT NOT NULL,
  answered_at TEXT
) STRICT;

CREATE INDEX questions_by_thread ON questions (thread_id);
CREATE INDEX questions_open ON questions (seq) WHERE status = 'open';

CREATE TRIGGER answers_stay BEFORE UPDATE OF answer ON questions
WHEN OLD.answer IS NOT NULL AND NEW.answer IS NOT OLD.answer
BEGIN
  SELECT RAISE(ABORT, 'I10: this question has its answer');
END;

CREATE TRIGGER questions_stay BEFORE DELETE ON questions
BEGIN
  SELECT RAISE(ABORT, 'I10: questions stay');
END;

CREATE TRIGGER questions_are_not_replaced BEFORE INSERT ON questions
WHEN EXISTS (SELECT 1 FROM questions WHERE id = NEW.id)
BEGIN
  SELECT RAISE(IGNORE);
END;

-- LangGraph's checkpoints, without channel values.
CREATE TABLE checkpoints (
  thread_id     TEXT NOT NULL,
  ns            TEXT NOT NULL,
  checkpoint_id TEXT NOT NULL,
  parent_id     TEXT,
  run_id        TEXT,
  format        TEXT NOT NULL,
  document      BLOB NOT NULL,
  PRIMARY KEY (thread_id, ns, checkpoint_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX checkpoints_by_run ON checkpoints (run_id) WHERE run_id IS NOT NULL;

-- Channel values by version: one row each time a channel changed. Big ones lie in blobs.
CREATE TABLE channel_values (
  thread_id TEXT NOT NULL,
  ns        TEXT NOT NULL,
  channel   TEXT NOT NULL,
  version   TEXT NOT NULL,
  format    TEXT NOT NULL,
  data      BLOB,
  blob_hash TEXT,
  PRIMARY KEY (thread_id, ns, channel, version)
) STRICT, WITHOUT ROWID;

-- What the tasks of a superstep have written before its checkpoint.
CREATE TABLE task_writes (
  thread_id     TEXT NOT NULL,
  ns            TEXT NOT NULL,
  checkpoint_id TEXT NOT NULL,
  task_path     TEXT NOT NULL,
  task_id       TEXT NOT NULL,
  idx           INTEGER NOT NULL,
  channel       TEXT NOT NULL,
  format        TEXT NOT NULL,
  data          BLOB,
  blob_hash     TEXT,
  PRIMARY KEY (thread_id, ns, checkpoint_id, task_id, idx)
) STRICT, WITHOUT ROWID;

-- Big serialised channel values and task writes by their SHA-256, once a thread.
CREATE TABLE blobs (
  thread_id TEXT NOT NULL,
  hash      TEXT NOT NULL,
  data      BLOB NOT NULL,
  PRIMARY KEY (thread_id, hash)
) STRICT;
