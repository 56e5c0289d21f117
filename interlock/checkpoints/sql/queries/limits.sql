-- name: load_limit
SELECT state, since, failures, probes, passed, open_until, last_failure, next_at, held_until
FROM limits WHERE name = ?1;

-- name: save_limit
INSERT INTO limits
  (name, state, since, failures, probes, passed, open_until, last_failure, next_at, held_until)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
ON CONFLICT (name) DO UPDATE SET
  state = excluded.state, since = excluded.since, failures = excluded.failures,
  probes = excluded.probes, passed = excluded.passed, open_until = excluded.open_until,
  last_failure = excluded.last_failure, next_at = excluded.next_at,
  held_until = excluded.held_until;

-- name: list_limits
SELECT name, state, since, failures, probes, passed, open_until, last_failure, next_at, held_until
FROM limits ORDER BY name;

-- name: delete_limit
DELETE FROM limits WHERE name = ?1;
