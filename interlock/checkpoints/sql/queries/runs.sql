-- name: insert_run
-- seal: ?2 runs.goal (?1)
-- seal: ?3 runs.context (?1)
-- seal: ?7 runs.cancel_reason (?1)
-- seal: ?8 runs.result (?1)
INSERT INTO runs (thread_id, goal, context, status, accepted_at, updated_at, cancel_reason,
                  result, stepwise, spaces, context_refs, team)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: load_run_status
SELECT status FROM runs WHERE thread_id = ?;

-- name: load_run
-- open: 2 runs.goal (1)
-- open: 3 runs.context (1)
-- open: 7 runs.cancel_reason (1)
-- open: 12 runs.result (1)
SELECT thread_id, goal, context, status, accepted_at, updated_at, cancel_reason, stepwise, spaces,
       context_refs, team, result, trace_parent
FROM runs WHERE thread_id = ?;

-- name: update_run
-- seal: ?2 runs.result (?4)
UPDATE runs SET status = ?, result = ?, updated_at = ?
WHERE thread_id = ? AND status NOT IN ('completed', 'degraded', 'failed', 'cancelled');

-- name: note_trace
UPDATE runs SET trace_parent = ?
WHERE thread_id = ? AND status NOT IN ('completed', 'degraded', 'failed', 'cancelled');

-- name: request_cancel
-- seal: ?1 runs.cancel_reason (?2)
UPDATE runs SET cancel_reason = coalesce(cancel_reason, ?)
WHERE thread_id = ? AND status NOT IN ('completed', 'degraded', 'failed', 'cancelled');
