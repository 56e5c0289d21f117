-- Once for every sealed column, when a database becomes sealed: no plain value gets in.
-- name: guard_inserts_{table}_{column}
CREATE TRIGGER {table}_{column}_is_sealed BEFORE INSERT ON {table}
WHEN NEW.{column} IS NOT NULL
  AND coalesce(substr(NEW.{column}, 1, {mark_length}), NEW.{column}) <> {sqlite_mark}
BEGIN
  SELECT RAISE(ABORT, 'this database is sealed: open it with its encryption keys');
END;

-- name: guard_updates_{table}_{column}
CREATE TRIGGER {table}_{column}_stays_sealed BEFORE UPDATE OF {column} ON {table}
WHEN NEW.{column} IS NOT NULL
  AND coalesce(substr(NEW.{column}, 1, {mark_length}), NEW.{column}) <> {sqlite_mark}
BEGIN
  SELECT RAISE(ABORT, 'this database is sealed: open it with its encryption keys');
END;
