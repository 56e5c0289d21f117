-- Names this database in idempotency keys, so that two databases never send the same key.
CREATE TABLE ledger_identity (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  id  TEXT COLLATE "C" NOT NULL
);

INSERT INTO ledger_identity (one, id) VALUES (1, replace(gen_random_uuid()::text, '-', ''));

CREATE TRIGGER ledger_identity_stays BEFORE UPDATE OR DELETE ON ledger_identity FOR EACH ROW
EXECUTE FUNCTION refuse('I5: keys are derived from the identity of the ledger');

-- Effects: one row an idempotency key. Within a try the state moves one way; a next try begins only
-- where it is known that the last one changed nothing. Ended states absorb (I5). A small answer lies
-- in `answer`, a big one among the payloads.
CREATE TABLE effects (
  seq             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  thread_id       TEXT COLLATE "C" NOT NULL,
  key             TEXT COLLATE "C" NOT NULL,
  epoch           BIGINT NOT NULL,
  step_id         TEXT COLLATE "C" NOT NULL,
  worker          TEXT COLLATE "C" NOT NULL,
  tool            TEXT COLLATE "C" NOT NULL,
  arguments       TEXT COLLATE "C" NOT NULL,
  arguments_hash  TEXT COLLATE "C" NOT NULL,
  ordinal         BIGINT NOT NULL,
  is_natural      BOOLEAN NOT NULL,
  is_irreversible BOOLEAN NOT NULL,
  can_undo        BOOLEAN NOT NULL,
  undoes          TEXT COLLATE "C",
  state           TEXT COLLATE "C" NOT NULL CHECK (state IN
                    ('intended', 'started', 'unknown', 'done', 'failed')),
  tries           BIGINT NOT NULL CHECK (tries >= 1),
  token           BIGINT,
  runner_host     TEXT COLLATE "C" NOT NULL,
  runner_pid      BIGINT NOT NULL,
  runner_started  DOUBLE PRECISION NOT NULL,
  answer          BYTEA,
  answer_hash     TEXT COLLATE "C",
  error           TEXT COLLATE "C",
  settled_by      TEXT COLLATE "C" NOT NULL,
  note            TEXT COLLATE "C",
  began_at        TEXT COLLATE "C" NOT NULL,
  started_at      TEXT COLLATE "C" NOT NULL,
  ended_at        TEXT COLLATE "C",
  UNIQUE (thread_id, key)
);

CREATE INDEX effects_by_step ON effects (thread_id, step_id);
CREATE INDEX effects_by_undone ON effects (thread_id, undoes) WHERE undoes IS NOT NULL;
CREATE INDEX effects_by_end ON effects (ended_at) WHERE ended_at IS NOT NULL;

CREATE TRIGGER effects_absorb BEFORE UPDATE ON effects FOR EACH ROW
WHEN (OLD.state IN ('done', 'failed'))
EXECUTE FUNCTION refuse('I5: this effect has ended');

CREATE TRIGGER effects_move_one_way BEFORE UPDATE ON effects FOR EACH ROW
WHEN (NOT (
  (NEW.tries = OLD.tries
   AND (CASE NEW.state WHEN 'intended' THEN 0 WHEN 'started' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END)
    >= (CASE OLD.state WHEN 'intended' THEN 0 WHEN 'started' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END))
  OR (NEW.tries = OLD.tries + 1 AND NEW.state = 'intended' AND OLD.state IN ('started', 'unknown'))
))
EXECUTE FUNCTION refuse('I5: an effect moves one way');

CREATE TRIGGER effects_keep_their_names BEFORE UPDATE ON effects FOR EACH ROW
WHEN (NEW.thread_id <> OLD.thread_id OR NEW.key <> OLD.key OR NEW.epoch <> OLD.epoch
  OR NEW.step_id <> OLD.step_id OR NEW.tool <> OLD.tool OR NEW.arguments <> OLD.arguments
  OR NEW.arguments_hash <> OLD.arguments_hash OR NEW.ordinal <> OLD.ordinal
  OR NEW.undoes IS DISTINCT FROM OLD.undoes)
EXECUTE FUNCTION refuse('I5: a key stands for one call');

CREATE TRIGGER effects_stay_until_they_end BEFORE DELETE ON effects FOR EACH ROW
WHEN (OLD.state NOT IN ('done', 'failed'))
EXECUTE FUNCTION refuse('I5: an effect whose end is not known is kept');

-- Uses and moves of an effect that is still there stay.
CREATE FUNCTION refuse_while_effect_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM effects WHERE thread_id = OLD.thread_id AND key = OLD.key) THEN
    RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'IL001';
  END IF;
  RETURN OLD;
END
$$;

-- Which attempts called for an effect, and where in them: append-only. A call that is made again
-- at the same place has the key that it had.
CREATE TABLE effect_uses (
  seq       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  thread_id TEXT COLLATE "C" NOT NULL,
  attempt   TEXT COLLATE "C" NOT NULL,
  name      TEXT COLLATE "C" NOT NULL,
  place     TEXT COLLATE "C" NOT NULL,
  key       TEXT COLLATE "C" NOT NULL,
  did_start BOOLEAN NOT NULL,
  called_at TEXT COLLATE "C" NOT NULL,
  UNIQUE (thread_id, attempt, name, place)
);

CREATE INDEX effect_uses_by_key ON effect_uses (thread_id, key);

CREATE TRIGGER effect_uses_are_append_only BEFORE UPDATE ON effect_uses FOR EACH ROW
EXECUTE FUNCTION refuse('I5: the uses of effects are append-only');

CREATE TRIGGER effect_uses_stay BEFORE DELETE ON effect_uses FOR EACH ROW
EXECUTE FUNCTION refuse_while_effect_stays('I5: the uses of effects are append-only');

-- Every change of an effect's state, and answers that came too late to change it: append-only.
CREATE TABLE effect_moves (
  seq       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  thread_id TEXT COLLATE "C" NOT NULL,
  key       TEXT COLLATE "C" NOT NULL,
  tries     BIGINT NOT NULL,
  state     TEXT COLLATE "C" NOT NULL,
  settler   TEXT COLLATE "C" NOT NULL,
  note      TEXT COLLATE "C",
  at        TEXT COLLATE "C" NOT NULL
);

CREATE INDEX effect_moves_by_key ON effect_moves (thread_id, key);

CREATE TRIGGER effect_moves_are_append_only BEFORE UPDATE ON effect_moves FOR EACH ROW
EXECUTE FUNCTION refuse('I5: the history of effects is append-only');

CREATE TRIGGER effect_moves_stay BEFORE DELETE ON effect_moves FOR EACH ROW
EXECUTE FUNCTION refuse_while_effect_stays('I5: the history of effects is append-only');
