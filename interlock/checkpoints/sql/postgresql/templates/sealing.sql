-- Once for every sealed column, when a database becomes sealed: no plain value gets in.
-- name: guard_inserts_{table}_{column}
ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_is_sealed
CHECK (substr({column}, 1, {mark_length}) = {postgresql_mark}) NOT VALID;

-- name: guard_updates_{table}_{column}
SELECT 1;

-- name: check_guard_{table}_{column}
ALTER TABLE {table} VALIDATE CONSTRAINT {table}_{column}_is_sealed;
