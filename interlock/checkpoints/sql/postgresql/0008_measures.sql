-- What metrics are counted from, in the clear, written with what it tells of (I12). Columns are NULL
-- in rows that were written before there were any.

-- Which team ran it.
ALTER TABLE runs ADD COLUMN team TEXT COLLATE "C" NOT NULL DEFAULT '';

-- The span of its last drive, as W3C's traceparent: what a resumed run links to, also after a crash.
ALTER TABLE runs ADD COLUMN trace_parent TEXT COLLATE "C";

-- Of an attempt's output: what the verdict was; when the attempt had its turn, when its output was
-- reviewed; in microseconds, how long it waited for its turn, its brief was made, it worked and it was
-- reviewed; how long at least one call of a model, or else of a tool, was open in it, how long one of a
-- judge's model in its review, in microseconds; money in 10^-12 of the currency's unit. Of questions
-- and answers: which.
ALTER TABLE handoffs ADD COLUMN action TEXT COLLATE "C";
ALTER TABLE handoffs ADD COLUMN error TEXT COLLATE "C";
ALTER TABLE handoffs ADD COLUMN turn_at TEXT COLLATE "C";
ALTER TABLE handoffs ADD COLUMN reviewed_at TEXT COLLATE "C";
ALTER TABLE handoffs ADD COLUMN queue_us BIGINT;
ALTER TABLE handoffs ADD COLUMN brief_us BIGINT;
ALTER TABLE handoffs ADD COLUMN work_us BIGINT;
ALTER TABLE handoffs ADD COLUMN review_us BIGINT;
ALTER TABLE handoffs ADD COLUMN model_us BIGINT;
ALTER TABLE handoffs ADD COLUMN tool_us BIGINT;
ALTER TABLE handoffs ADD COLUMN judge_us BIGINT;
ALTER TABLE handoffs ADD COLUMN money BIGINT;
ALTER TABLE handoffs ADD COLUMN question_id TEXT COLLATE "C";

CREATE INDEX handoffs_by_end ON handoffs (ended_at, kind);

-- Of a step: which fallback settled it, whether a person let its value pass; when all that it needs
-- had settled, when it was settled, how long that took, and how long from the last verdict on, in
-- microseconds; the cost of all its attempts.
ALTER TABLE outcomes ADD COLUMN worker TEXT COLLATE "C";
ALTER TABLE outcomes ADD COLUMN attempts BIGINT;
ALTER TABLE outcomes ADD COLUMN fallback TEXT COLLATE "C";
ALTER TABLE outcomes ADD COLUMN by_person BOOLEAN;
ALTER TABLE outcomes ADD COLUMN begun_at TEXT COLLATE "C";
ALTER TABLE outcomes ADD COLUMN settled_at TEXT COLLATE "C";
ALTER TABLE outcomes ADD COLUMN life_us BIGINT;
ALTER TABLE outcomes ADD COLUMN settle_us BIGINT;
ALTER TABLE outcomes ADD COLUMN input_tokens BIGINT;
ALTER TABLE outcomes ADD COLUMN output_tokens BIGINT;
ALTER TABLE outcomes ADD COLUMN model_calls BIGINT;
ALTER TABLE outcomes ADD COLUMN money BIGINT;

-- Of a question: which step's, of what kind, and how long it waited until a person answered.
ALTER TABLE questions ADD COLUMN step_id TEXT COLLATE "C";
ALTER TABLE questions ADD COLUMN kind TEXT COLLATE "C";
ALTER TABLE questions ADD COLUMN waited_us BIGINT;

CREATE INDEX questions_by_asking ON questions (asked_at);

CREATE INDEX outcomes_by_end ON outcomes (settled_at);

-- Windows over all threads cost what they hold.
CREATE INDEX model_calls_by_start ON model_calls (started_at);
CREATE INDEX effects_by_begin ON effects (began_at);
CREATE INDEX effect_uses_by_call ON effect_uses (called_at);
CREATE INDEX runs_by_acceptance ON runs (accepted_at, team, thread_id);

