-- name: is_payload_named
SELECT EXISTS (SELECT 1 FROM effects WHERE thread_id = ?1 AND answer_hash = ?2)
    OR EXISTS (SELECT 1 FROM handoffs WHERE thread_id = ?1 AND payload_hash = ?2)
    OR EXISTS (SELECT 1 FROM runs WHERE thread_id = ?1
               AND (instr(result, ?2) OR instr(context, ?2)))
    OR EXISTS (SELECT 1 FROM outcomes WHERE thread_id = ?1 AND instr(outcome, ?2))
    OR EXISTS (SELECT 1 FROM questions WHERE thread_id = ?1 AND instr(question, ?2))
    OR EXISTS (SELECT 1 FROM payloads WHERE thread_id = ?1
               AND (instr(cuts, ?2) OR instr(data, CAST(?2 AS BLOB))))
    OR EXISTS (SELECT 1 FROM channel_values WHERE thread_id = ?1
               AND instr(data, CAST(?2 AS BLOB)))
    OR EXISTS (SELECT 1 FROM task_writes WHERE thread_id = ?1
               AND instr(data, CAST(?2 AS BLOB)))
    OR EXISTS (SELECT 1 FROM blobs WHERE thread_id = ?1 AND instr(data, CAST(?2 AS BLOB)));
