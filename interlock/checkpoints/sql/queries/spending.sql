-- name: insert_model_call
INSERT INTO model_calls
  (id, thread_id, superstep, path, role, worker, attempt, model, calls, input_bytes,
   reserved_tokens, reserved_money, tokens, money, cached_tokens, started_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?11, ?12, 0, ?13)
ON CONFLICT (id) DO NOTHING;

-- name: end_model_call
UPDATE model_calls
SET calls = ?1, tokens = ?2, money = ?3, input_tokens = ?4, output_tokens = ?5, cached_tokens = ?6,
    error = ?7, ended_at = ?8
WHERE id = ?9 AND thread_id = ?10 AND ended_at IS NULL;

-- name: load_model_calls
SELECT id, superstep, path, role, worker, attempt, model, calls, input_bytes, reserved_tokens,
       reserved_money, tokens, money, input_tokens, output_tokens, cached_tokens, error,
       started_at, ended_at
FROM model_calls WHERE thread_id = ?1 ORDER BY seq;

-- name: sum_model_calls
SELECT path, superstep, attempt, role, sum(calls), sum(tokens), sum(money / 1000000),
       sum(money % 1000000), sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0))
FROM model_calls WHERE thread_id = ?1 GROUP BY path, superstep, attempt, role;

-- name: list_model_habits
SELECT model, max(coalesce(output_tokens, 0)), max(1000000 * input_tokens / input_bytes + 1),
       max(input_tokens - input_bytes)
FROM model_calls
WHERE thread_id = ?1 AND calls > 0 AND input_tokens > 0 AND input_bytes > 0 GROUP BY model;

-- name: count_attempts
SELECT step_id, count(*) FROM handoffs
WHERE thread_id = ?1 AND kind = 'brief' AND step_id IS NOT NULL GROUP BY step_id;

-- name: list_model_call_ids
SELECT id FROM model_calls WHERE thread_id = ?1 ORDER BY seq;

-- name: delete_model_call
DELETE FROM model_calls WHERE thread_id = ?1 AND id = ?2;
