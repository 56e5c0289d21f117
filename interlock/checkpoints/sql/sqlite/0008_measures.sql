-- What metrics are counted from, in the clear, written with what it tells of (I12). Columns are NULL
-- in rows that were written before there were any.

-- Which team ran it.
ALTER TABLE runs ADD COLUMN team TEXT NOT NULL DEFAULT '';

-- The span of its last drive, as W3C's traceparent: what a resumed run links to, also after a crash.
ALTER TABLE runs ADD COLUMN trace_parent TEXT;

-- Of an attempt's output: what the verdict was; when the attempt had its turn, when its output was
-- reviewed; in microseconds, how long it waited for its turn, its brief was made, it worked and it was
-- reviewed; how long at least one call of a model, or else of a tool, was open in it, how long one of a
-- judge's model in its review, in microseconds; money in 10^-12 of the currency's unit. Of questions
-- and answers: which.
ALTER TABLE handoffs ADD COLUMN action TEXT;
ALTER TABLE handoffs ADD COLUMN error TEXT;
ALTER TABLE handoffs ADD COLUMN turn_at TEXT;
ALTER TABLE handoffs ADD COLUMN reviewed_at TEXT;
ALTER TABLE handoffs ADD COLUMN queue_us INTEGER;
ALTER TABLE handoffs ADD COLUMN brief_us INTEGER;
ALTER TABLE handoffs ADD COLUMN work_us INTEGER;
ALTER TABLE handoffs ADD COLUMN review_us INTEGER;
ALTER TABLE handoffs ADD COLUMN model_us INTEGER;
ALTER TABLE handoffs ADD COLUMN tool_us INTEGER;
ALTER TABLE handoffs ADD COLUMN judge_us INTEGER;
ALTER TABLE handoffs ADD COLUMN money INTEGER;
ALTER TABLE handoffs ADD COLUMN question_id TEXT;

CREATE INDEX handoffs_by_end ON handoffs (ended_at, kind);

-- Of a step: which fallback settled it, whether a person let its value pass; when all that it needs
-- had settled, when it was settled, how long that took, and how long from the last verdict on, in
-- microseconds; the cost of all its attempts.
ALTER TABLE outcomes ADD COLUMN worker TEXT;
ALTER TABLE outcomes ADD COLUMN attempts INTEGER;
ALTER TABLE outcomes ADD COLUMN fallback TEXT;
ALTER TABLE outcomes ADD COLUMN by_person INTEGER;
ALTER TABLE outcomes ADD COLUMN begun_at TEXT;
ALTER TABLE outcomes ADD COLUMN settled_at TEXT;
ALTER TABLE outcomes ADD COLUMN life_us INTEGER;
ALTER TABLE outcomes ADD COLUMN settle_us INTEGER;
ALTER TABLE outcomes ADD COLUMN input_tokens INTEGER;
ALTER TABLE outcomes ADD COLUMN output_tokens INTEGER;
ALTER TABLE outcomes ADD COLUMN model_calls INTEGER;
ALTER TABLE outcomes ADD COLUMN money INTEGER;

-- Of a question: which step's, of what kind, and how long it waited until a person answered.
ALTER TABLE questions ADD COLUMN step_id TEXT;
ALTER TABLE questions ADD COLUMN kind TEXT;
ALTER TABLE questions ADD COLUMN waited_us INTEGER;

CREATE INDEX questions_by_asking ON questions (asked_at);

CREATE INDEX outcomes_by_end ON outcomes (settled_at);

-- Windows over all threads cost what they hold.
CREATE INDEX model_calls_by_start ON model_calls (started_at);
CREATE INDEX effects_by_begin ON effects (began_at);
CREATE INDEX effect_uses_by_call ON effect_uses (called_at);
CREATE INDEX runs_by_acceptance ON runs (accepted_at, team, thread_id);

-- Criteria by the hash of their kind and words, once a thread.
CREATE TABLE criteria (
  thread_id TEXT NOT NULL,
  hash      TEXT NOT NULL,
  kind      TEXT NOT NULL,
  words     TEXT NOT NULL,
  PRIMARY KEY (thread_id, hash)
) STRICT, WITHOUT ROWID;

-- What each criterion came to on each output that was reviewed; handoff_id is the output's.
CREATE TABLE findings (
  thread_id  TEXT NOT NULL,
  handoff_id TEXT NOT NULL,
  ordinal    INTEGER NOT NULL,
  step_id    TEXT NOT NULL,
  criterion  TEXT NOT NULL,
  result     TEXT NOT NULL CHECK (result IN ('passed', 'failed', 'undecided')),
  at         TEXT NOT NULL,
  PRIMARY KEY (thread_id, handoff_id, ordinal)
) STRICT, WITHOUT ROWID;

CREATE INDEX findings_by_end ON findings (at);

-- What a step needs: which outputs it waits for, and whether its brief shows any part of them.
CREATE TABLE step_needs (
  thread_id TEXT NOT NULL,
  superstep TEXT NOT NULL,
  step_id   TEXT NOT NULL,
  need      TEXT NOT NULL,
  is_read   INTEGER NOT NULL,
  PRIMARY KEY (thread_id, step_id, superstep, need)
) STRICT, WITHOUT ROWID;

-- Calls of tools within attempts; handoff_id is that of the attempt's output.
CREATE TABLE tool_calls (
  thread_id  TEXT NOT NULL,
  handoff_id TEXT NOT NULL,
  ordinal    INTEGER NOT NULL,
  tool       TEXT NOT NULL,
  started_at TEXT NOT NULL,
  ended_at   TEXT NOT NULL,
  error      TEXT,
  PRIMARY KEY (thread_id, handoff_id, ordinal)
) STRICT, WITHOUT ROWID;

-- Faults: values that were accepted and later known to be wrong. Of what step, at which attempt; who
-- found it, how and when. found_by is a step's path, or the name of a person or a check; empty names
-- of supersteps stand for "not within a run".
CREATE TABLE faults (
  seq             INTEGER PRIMARY KEY,
  id              TEXT NOT NULL UNIQUE,
  thread_id       TEXT NOT NULL,
  superstep       TEXT NOT NULL,
  step_id         TEXT NOT NULL,
  attempt         INTEGER NOT NULL,
  how             TEXT NOT NULL CHECK (how IN
                    ('rejected', 'corrected', 'retracted', 'final_check', 'reported')),
  found_by        TEXT NOT NULL,
  found_thread    TEXT NOT NULL,
  found_superstep TEXT NOT NULL,
  found_attempt   INTEGER NOT NULL,
  found_at        TEXT NOT NULL,
  why             TEXT
) STRICT;

CREATE INDEX faults_by_thread ON faults (thread_id, step_id);
CREATE INDEX faults_by_end ON faults (found_at);

CREATE TRIGGER faults_are_append_only BEFORE UPDATE ON faults
WHEN NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'the record of faults is append-only');
END;

CREATE TRIGGER faults_stay BEFORE DELETE ON faults
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE thread_id = OLD.thread_id)
BEGIN
  SELECT RAISE(ABORT, 'the record of faults is append-only');
END;

CREATE TRIGGER findings_are_append_only BEFORE UPDATE ON findings
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only');
END;

CREATE TRIGGER findings_stay BEFORE DELETE ON findings
WHEN NOT EXISTS (SELECT 1 FROM prunings WHERE thread_id = OLD.thread_id)
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only');
END;
