-- name: load_attempt_calls
SELECT role, started_at, ended_at, money FROM model_calls
WHERE thread_id = ?1 AND path = ?2 AND superstep = ?3 AND attempt = ?4 AND calls > 0;

-- The last verdict on a step before an attempt, in the superstep in which that is made.
-- name: find_last_verdict
SELECT max(reviewed_at) FROM handoffs
WHERE thread_id = ?1 AND kind = 'output' AND step_id = ?2 AND superstep = ?3 AND attempt < ?4;

-- name: insert_criterion
-- seal: ?4 criteria.words (?1, ?2)
INSERT INTO criteria (thread_id, hash, kind, words) VALUES (?, ?, ?, ?)
ON CONFLICT (thread_id, hash) DO NOTHING;

-- name: insert_finding
INSERT INTO findings (thread_id, handoff_id, ordinal, step_id, criterion, result, at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, handoff_id, ordinal) DO NOTHING;

-- name: insert_step_need
INSERT INTO step_needs (thread_id, superstep, step_id, need, is_read) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (thread_id, step_id, superstep, need) DO NOTHING;

-- name: insert_tool_call
INSERT INTO tool_calls (thread_id, handoff_id, ordinal, tool, started_at, ended_at, error)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, handoff_id, ordinal) DO NOTHING;

-- name: insert_fault
-- seal: ?12 faults.why (?2, ?1)
INSERT INTO faults (id, thread_id, superstep, step_id, attempt, how, found_by, found_thread,
                    found_superstep, found_attempt, found_at, why)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: load_faults
-- open: 12 faults.why (2, 1)
SELECT id, thread_id, superstep, step_id, attempt, how, found_by, found_thread, found_superstep,
       found_attempt, found_at, why
FROM faults WHERE thread_id = ?1 ORDER BY seq;

-- name: find_promotion
SELECT made.thread_id, made.superstep, made.step_id, made.attempt
FROM context_versions AS made
WHERE made.space = ?1 AND made.version = ?3 AND made.kind = 'promotion'
  AND EXISTS (SELECT 1 FROM context_facts AS fact
              WHERE fact.space = ?1 AND fact.key = ?2 AND fact.version = ?3);

-- name: find_valued_outcome
SELECT superstep, attempts, fallback FROM outcomes
WHERE thread_id = ?1 AND step_id = ?2 AND status IN ('accepted', 'degraded')
ORDER BY CASE WHEN superstep = ?3 THEN 0 ELSE 1 END, seq DESC LIMIT 1;

-- name: list_valued_steps
SELECT DISTINCT step_id FROM outcomes
WHERE thread_id = ?1 AND status IN ('accepted', 'degraded') ORDER BY step_id;

-- name: load_criteria
-- open: 3 criteria.words (?1, 1)
SELECT hash, kind, words FROM criteria WHERE thread_id = ?1;

-- name: count_unmeasured
SELECT count(*) FROM outcomes AS o
WHERE o.settled_at IS NULL AND o.status <> 'waiting' AND (CAST(?1 AS TEXT) = '' OR o.thread_id = ?1)
  AND NOT EXISTS (
    SELECT 1 FROM outcomes AS later
    WHERE later.thread_id = o.thread_id AND later.step_id = o.step_id AND later.seq > o.seq);
