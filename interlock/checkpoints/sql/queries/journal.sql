-- name: insert_payload
-- seal: ?4 payloads.data (?1, ?2)
INSERT INTO payloads (thread_id, hash, size, data, cuts) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (thread_id, hash) DO NOTHING;

-- name: load_payload
-- open: 1 payloads.data (?1, ?2)
SELECT data, cuts FROM payloads WHERE thread_id = ? AND hash = ?;

-- name: load_payload_part
-- open: 1 payloads.data (?1, ?2)
SELECT data FROM payloads WHERE thread_id = ? AND hash = ?;

-- name: insert_handoff
-- seal: ?11 handoffs.verdict (?2, ?1)
INSERT INTO handoffs (id, thread_id, superstep, kind, sender, receiver, step_id, attempt, worker,
                      payload_hash, verdict, status, queued_at, started_at, ended_at,
                      input_tokens, output_tokens, trace_id, action, error, turn_at, reviewed_at,
                      model_us, tool_us, judge_us, money, question_id, queue_us, brief_us, work_us,
                      review_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: load_handoffs
-- open: 11 handoffs.verdict (2, 1)
SELECT id, thread_id, superstep, kind, sender, receiver, step_id, attempt, worker, payload_hash,
       verdict, status, queued_at, started_at, ended_at, input_tokens, output_tokens, trace_id,
       turn_at, reviewed_at, model_us, tool_us, judge_us, money, question_id, queue_us
FROM handoffs WHERE thread_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR step_id = ?2) ORDER BY seq;

-- name: load_replan_requests
-- open: 11 handoffs.verdict (2, 1)
SELECT id, thread_id, superstep, kind, sender, receiver, step_id, attempt, worker, payload_hash,
       verdict, status, queued_at, started_at, ended_at, input_tokens, output_tokens, trace_id,
       turn_at, reviewed_at, model_us, tool_us, judge_us, money, question_id, queue_us
FROM handoffs WHERE thread_id = ?1 AND kind = 'replan' ORDER BY seq;

-- name: load_handoff_payloads
-- open: 2 payloads.data (?1, 1)
SELECT hash, data, cuts FROM payloads
WHERE thread_id = ?1 AND hash IN (
  SELECT payload_hash FROM handoffs WHERE thread_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR step_id = ?2));

-- name: insert_outcome
-- seal: ?5 outcomes.outcome (?1, ?2, ?3)
INSERT INTO outcomes (thread_id, superstep, step_id, status, outcome, worker, attempts, fallback,
                      by_person, begun_at, settled_at, input_tokens, output_tokens, model_calls, money,
                      life_us, settle_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, superstep, step_id) DO NOTHING;

-- name: load_outcomes
-- open: 2 outcomes.outcome (?1, ?2, 1)
SELECT step_id, outcome FROM outcomes WHERE thread_id = ? AND superstep = ? ORDER BY seq;

-- name: load_open_attempts
SELECT brief.step_id, brief.attempt, brief.worker, brief.started_at, brief.ended_at
FROM handoffs AS brief
WHERE brief.thread_id = ?1 AND brief.kind = 'brief' AND brief.step_id IS NOT NULL
  AND substr(brief.step_id, 1, length(?2)) = ?2
  AND NOT EXISTS (
    SELECT 1 FROM handoffs AS output
    WHERE output.thread_id = brief.thread_id AND output.kind = 'output'
      AND output.step_id = brief.step_id AND output.superstep = brief.superstep
      AND output.attempt = brief.attempt)
  AND NOT (brief.step_id LIKE '%/%' AND EXISTS (  -- cut off with the attempt above, in nested teams
    SELECT 1 FROM handoffs AS above
    WHERE above.thread_id = brief.thread_id AND above.kind = 'output' AND above.seq > brief.seq
      AND substr(brief.step_id, 1, length(above.step_id) + 1) = above.step_id || '/'))
ORDER BY brief.seq;