-- Criteria by the hash of their kind and words, once a thread.
CREATE TABLE criteria (
  thread_id TEXT COLLATE "C" NOT NULL,
  hash      TEXT COLLATE "C" NOT NULL,
  kind      TEXT COLLATE "C" NOT NULL,
  words     TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (thread_id, hash)
);

-- What each criterion came to on each output that was reviewed; handoff_id is the output's.
CREATE TABLE findings (
  thread_id  TEXT COLLATE "C" NOT NULL,
  handoff_id TEXT COLLATE "C" NOT NULL,
  ordinal    BIGINT NOT NULL,
  step_id    TEXT COLLATE "C" NOT NULL,
  criterion  TEXT COLLATE "C" NOT NULL,
  result     TEXT COLLATE "C" NOT NULL CHECK (result IN ('passed', 'failed', 'undecided')),
  at         TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (thread_id, handoff_id, ordinal)
);

CREATE INDEX findings_by_end ON findings (at);

-- What a step needs: which outputs it waits for, and whether its brief shows any part of them.
CREATE TABLE step_needs (
  thread_id TEXT COLLATE "C" NOT NULL,
  superstep TEXT COLLATE "C" NOT NULL,
  step_id   TEXT COLLATE "C" NOT NULL,
  need      TEXT COLLATE "C" NOT NULL,
  is_read   BOOLEAN NOT NULL,
  PRIMARY KEY (thread_id, step_id, superstep, need)
);

-- Calls of tools within attempts; handoff_id is that of the attempt's output.
CREATE TABLE tool_calls (
  thread_id  TEXT COLLATE "C" NOT NULL,
  handoff_id TEXT COLLATE "C" NOT NULL,
  ordinal    BIGINT NOT NULL,
  tool       TEXT COLLATE "C" NOT NULL,
  started_at TEXT COLLATE "C" NOT NULL,
  ended_at   TEXT COLLATE "C" NOT NULL,
  error      TEXT COLLATE "C",
  PRIMARY KEY (thread_id, handoff_id, ordinal)
);

-- Faults: values that were accepted and later known to be wrong. Of what step, at which attempt; who
-- found it, how and when. found_by is a step's path, or the name of a person or a check; empty names
-- of supersteps stand for "not within a run".
CREATE TABLE faults (
  seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id              TEXT COLLATE "C" NOT NULL UNIQUE,
  thread_id       TEXT COLLATE "C" NOT NULL,
  superstep       TEXT COLLATE "C" NOT NULL,
  step_id         TEXT COLLATE "C" NOT NULL,
  attempt         BIGINT NOT NULL,
  how             TEXT COLLATE "C" NOT NULL CHECK (how IN
                    ('rejected', 'corrected', 'retracted', 'final_check', 'reported')),
  found_by        TEXT COLLATE "C" NOT NULL,
  found_thread    TEXT COLLATE "C" NOT NULL,
  found_superstep TEXT COLLATE "C" NOT NULL,
  found_attempt   BIGINT NOT NULL,
  found_at        TEXT COLLATE "C" NOT NULL,
  why             TEXT COLLATE "C"
);

CREATE INDEX faults_by_thread ON faults (thread_id, step_id);
CREATE INDEX faults_by_end ON faults (found_at);

CREATE TRIGGER faults_are_append_only BEFORE UPDATE ON faults FOR EACH ROW
EXECUTE FUNCTION refuse('the record of faults is append-only');

CREATE TRIGGER faults_stay BEFORE DELETE ON faults FOR EACH ROW
EXECUTE FUNCTION refuse_without_pruning('the record of faults is append-only');

CREATE TRIGGER findings_are_append_only BEFORE UPDATE ON findings FOR EACH ROW
EXECUTE FUNCTION refuse('the journal is append-only');

CREATE TRIGGER findings_stay BEFORE DELETE ON findings FOR EACH ROW
EXECUTE FUNCTION refuse_without_pruning('the journal is append-only');
