-- name: list_runs
SELECT thread_id, goal, context, status, accepted_at, updated_at, cancel_reason, stepwise
FROM runs ORDER BY accepted_at DESC, seq DESC;

-- name: list_runs_by_status
SELECT thread_id, goal, context, status, accepted_at, updated_at, cancel_reason, stepwise
FROM runs WHERE status = ?1 ORDER BY accepted_at DESC, seq DESC;
