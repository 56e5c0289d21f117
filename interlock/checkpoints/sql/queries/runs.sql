-- name: insert_run
INSERT INTO runs (thread_id, goal, context, status, accepted_at, updated_at, cancel_reason,
                  result, stepwise)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: load_run_status
SELECT status FROM runs WHERE thread_id = ?;

-- name: load_run
SELECT thread_id, goal, context, status, accepted_at, updated_at, cancel_reason, stepwise, result
FROM runs WHERE thread_id = ?;

-- name: update_run
UPDATE runs SET status = ?, result = ?, updated_at = ?
WHERE thread_id = ? AND status NOT IN ('completed', 'degraded', 'failed', 'cancelled');

-- name: request_cancel
UPDATE runs SET cancel_reason = coalesce(cancel_reason, ?)
WHERE thread_id = ? AND status NOT IN ('completed', 'degraded', 'failed', 'cancelled');
