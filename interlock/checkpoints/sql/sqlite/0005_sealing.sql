-- Is this database sealed? One row if it is; `salt` goes into every key that is derived for it.
CREATE TABLE sealing (
  one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
  format INTEGER NOT NULL,
  salt   BLOB NOT NULL,
  state  TEXT NOT NULL CHECK (state IN ('sealing', 'sealed'))
) STRICT;

CREATE TRIGGER sealing_keeps_its_salt BEFORE UPDATE ON sealing
WHEN NEW.salt <> OLD.salt OR NEW.format <> OLD.format OR OLD.state = 'sealed'
BEGIN
  SELECT RAISE(ABORT, 'a sealed database stays sealed');
END;

CREATE TRIGGER sealing_stays BEFORE DELETE ON sealing
BEGIN
  SELECT RAISE(ABORT, 'a sealed database stays sealed');
END;

-- The keys that rows may be sealed with, by id; a proof tells a wrong key and nothing of the right one.
CREATE TABLE sealing_keys (
  id    TEXT NOT NULL PRIMARY KEY,
  proof BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- A row lives here in the transaction that seals rows anew, and nowhere else. It lets the very same
-- values be written into rows that never change.
CREATE TABLE resealing (
  one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1)
) STRICT;

CREATE TRIGGER resealing_is_of_sealed_values BEFORE INSERT ON resealing
WHEN NOT EXISTS (SELECT 1 FROM sealing)
BEGIN
  SELECT RAISE(ABORT, 'this database is not sealed');
END;

DROP TRIGGER runs_absorb;

CREATE TRIGGER runs_absorb BEFORE UPDATE ON runs
WHEN OLD.status IN ('completed', 'degraded', 'failed', 'cancelled')
  AND NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I9: the status of this run is terminal');
END;

DROP TRIGGER handoffs_are_append_only;

CREATE TRIGGER handoffs_are_append_only BEFORE UPDATE ON handoffs
WHEN NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'the journal is append-only');
END;

DROP TRIGGER outcomes_absorb;

CREATE TRIGGER outcomes_absorb BEFORE UPDATE ON outcomes
WHEN OLD.status <> 'waiting' AND NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I9: the status of this outcome is terminal');
END;

DROP TRIGGER answers_stay;

CREATE TRIGGER answers_stay BEFORE UPDATE OF answer ON questions
WHEN OLD.answer IS NOT NULL AND NEW.answer IS NOT OLD.answer
  AND NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I10: this question has its answer');
END;

DROP TRIGGER effects_absorb;

CREATE TRIGGER effects_absorb BEFORE UPDATE ON effects
WHEN OLD.state IN ('done', 'failed') AND NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I5: this effect has ended');
END;

DROP TRIGGER effects_keep_their_names;

CREATE TRIGGER effects_keep_their_names BEFORE UPDATE OF
  thread_id, key, epoch, step_id, tool, arguments, arguments_hash, ordinal, undoes ON effects
WHEN (NEW.thread_id <> OLD.thread_id OR NEW.key <> OLD.key OR NEW.epoch <> OLD.epoch
  OR NEW.step_id <> OLD.step_id OR NEW.tool <> OLD.tool OR NEW.arguments <> OLD.arguments
  OR NEW.arguments_hash <> OLD.arguments_hash OR NEW.ordinal <> OLD.ordinal
  OR NEW.undoes IS NOT OLD.undoes)
  AND NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I5: a key stands for one call');
END;

DROP TRIGGER effect_moves_are_append_only;

CREATE TRIGGER effect_moves_are_append_only BEFORE UPDATE ON effect_moves
WHEN NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I5: the history of effects is append-only');
END;

DROP TRIGGER context_versions_are_append_only;

CREATE TRIGGER context_versions_are_append_only BEFORE UPDATE ON context_versions
WHEN NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I2: versions of the shared context are append-only');
END;

DROP TRIGGER context_facts_are_append_only;

CREATE TRIGGER context_facts_are_append_only BEFORE UPDATE ON context_facts
WHEN NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'I2: facts are append-only');
END;

DROP TRIGGER scratchpad_notes_are_append_only;

CREATE TRIGGER scratchpad_notes_are_append_only BEFORE UPDATE ON scratchpad_notes
WHEN NOT EXISTS (SELECT 1 FROM resealing)
BEGIN
  SELECT RAISE(ABORT, 'scratchpads are append-only');
END;
