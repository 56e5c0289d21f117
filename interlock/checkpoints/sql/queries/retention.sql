-- name: delete_thread_checkpoints
DELETE FROM checkpoints WHERE thread_id = ?;

-- name: delete_thread_channel_values
DELETE FROM channel_values WHERE thread_id = ?;

-- name: delete_thread_writes
DELETE FROM task_writes WHERE thread_id = ?;

-- name: delete_thread_blobs
DELETE FROM blobs WHERE thread_id = ?;

-- name: list_run_checkpoints
SELECT thread_id, ns, checkpoint_id FROM checkpoints WHERE run_id = ?;

-- name: list_checkpoint_ids
-- open: 5 checkpoints.document (?1, 1, 2, 4)
SELECT ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? ORDER BY ns, checkpoint_id DESC;

-- name: delete_checkpoint
DELETE FROM checkpoints WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?;

-- name: delete_checkpoint_writes
DELETE FROM task_writes WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?;

-- name: list_channel_versions
SELECT ns, channel, version, format FROM channel_values WHERE thread_id = ?;

-- name: delete_channel_value
DELETE FROM channel_values WHERE thread_id = ? AND ns = ? AND channel = ? AND version = ?;

-- name: delete_unused_blobs
DELETE FROM blobs WHERE thread_id = ?1
  AND hash NOT IN (SELECT blob_hash FROM channel_values
                   WHERE thread_id = ?1 AND blob_hash IS NOT NULL)
  AND hash NOT IN (SELECT blob_hash FROM task_writes
                   WHERE thread_id = ?1 AND blob_hash IS NOT NULL);

-- name: read_thread_checkpoints
-- open: 7 checkpoints.document (1, 2, 3, 6)
SELECT thread_id, ns, checkpoint_id, parent_id, run_id, format, document
FROM checkpoints WHERE thread_id = ?1;

-- name: read_thread_channel_values
-- open: 6 channel_values.data (1, 2, 3, 4, 5)
SELECT thread_id, ns, channel, version, format, data, blob_hash
FROM channel_values WHERE thread_id = ?1;

-- name: read_thread_writes
-- open: 9 task_writes.data (1, 2, 3, 5, 6, 7, 8)
SELECT thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash
FROM task_writes WHERE thread_id = ?1;

-- name: read_thread_blobs
-- open: 3 blobs.data (1, 2)
SELECT thread_id, hash, data FROM blobs WHERE thread_id = ?1;

-- name: read_thread_payloads
-- open: 4 payloads.data (1, 2)
SELECT thread_id, hash, size, data, cuts FROM payloads WHERE thread_id = ?1;

-- name: read_thread_run
-- open: 2 runs.context (1)
-- open: 3 runs.result (1)
SELECT thread_id, context, result FROM runs WHERE thread_id = ?1;

-- name: read_thread_outcomes
-- open: 3 outcomes.outcome (?1, 1, 2)
SELECT superstep, step_id, outcome FROM outcomes WHERE thread_id = ?1;

-- name: read_thread_questions
-- open: 3 questions.question (1, 2)
-- open: 4 questions.answer (1, 2)
SELECT thread_id, id, question, answer FROM questions WHERE thread_id = ?1;

-- name: list_named_hashes
SELECT answer_hash FROM effects WHERE thread_id = ?1 AND answer_hash IS NOT NULL
UNION SELECT payload_hash FROM handoffs WHERE thread_id = ?1
UNION SELECT context_facts.value_hash FROM context_facts JOIN context_versions USING (space, version)
  WHERE context_versions.thread_id = ?1 AND context_facts.value_hash IS NOT NULL
UNION SELECT brief_hash FROM context_versions WHERE thread_id = ?1 AND brief_hash IS NOT NULL
UNION SELECT context_refs FROM runs WHERE thread_id = ?1 AND context_refs <> '{}';
