-- name: count_settled
SELECT status, count(*)
FROM (SELECT DISTINCT ON (step_id) step_id, status FROM outcomes
      WHERE thread_id = ?1 AND substr(step_id, 1, length(?2)) = ?2
        AND strpos(substr(step_id, length(?2) + 1), '/') = 0
      ORDER BY step_id, seq DESC) AS newest
GROUP BY status ORDER BY status;

-- name: count_handoffs
SELECT count(*), count(*) FILTER (WHERE kind = 'brief'),
       count(*) FILTER (WHERE kind = 'brief' AND attempt >= 2)
FROM handoffs
WHERE thread_id = ?1 AND (?2 = '' OR substr(step_id, 1, length(?2)) = ?2);

-- name: sum_tokens
SELECT coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint
FROM handoffs
WHERE thread_id = ?1 AND kind = 'output'
  AND (?2 = '' OR substr(step_id, 1, length(?2)) = ?2);
