-- name: load_gates_of_fault
-- open: 4 criteria.words (1, 2)
SELECT c.thread_id, c.hash, c.kind, c.words, f.result
FROM handoffs AS h
JOIN findings AS f ON f.thread_id = h.thread_id AND f.handoff_id = h.id
JOIN criteria AS c ON c.thread_id = f.thread_id AND c.hash = f.criterion
WHERE h.thread_id = ?1 AND h.step_id = ?2 AND h.kind = 'output' AND h.attempt = ?4
  AND (h.superstep = ?3 OR h.payload_hash = (
    SELECT decided.payload_hash FROM handoffs AS decided
    WHERE decided.thread_id = ?1 AND decided.step_id = ?2 AND decided.kind = 'output'
      AND decided.attempt = ?4 AND decided.superstep = ?3
    ORDER BY decided.seq DESC LIMIT 1))
ORDER BY h.seq, f.ordinal;

-- name: load_run_start
SELECT accepted_at, status FROM runs WHERE thread_id = ?1;

-- name: load_lineage_outcomes
SELECT seq, superstep, step_id, status, worker, attempts, fallback, begun_at, settled_at,
       settle_us, input_tokens, output_tokens, money
FROM outcomes WHERE thread_id = ?1 ORDER BY seq;

-- name: load_lineage_waits
SELECT superstep, step_id, need, is_read FROM step_needs
WHERE thread_id = ?1 ORDER BY superstep, step_id, need;

-- name: load_lineage_outputs
SELECT superstep, step_id, attempt, sender, turn_at, started_at, queue_us, brief_us, work_us,
       model_us, tool_us, review_us
FROM handoffs WHERE thread_id = ?1 AND kind = 'output' ORDER BY seq;

-- name: load_lineage_tools
SELECT h.step_id, h.attempt, t.tool, t.started_at, t.ended_at
FROM tool_calls AS t JOIN handoffs AS h ON h.thread_id = t.thread_id AND h.id = t.handoff_id
WHERE t.thread_id = ?1 ORDER BY h.seq, t.ordinal;

-- name: load_lineage_questions
SELECT step_id, asked_at, answered_at FROM questions
WHERE thread_id = ?1 AND step_id IS NOT NULL ORDER BY seq;

-- name: load_lineage_passages
WITH RECURSIVE held (superstep, step_id, space, key, version) AS (
  SELECT made.superstep, made.step_id, fact.space, fact.key, fact.version
  FROM context_versions AS made
  JOIN context_facts AS fact ON fact.space = made.space AND fact.version = made.version
  WHERE made.thread_id = ?1 AND made.kind = 'promotion'
  UNION
  SELECT held.superstep, held.step_id, source.space, held.key, source.version
  FROM held JOIN context_sources AS source
    ON source.source_space = held.space AND source.source_key = held.key
   AND source.source_version = held.version AND source.key = held.key
   AND source.space = held.space)
SELECT held.superstep, held.step_id, shown.thread_id, shown.superstep, shown.step_id,
       shown.attempt, held.key
FROM held JOIN context_uses AS shown
  ON shown.space = held.space AND shown.key = held.key AND shown.version = held.version
ORDER BY held.superstep, held.step_id, shown.thread_id, shown.superstep, shown.step_id,
         shown.attempt, held.key;
