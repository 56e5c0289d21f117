-- name: count_settled
SELECT status, count(*)
FROM (SELECT status, max(seq) FROM outcomes
      WHERE thread_id = ?1 AND substr(step_id, 1, length(?2)) = ?2
        AND instr(substr(step_id, length(?2) + 1), '/') = 0
      GROUP BY step_id)
GROUP BY status ORDER BY status;

-- name: count_handoffs
SELECT count(*), count(*) FILTER (WHERE kind = 'brief'),
       count(*) FILTER (WHERE kind = 'brief' AND attempt >= 2)
FROM handoffs INDEXED BY handoffs_by_attempt
WHERE thread_id = ?1 AND (?2 = '' OR substr(step_id, 1, length(?2)) = ?2);

-- name: sum_tokens
SELECT coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0)
FROM handoffs INDEXED BY handoffs_by_attempt
WHERE thread_id = ?1 AND kind = 'output' AND (?2 = '' OR substr(step_id, 1, length(?2)) = ?2);
