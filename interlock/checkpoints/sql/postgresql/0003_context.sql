-- The named spaces that a run's facts live in, as JSON {role: id}.
ALTER TABLE runs ADD COLUMN spaces TEXT COLLATE "C" NOT NULL DEFAULT '{}';

-- Its context's big values by hash, as JSON {key: hash}; they are null in `context`.
ALTER TABLE runs ADD COLUMN context_refs TEXT COLLATE "C" NOT NULL DEFAULT '{}';

-- Versions of spaces of shared context: who made each, and from what. Append-only (I2). A space is a
-- thread's own, or a named one. A step's promotion is one version, however often it is replayed.
CREATE TABLE context_versions (
  space      TEXT COLLATE "C" NOT NULL,
  version    BIGINT NOT NULL CHECK (version >= 1),
  kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN
               ('seed', 'promotion', 'correction', 'retraction')),
  thread_id  TEXT COLLATE "C" NOT NULL,
  superstep  TEXT COLLATE "C" NOT NULL,
  epoch      BIGINT NOT NULL,
  step_id    TEXT COLLATE "C",
  attempt    BIGINT NOT NULL,
  worker     TEXT COLLATE "C",
  brief_hash TEXT COLLATE "C",
  findings   TEXT COLLATE "C" NOT NULL,
  base       TEXT COLLATE "C" NOT NULL,
  kept       TEXT COLLATE "C" NOT NULL,
  why        TEXT COLLATE "C",
  at         TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (space, version)
);

CREATE UNIQUE INDEX context_promotes_once ON context_versions (space, thread_id, superstep, step_id)
WHERE kind = 'promotion';
CREATE INDEX context_versions_by_thread ON context_versions (thread_id);

CREATE TRIGGER context_versions_are_append_only BEFORE UPDATE ON context_versions FOR EACH ROW
EXECUTE FUNCTION refuse('I2: versions of the shared context are append-only');

CREATE TRIGGER context_versions_stay BEFORE DELETE ON context_versions FOR EACH ROW
EXECUTE FUNCTION refuse('I2: versions of the shared context are append-only');

-- Facts: a row each time one changed. A small value lies here, a big one among the payloads: of the
-- thread, or of the space itself if it is a named one.
CREATE TABLE context_facts (
  space      TEXT COLLATE "C" NOT NULL,
  key        TEXT COLLATE "C" NOT NULL,
  version    BIGINT NOT NULL,
  state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('fact', 'retracted')),
  value      TEXT COLLATE "C",
  value_hash TEXT COLLATE "C",
  rule       TEXT COLLATE "C" NOT NULL,
  plan_order BIGINT NOT NULL,
  replaces   BIGINT,
  PRIMARY KEY (space, key, version)
);

CREATE INDEX context_facts_by_version ON context_facts (space, version);

CREATE TRIGGER context_facts_are_append_only BEFORE UPDATE ON context_facts FOR EACH ROW
EXECUTE FUNCTION refuse('I2: facts are append-only');

CREATE TRIGGER context_facts_stay BEFORE DELETE ON context_facts FOR EACH ROW
EXECUTE FUNCTION refuse('I2: facts are append-only');

CREATE FUNCTION refuse_fact_without_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM context_versions
                 WHERE space = NEW.space AND version = NEW.version)
    OR EXISTS (SELECT 1 FROM context_facts
               WHERE space = NEW.space AND key = NEW.key AND version >= NEW.version) THEN
    RAISE EXCEPTION USING
      MESSAGE = 'I2: a fact enters with the newest version of its space', ERRCODE = 'IL001';
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER context_facts_belong_to_a_version BEFORE INSERT ON context_facts FOR EACH ROW
EXECUTE FUNCTION refuse_fact_without_version();

-- Which attempt was shown which version of a fact: append-only.
CREATE TABLE context_uses (
  thread_id TEXT COLLATE "C" NOT NULL,
  superstep TEXT COLLATE "C" NOT NULL,
  step_id   TEXT COLLATE "C" NOT NULL,
  attempt   BIGINT NOT NULL,
  space     TEXT COLLATE "C" NOT NULL,
  key       TEXT COLLATE "C" NOT NULL,
  version   BIGINT NOT NULL,
  PRIMARY KEY (thread_id, superstep, step_id, attempt, space, key)
);

CREATE INDEX context_uses_by_fact ON context_uses (space, key, version);

CREATE TRIGGER context_uses_are_append_only BEFORE UPDATE ON context_uses FOR EACH ROW
EXECUTE FUNCTION refuse('I4: what an attempt was shown is append-only');

CREATE TRIGGER context_uses_stay BEFORE DELETE ON context_uses FOR EACH ROW
EXECUTE FUNCTION refuse('I4: what an attempt was shown is append-only');

-- Which facts a version rests on: those its step was shown, and those behind the outputs it read.
-- What one of its facts was merged with counts for that one, `key`; what all rest on has ''.
CREATE TABLE context_sources (
  source_space   TEXT COLLATE "C" NOT NULL,
  source_key     TEXT COLLATE "C" NOT NULL,
  source_version BIGINT NOT NULL,
  space          TEXT COLLATE "C" NOT NULL,
  version        BIGINT NOT NULL,
  key            TEXT COLLATE "C" NOT NULL,
  PRIMARY KEY (source_space, source_key, source_version, space, version, key)
);

CREATE INDEX context_sources_by_version ON context_sources (space, version);

CREATE TRIGGER context_sources_are_append_only BEFORE UPDATE ON context_sources FOR EACH ROW
EXECUTE FUNCTION refuse('I2: provenance is append-only');

CREATE TRIGGER context_sources_stay BEFORE DELETE ON context_sources FOR EACH ROW
EXECUTE FUNCTION refuse('I2: provenance is append-only');

-- Facts that rest on one which a person took back in `by_version` of its space; and that one.
CREATE TABLE context_marks (
  space         TEXT COLLATE "C" NOT NULL,
  key           TEXT COLLATE "C" NOT NULL,
  version       BIGINT NOT NULL,
  cause_space   TEXT COLLATE "C" NOT NULL,
  cause_key     TEXT COLLATE "C" NOT NULL,
  cause_version BIGINT NOT NULL,
  by_version    BIGINT NOT NULL,
  PRIMARY KEY (space, key, version, cause_space, cause_key, cause_version)
);

CREATE TRIGGER context_marks_are_append_only BEFORE UPDATE ON context_marks FOR EACH ROW
EXECUTE FUNCTION refuse('I2: marks are append-only');

CREATE TRIGGER context_marks_stay BEFORE DELETE ON context_marks FOR EACH ROW
EXECUTE FUNCTION refuse('I2: marks are append-only');
