-- name: is_payload_named
SELECT EXISTS (SELECT 1 FROM effects WHERE thread_id = ?1 AND answer_hash = ?2)
    OR EXISTS (SELECT 1 FROM handoffs WHERE thread_id = ?1 AND payload_hash = ?2)
    OR EXISTS (SELECT 1 FROM runs WHERE thread_id = ?1
               AND (strpos(result, ?2) > 0 OR strpos(context, ?2) > 0))
    OR EXISTS (SELECT 1 FROM outcomes WHERE thread_id = ?1 AND strpos(outcome, ?2) > 0)
    OR EXISTS (SELECT 1 FROM questions WHERE thread_id = ?1 AND strpos(question, ?2) > 0)
    OR EXISTS (SELECT 1 FROM payloads WHERE thread_id = ?1
               AND (strpos(cuts, ?2) > 0 OR position(convert_to(?2, 'UTF8') IN data) > 0))
    OR EXISTS (SELECT 1 FROM channel_values WHERE thread_id = ?1
               AND position(convert_to(?2, 'UTF8') IN data) > 0)
    OR EXISTS (SELECT 1 FROM task_writes WHERE thread_id = ?1
               AND position(convert_to(?2, 'UTF8') IN data) > 0)
    OR EXISTS (SELECT 1 FROM blobs WHERE thread_id = ?1
               AND position(convert_to(?2, 'UTF8') IN data) > 0);
