-- name: load_ledger_identity
SELECT id FROM ledger_identity;

-- name: load_effect_use
SELECT key FROM effect_uses WHERE thread_id = ? AND attempt = ? AND name = ? AND place = ?;

-- name: count_effects_used
SELECT count(DISTINCT key) FROM effect_uses WHERE thread_id = ? AND attempt = ? AND name = ?;

-- name: list_open_uses
SELECT effect_uses.key, effect_uses.place FROM effect_uses JOIN effects USING (thread_id, key)
WHERE effect_uses.thread_id = ? AND effect_uses.attempt = ? AND effect_uses.name = ?
  AND effects.state IN ('intended', 'started', 'unknown')
ORDER BY effect_uses.seq;

-- name: insert_effect_use
INSERT INTO effect_uses (thread_id, attempt, name, place, key, did_start, called_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, attempt, name, place) DO NOTHING;

-- name: insert_effect
-- seal: ?7 effects.arguments (?1, ?2)
INSERT INTO effects (thread_id, key, epoch, step_id, worker, tool, arguments, arguments_hash,
                     ordinal, is_natural, is_irreversible, can_undo, undoes, state, tries, token,
                     runner_host, runner_pid, runner_started, settled_by, began_at, started_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?, 'tool', ?, ?);

-- name: start_effect
UPDATE effects SET state = 'started', token = ?, runner_host = ?, runner_pid = ?,
                   runner_started = ?, started_at = ?
WHERE thread_id = ? AND key = ?;

-- name: end_effect
-- seal: ?2 effects.answer (?8, ?9)
-- seal: ?4 effects.error (?8, ?9)
-- seal: ?6 effects.note (?8, ?9)
UPDATE effects SET state = ?, answer = ?, answer_hash = ?, error = ?, settled_by = ?, note = ?,
                   ended_at = ?
WHERE thread_id = ? AND key = ?;

-- name: free_effect
-- seal: ?2 effects.note (?3, ?4)
-- unopened: effects.error is made NULL
UPDATE effects SET state = 'intended', tries = tries + 1, error = NULL, settled_by = ?, note = ?,
                   ended_at = NULL
WHERE thread_id = ? AND key = ?;

-- name: load_effect
-- open: 7 effects.arguments (1, 2)
-- open: 20 effects.answer (1, 2)
-- open: 22 effects.error (1, 2)
-- open: 24 effects.note (1, 2)
SELECT thread_id, key, epoch, step_id, worker, tool, arguments, arguments_hash, ordinal,
       is_natural, is_irreversible, can_undo, undoes, state, tries, token, runner_host,
       runner_pid, runner_started, answer, answer_hash, error, settled_by, note, began_at,
       started_at, ended_at,
       (SELECT other.key FROM effects AS other WHERE other.thread_id = effects.thread_id
          AND other.undoes = effects.key AND other.state = 'done') AS undone_by
FROM effects WHERE thread_id = ? AND key = ?;

-- name: list_effects
-- open: 7 effects.arguments (1, 2)
-- open: 20 effects.answer (1, 2)
-- open: 22 effects.error (1, 2)
-- open: 24 effects.note (1, 2)
SELECT thread_id, key, epoch, step_id, worker, tool, arguments, arguments_hash, ordinal,
       is_natural, is_irreversible, can_undo, undoes, state, tries, token, runner_host,
       runner_pid, runner_started, answer, answer_hash, error, settled_by, note, began_at,
       started_at, ended_at,
       (SELECT other.key FROM effects AS other WHERE other.thread_id = effects.thread_id
          AND other.undoes = effects.key AND other.state = 'done') AS undone_by
FROM effects WHERE thread_id = ? ORDER BY seq;

-- name: list_step_effects
-- open: 7 effects.arguments (1, 2)
-- open: 20 effects.answer (1, 2)
-- open: 22 effects.error (1, 2)
-- open: 24 effects.note (1, 2)
SELECT thread_id, key, epoch, step_id, worker, tool, arguments, arguments_hash, ordinal,
       is_natural, is_irreversible, can_undo, undoes, state, tries, token, runner_host,
       runner_pid, runner_started, answer, answer_hash, error, settled_by, note, began_at,
       started_at, ended_at,
       (SELECT other.key FROM effects AS other WHERE other.thread_id = effects.thread_id
          AND other.undoes = effects.key AND other.state = 'done') AS undone_by
FROM effects
WHERE thread_id = ?1 AND (step_id = ?2
  OR (step_id > CAST(?2 AS TEXT) || '/' AND step_id < CAST(?2 AS TEXT) || '0'))
ORDER BY seq;

-- name: list_effect_uses
SELECT attempt, place, did_start, called_at FROM effect_uses
WHERE thread_id = ? AND key = ? ORDER BY seq;

-- name: list_effect_moves
-- open: 4 effect_moves.note (?1, ?2, 1, 2, 5)
SELECT tries, state, settler, note, at FROM effect_moves
WHERE thread_id = ? AND key = ? ORDER BY seq;

-- name: insert_effect_move
-- seal: ?6 effect_moves.note (?1, ?2, ?3, ?4, ?7)
INSERT INTO effect_moves (thread_id, key, tries, state, settler, note, at)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: find_effect_keys
SELECT key, state FROM effects WHERE thread_id = ? AND key >= ? AND key < ? LIMIT 3;

-- name: list_unknown_effects
SELECT key FROM effects WHERE thread_id = ? AND state IN ('started', 'unknown') ORDER BY seq;

-- name: list_old_effects
SELECT effects.thread_id, effects.key, effects.undoes, effects.answer_hash FROM effects
LEFT JOIN runs USING (thread_id)
WHERE effects.ended_at < ?1 AND effects.state IN ('done', 'failed')
  AND (CAST(?2 AS TEXT) IS NULL OR effects.thread_id = ?2)
  AND coalesce(runs.status, 'completed') IN ('completed', 'degraded', 'failed', 'cancelled');

-- name: delete_effect
DELETE FROM effects WHERE thread_id = ? AND key = ?;

-- name: delete_effect_uses
DELETE FROM effect_uses WHERE thread_id = ? AND key = ?;

-- name: delete_effect_moves
DELETE FROM effect_moves WHERE thread_id = ? AND key = ?;

-- name: delete_payload
DELETE FROM payloads WHERE thread_id = ? AND hash = ?;
