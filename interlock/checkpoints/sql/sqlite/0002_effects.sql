-- Names this database in idempotency keys, so that two databases never send the same key.
CREATE TABLE ledger_identity (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  id  TEXT NOT NULL
) STRICT;

INSERT INTO ledger_identity (one, id) VALUES (1, lower(hex(randomblob(16))));

CREATE TRIGGER ledger_identity_stays BEFORE UPDATE ON ledger_identity
BEGIN
  SELECT RAISE(ABORT, 'I5: keys are derived from the identity of the ledger');
END;

CREATE TRIGGER ledger_identity_is_kept BEFORE DELETE ON ledger_identity
BEGIN
  SELECT RAISE(ABORT, 'I5: keys are derived from the identity of the ledger');
END;

-- Effects: one row an idempotency key. Within a try the state moves one way; a next try begins only
-- where it is known that the last one changed nothing. Ended states absorb (I5). A small answer lies
-- in `answer`, a big one among the payloads.
CREATE TABLE effects (
  seq             INTEGER PRIMARY KEY,
  thread_id       TEXT NOT NULL,
  key             TEXT NOT NULL,
  epoch           INTEGER NOT NULL,
  step_id         TEXT NOT NULL,
  worker          TEXT NOT NULL,
  tool            TEXT NOT NULL,
  arguments       TEXT NOT NULL,
  arguments_hash  TEXT NOT NULL,
  ordinal         INTEGER NOT NULL,
  is_natural      INTEGER NOT NULL,
  is_irreversible INTEGER NOT NULL,
  can_undo        INTEGER NOT NULL,
  undoes          TEXT,
  state           TEXT NOT NULL CHECK (state IN
                    ('intended', 'started', 'unknown', 'done', 'failed')),
  tries           INTEGER NOT NULL CHECK (tries >= 1),
  token           INTEGER,
  runner_host     TEXT NOT NULL,
  runner_pid      INTEGER NOT NULL,
  runner_started  REAL NOT NULL,
  answer          BLOB,
  answer_hash     TEXT,
  error           TEXT,
  settled_by      TEXT NOT NULL,
  note            TEXT,
  began_at        TEXT NOT NULL,
  started_at      TEXT NOT NULL,
  ended_at        TEXT,
  UNIQUE (thread_id, key)
) STRICT;

CREATE INDEX effects_by_step ON effects (thread_id, step_id);
CREATE INDEX effects_by_undone ON effects (thread_id, undoes) WHERE undoes IS NOT NULL;
CREATE INDEX effects_by_end ON effects (ended_at) WHERE ended_at IS NOT NULL;

CREATE TRIGGER effects_absorb BEFORE UPDATE ON effects
WHEN OLD.state IN ('done', 'failed')
BEGIN
  SELECT RAISE(ABORT, 'I5: this effect has ended');
END;

CREATE TRIGGER effects_move_one_way BEFORE UPDATE ON effects
WHEN NOT (
  (NEW.tries = OLD.tries AND (CASE NEW.state
      WHEN 'intended' THEN 0 WHEN 'started' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END)
    >= (CASE OLD.state
      WHEN 'intended' THEN 0 WHEN 'started' THEN 1 WHEN 'unknown' THEN 2 ELSE 3 END))
  OR (NEW.tries = OLD.tries + 1 AND NEW.state = 'intended' AND OLD.state IN ('started', 'unknown'))
)
BEGIN
  SELECT RAISE(ABORT, 'I5: an effect moves one way');
END;

CREATE TRIGGER effects_keep_their_names BEFORE UPDATE OF
  thread_id, key, epoch, step_id, tool, arguments, arguments_hash, ordinal, undoes ON effects
WHEN NEW.thread_id <> OLD.thread_id OR NEW.key <> OLD.key OR NEW.epoch <> OLD.epoch
  OR NEW.step_id <> OLD.step_id OR NEW.tool <> OLD.tool OR NEW.arguments <> OLD.arguments
  OR NEW.arguments_hash <> OLD.arguments_hash OR NEW.ordinal <> OLD.ordinal
  OR NEW.undoes IS NOT OLD.undoes
BEGIN
  SELECT RAISE(ABORT, 'I5: a key stands for one call');
END;

CREATE TRIGGER effects_are_not_replaced BEFORE INSERT ON effects
WHEN EXISTS (SELECT 1 FROM effects WHERE thread_id = NEW.thread_id AND key = NEW.key)
BEGIN
  SELECT RAISE(ABORT, 'I5: this effect is recorded');
END;

CREATE TRIGGER effects_stay_until_they_end BEFORE DELETE ON effects
WHEN OLD.state NOT IN ('done', 'failed')
BEGIN
  SELECT RAISE(ABORT, 'I5: an effect whose end is not known is kept');
END;

-- Which attempts called for an effect, and where in them: append-only. A call that is made again
-- at the same place has the key that it had.
CREATE TABLE effect_uses (
  seq       INTEGER PRIMARY KEY,
  thread_id TEXT NOT NULL,
  attempt   TEXT NOT NULL,
  name      TEXT NOT NULL,
  place     TEXT NOT NULL,
  key       TEXT NOT NULL,
  did_start INTEGER NOT NULL,
  called_at TEXT NOT NULL,
  UNIQUE (thread_id, attempt, name, place)
) STRICT;

CREATE INDEX effect_uses_by_key ON effect_uses (thread_id, key);

CREATE TRIGGER effect_uses_are_append_only BEFORE UPDATE ON effect_uses
BEGIN
  SELECT RAISE(ABORT, 'I5: the uses of effects are append-only');
END;

CREATE TRIGGER effect_uses_stay BEFORE DELETE ON effect_uses
WHEN EXISTS (SELECT 1 FROM effects WHERE thread_id = OLD.thread_id AND key = OLD.key)
BEGIN
  SELECT RAISE(ABORT, 'I5: the uses of effects are append-only');
END;

CREATE TRIGGER effect_uses_are_not_replaced BEFORE INSERT ON effect_uses
WHEN EXISTS (SELECT 1 FROM effect_uses WHERE thread_id = NEW.thread_id AND attempt = NEW.attempt
             AND name = NEW.name AND place = NEW.place)
BEGIN
  SELECT RAISE(IGNORE);
END;

-- Every change of an effect's state, and answers that came too late to change it: append-only.
CREATE TABLE effect_moves (
  seq       INTEGER PRIMARY KEY,
  thread_id TEXT NOT NULL,
  key       TEXT NOT NULL,
  tries     INTEGER NOT NULL,
  state     TEXT NOT NULL,
  settler   TEXT NOT NULL,
  note      TEXT,
  at        TEXT NOT NULL
) STRICT;

CREATE INDEX effect_moves_by_key ON effect_moves (thread_id, key);

CREATE TRIGGER effect_moves_are_append_only BEFORE UPDATE ON effect_moves
BEGIN
  SELECT RAISE(ABORT, 'I5: the history of effects is append-only');
END;

CREATE TRIGGER effect_moves_stay BEFORE DELETE ON effect_moves
WHEN EXISTS (SELECT 1 FROM effects WHERE thread_id = OLD.thread_id AND key = OLD.key)
BEGIN
  SELECT RAISE(ABORT, 'I5: the history of effects is append-only');
END;
