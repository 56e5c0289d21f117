-- name: list_faults
-- open: 12 faults.why (2, 1)
SELECT x.id, x.thread_id, x.superstep, x.step_id, x.attempt, x.how, x.found_by, x.found_thread,
       x.found_superstep, x.found_attempt, x.found_at, x.why
FROM faults AS x WHERE {x} ORDER BY x.seq;
