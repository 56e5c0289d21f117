-- The named spaces that a run's facts live in, as JSON {role: id}.
ALTER TABLE runs ADD COLUMN spaces TEXT NOT NULL DEFAULT '{}';

-- Its context's big values by hash, as JSON {key: hash}; they are null in `context`.
ALTER TABLE runs ADD COLUMN context_refs TEXT NOT NULL DEFAULT '{}';

-- Versions of spaces of shared context: who made each, and from what. Append-only (I2). A space is a
-- thread's own, or a named one. A step's promotion is one version, however often it is replayed.
CREATE TABLE context_versions (
  space      TEXT NOT NULL,
  version    INTEGER NOT NULL CHECK (version >= 1),
  kind       TEXT NOT NULL CHECK (kind IN ('seed', 'promotion', 'correction', 'retraction')),
  thread_id  TEXT NOT NULL,
  superstep  TEXT NOT NULL,
  epoch      INTEGER NOT NULL,
  step_id    TEXT,
  attempt    INTEGER NOT NULL,
  worker     TEXT,
  brief_hash TEXT,
  findings   TEXT NOT NULL,
  base       TEXT NOT NULL,
  kept       TEXT NOT NULL,
  why        TEXT,
  at         TEXT NOT NULL,
  PRIMARY KEY (space, version)
) STRICT;

CREATE UNIQUE INDEX context_promotes_once ON context_versions (space, thread_id, superstep, step_id)
WHERE kind = 'promotion';
CREATE INDEX context_versions_by_thread ON context_versions (thread_id);

CREATE TRIGGER context_versions_are_append_only BEFORE UPDATE ON context_versions
BEGIN
  SELECT RAISE(ABORT, 'I2: versions of the shared context are append-only');
END;

CREATE TRIGGER context_versions_stay BEFORE DELETE ON context_versions
BEGIN
  SELECT RAISE(ABORT, 'I2: versions of the shared context are append-only');
END;

CREATE TRIGGER context_versions_are_not_replaced BEFORE INSERT ON context_versions
WHEN EXISTS (SELECT 1 FROM context_versions WHERE space = NEW.space AND version = NEW.version)
BEGIN
  SELECT RAISE(ABORT, 'I2: this version of the space is there');
END;

-- Facts: a row each time one changed. A small value lies here, a big one among the payloads: of the
-- thread, or of the space itself if it is a named one.
CREATE TABLE context_facts (
  space      TEXT NOT NULL,
  key        TEXT NOT NULL,
  version    INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('fact', 'retracted')),
  value      TEXT,
  value_hash TEXT,
  rule       TEXT NOT NULL,
  plan_order INTEGER NOT NULL,
  replaces   INTEGER,
  PRIMARY KEY (space, key, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX context_facts_by_version ON context_facts (space, version);

CREATE TRIGGER context_facts_are_append_only BEFORE UPDATE ON context_facts
BEGIN
  SELECT RAISE(ABORT, 'I2: facts are append-only');
END;

CREATE TRIGGER context_facts_stay BEFORE DELETE ON context_facts
BEGIN
  SELECT RAISE(ABORT, 'I2: facts are append-only');
END;

CREATE TRIGGER context_facts_belong_to_a_version BEFORE INSERT ON context_facts
WHEN NOT EXISTS (SELECT 1 FROM context_versions
                 WHERE space = NEW.space AND version = NEW.version)
  OR EXISTS (SELECT 1 FROM context_facts
             WHERE space = NEW.space AND key = NEW.key AND version >= NEW.version)
BEGIN
  SELECT RAISE(ABORT, 'I2: a fact enters with the newest version of its space');
END;

-- Which attempt was shown which version of a fact: append-only.
CREATE TABLE context_uses (
  thread_id TEXT NOT NULL,
  superstep TEXT NOT NULL,
  step_id   TEXT NOT NULL,
  attempt   INTEGER NOT NULL,
  space     TEXT NOT NULL,
  key       TEXT NOT NULL,
  version   INTEGER NOT NULL,
  PRIMARY KEY (thread_id, superstep, step_id, attempt, space, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX context_uses_by_fact ON context_uses (space, key, version);

CREATE TRIGGER context_uses_are_append_only BEFORE UPDATE ON context_uses
BEGIN
  SELECT RAISE(ABORT, 'I4: what an attempt was shown is append-only');
END;

CREATE TRIGGER context_uses_stay BEFORE DELETE ON context_uses
BEGIN
  SELECT RAISE(ABORT, 'I4: what an attempt was shown is append-only');
END;

CREATE TRIGGER context_uses_are_not_replaced BEFORE INSERT ON context_uses
WHEN EXISTS (SELECT 1 FROM context_uses WHERE thread_id = NEW.thread_id
             AND superstep = NEW.superstep AND step_id = NEW.step_id AND attempt = NEW.attempt
             AND space = NEW.space AND key = NEW.key)
BEGIN
  SELECT RAISE(IGNORE);
END;

-- Which facts a version rests on: those its step was shown, and those behind the outputs it read.
-- What one of its facts was merged with counts for that one, `key`; what all rest on has ''.
CREATE TABLE context_sources (
  source_space   TEXT NOT NULL,
  source_key     TEXT NOT NULL,
  source_version INTEGER NOT NULL,
  space          TEXT NOT NULL,
  version        INTEGER NOT NULL,
  key            TEXT NOT NULL,
  PRIMARY KEY (source_space, source_key, source_version, space, version, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX context_sources_by_version ON context_sources (space, version);

CREATE TRIGGER context_sources_are_append_only BEFORE UPDATE ON context_sources
BEGIN
  SELECT RAISE(ABORT, 'I2: provenance is append-only');
END;

CREATE TRIGGER context_sources_stay BEFORE DELETE ON context_sources
BEGIN
  SELECT RAISE(ABORT, 'I2: provenance is append-only');
END;

-- Facts that rest on one which a person took back in `by_version` of its space; and that one.
CREATE TABLE context_marks (
  space         TEXT NOT NULL,
  key           TEXT NOT NULL,
  version       INTEGER NOT NULL,
  cause_space   TEXT NOT NULL,
  cause_key     TEXT NOT NULL,
  cause_version INTEGER NOT NULL,
  by_version    INTEGER NOT NULL,
  PRIMARY KEY (space, key, version, cause_space, cause_key, cause_version)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER context_marks_are_append_only BEFORE UPDATE ON context_marks
BEGIN
  SELECT RAISE(ABORT, 'I2: marks are append-only');
END;

CREATE TRIGGER context_marks_stay BEFORE DELETE ON context_marks
BEGIN
  SELECT RAISE(ABORT, 'I2: marks are append-only');
END;

CREATE TRIGGER context_marks_are_not_replaced BEFORE INSERT ON context_marks
WHEN EXISTS (SELECT 1 FROM context_marks WHERE space = NEW.space AND key = NEW.key
             AND version = NEW.version AND cause_space = NEW.cause_space
             AND cause_key = NEW.cause_key AND cause_version = NEW.cause_version)
BEGIN
  SELECT RAISE(IGNORE);
END;
