-- name: list_runs
-- open: 2 runs.goal (1)
-- open: 3 runs.context (1)
-- open: 7 runs.cancel_reason (1)
SELECT thread_id, goal, context, status, accepted_at, updated_at, cancel_reason, stepwise, spaces,
       context_refs, team
FROM runs ORDER BY accepted_at DESC, seq DESC;

-- name: list_runs_by_status
-- open: 2 runs.goal (1)
-- open: 3 runs.context (1)
-- open: 7 runs.cancel_reason (1)
SELECT thread_id, goal, context, status, accepted_at, updated_at, cancel_reason, stepwise, spaces,
       context_refs, team
FROM runs WHERE status = ?1 ORDER BY accepted_at DESC, seq DESC;
