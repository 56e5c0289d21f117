-- Is this database sealed? One row if it is; `salt` goes into every key that is derived for it.
CREATE TABLE sealing (
  one    BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
  format BIGINT NOT NULL,
  salt   BYTEA NOT NULL,
  state  TEXT COLLATE "C" NOT NULL CHECK (state IN ('sealing', 'sealed'))
);

CREATE TRIGGER sealing_keeps_its_salt BEFORE UPDATE ON sealing FOR EACH ROW
WHEN (NEW.salt <> OLD.salt OR NEW.format <> OLD.format OR OLD.state = 'sealed')
EXECUTE FUNCTION refuse('a sealed database stays sealed');

CREATE TRIGGER sealing_stays BEFORE DELETE ON sealing FOR EACH ROW
EXECUTE FUNCTION refuse('a sealed database stays sealed');

-- The keys that rows may be sealed with, by id; a proof tells a wrong key and nothing of the right one.
CREATE TABLE sealing_keys (
  id    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  proof BYTEA NOT NULL
);

-- A row lives here in the transaction that seals rows anew, and nowhere else. It lets the very same
-- values be written into rows that never change.
CREATE TABLE resealing (
  one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1)
);

CREATE FUNCTION refuse_unless_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_sealed BOOLEAN;
BEGIN
  EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I.sealing)', TG_TABLE_SCHEMA) INTO is_sealed;
  IF NOT is_sealed THEN
    RAISE EXCEPTION USING MESSAGE = 'this database is not sealed', ERRCODE = 'IL001';
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER resealing_is_of_sealed_values BEFORE INSERT ON resealing FOR EACH ROW
EXECUTE FUNCTION refuse_unless_sealed();

-- What a sealed database does with a plain value; its triggers are made when it becomes sealed.
CREATE FUNCTION refuse_plain_value() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING
    MESSAGE = 'this database is sealed: open it with its encryption keys', ERRCODE = 'IL001';
END
$$;

-- Tables are named with their schema: a lent transaction has others in its search path.
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  is_resealing BOOLEAN;
BEGIN
  IF TG_OP = 'UPDATE' AND TG_TABLE_NAME <> 'sealing' THEN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I.resealing)', TG_TABLE_SCHEMA)
    INTO is_resealing;
    IF is_resealing THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'IL001';
END
$$;
