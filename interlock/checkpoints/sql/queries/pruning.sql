-- name: list_prunable_threads
SELECT thread_id FROM checkpoints UNION SELECT thread_id FROM scratchpad_notes
ORDER BY thread_id;

-- name: list_recorded_threads
SELECT thread_id FROM runs
WHERE status IN ('completed', 'degraded', 'failed', 'cancelled') AND updated_at < ?1
  AND EXISTS (SELECT 1 FROM handoffs WHERE handoffs.thread_id = runs.thread_id)
ORDER BY thread_id;

-- name: load_run_age
SELECT status, updated_at FROM runs WHERE thread_id = ?1;

-- name: list_checkpoint_sizes
-- unopened: checkpoints.document, only its length
SELECT ns, checkpoint_id, length(document) FROM checkpoints
WHERE thread_id = ?1 ORDER BY ns, checkpoint_id DESC;

-- name: list_value_sizes
-- unopened: channel_values.data, only its length
SELECT ns, channel, version, format, blob_hash, coalesce(length(data), 0)
FROM channel_values WHERE thread_id = ?1;

-- name: list_write_sizes
-- unopened: task_writes.data, only its length
SELECT ns, checkpoint_id, task_id, idx, blob_hash, coalesce(length(data), 0)
FROM task_writes WHERE thread_id = ?1;

-- name: list_blob_sizes
-- unopened: blobs.data, only its length
SELECT hash, length(data) FROM blobs WHERE thread_id = ?1;

-- name: list_settled_steps
SELECT superstep, step_id FROM outcomes WHERE thread_id = ?1;

-- name: delete_write
DELETE FROM task_writes
WHERE thread_id = ?1 AND ns = ?2 AND checkpoint_id = ?3 AND task_id = ?4 AND idx = ?5;

-- name: delete_unused_blob
DELETE FROM blobs WHERE thread_id = ?1 AND hash = ?2
  AND NOT EXISTS (SELECT 1 FROM channel_values
                  WHERE channel_values.thread_id = ?1 AND channel_values.blob_hash = ?2)
  AND NOT EXISTS (SELECT 1 FROM task_writes
                  WHERE task_writes.thread_id = ?1 AND task_writes.blob_hash = ?2);

-- name: list_old_notes
SELECT id, size FROM scratchpad_notes WHERE thread_id = ?1 AND noted_at < ?2 ORDER BY seq;

-- name: delete_note
DELETE FROM scratchpad_notes WHERE thread_id = ?1 AND id = ?2;

-- name: count_open_effects
SELECT count(*) FROM effects WHERE thread_id = ?1 AND state NOT IN ('done', 'failed');

-- name: list_handoff_sizes
-- unopened: handoffs.verdict, only its length
SELECT id, coalesce(length(verdict), 0) FROM handoffs WHERE thread_id = ?1 ORDER BY seq;

-- name: list_outcome_sizes
-- unopened: outcomes.outcome, only its length
SELECT superstep, step_id, length(outcome) FROM outcomes WHERE thread_id = ?1 ORDER BY seq;

-- name: list_question_sizes
-- unopened: questions.question, only its length
-- unopened: questions.answer, only its length
SELECT id, length(question) + coalesce(length(answer), 0) FROM questions
WHERE thread_id = ?1 ORDER BY seq;

-- name: begin_pruning
INSERT INTO prunings (thread_id) VALUES (?1);

-- name: end_pruning
DELETE FROM prunings WHERE thread_id = ?1;

-- name: delete_handoff
DELETE FROM handoffs WHERE thread_id = ?1 AND id = ?2;

-- name: delete_outcome
DELETE FROM outcomes WHERE thread_id = ?1 AND superstep = ?2 AND step_id = ?3;

-- name: delete_question
DELETE FROM questions WHERE thread_id = ?1 AND id = ?2;

-- name: list_payload_sizes
SELECT hash, size FROM payloads WHERE thread_id = ?1;

-- name: list_handoff_hashes
SELECT DISTINCT payload_hash FROM handoffs WHERE thread_id = ?1;

-- name: list_lasting_hashes
SELECT answer_hash FROM effects WHERE thread_id = ?1 AND answer_hash IS NOT NULL
UNION SELECT facts.value_hash FROM context_facts AS facts
JOIN context_versions AS versions
  ON versions.space = facts.space AND versions.version = facts.version
WHERE versions.thread_id = ?1 AND facts.value_hash IS NOT NULL
UNION SELECT context_refs FROM runs WHERE thread_id = ?1 AND context_refs <> '{}';

-- name: delete_unnamed_payload
DELETE FROM payloads WHERE thread_id = ?1 AND hash = ?2
  AND NOT EXISTS (SELECT 1 FROM effects
                  WHERE effects.thread_id = ?1 AND effects.answer_hash = ?2);

-- name: list_keys_of_findings
SELECT handoff_id, ordinal FROM findings WHERE thread_id = ?1;

-- name: delete_finding
DELETE FROM findings WHERE thread_id = ?1 AND handoff_id = ?2 AND ordinal = ?3;

-- name: list_keys_of_criteria
SELECT hash FROM criteria WHERE thread_id = ?1;

-- name: delete_criterion
DELETE FROM criteria WHERE thread_id = ?1 AND hash = ?2;

-- name: list_keys_of_step_needs
SELECT superstep, step_id, need FROM step_needs WHERE thread_id = ?1;

-- name: delete_step_need
DELETE FROM step_needs WHERE thread_id = ?1 AND superstep = ?2 AND step_id = ?3 AND need = ?4;

-- name: list_keys_of_tool_calls
SELECT handoff_id, ordinal FROM tool_calls WHERE thread_id = ?1;

-- name: delete_tool_call
DELETE FROM tool_calls WHERE thread_id = ?1 AND handoff_id = ?2 AND ordinal = ?3;

-- name: list_keys_of_faults
SELECT id FROM faults WHERE thread_id = ?1;

-- name: delete_fault
DELETE FROM faults WHERE thread_id = ?1 AND id = ?2;
