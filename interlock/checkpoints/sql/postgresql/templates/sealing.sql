-- Once for every sealed column, when a database becomes sealed: no plain value gets in.
-- name: guard_inserts_{table}_{column}
CREATE TRIGGER {table}_{column}_is_sealed BEFORE INSERT ON {table} FOR EACH ROW
WHEN (substr(NEW.{column}, 1, {mark_length}) <> {postgresql_mark})
EXECUTE FUNCTION refuse_plain_value();

-- name: guard_updates_{table}_{column}
CREATE TRIGGER {table}_{column}_stays_sealed BEFORE UPDATE OF {column} ON {table} FOR EACH ROW
WHEN (substr(NEW.{column}, 1, {mark_length}) <> {postgresql_mark})
EXECUTE FUNCTION refuse_plain_value();
