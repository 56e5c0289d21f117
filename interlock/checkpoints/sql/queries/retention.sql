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
SELECT ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? ORDER BY ns, checkpoint_id DESC;

-- name: delete_checkpoint
DELETE FROM checkpoints WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?;

-- name: delete_checkpoint_writes
DELETE FROM task_writes WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?;

-- name: list_channel_versions
SELECT ns, channel, version FROM channel_values WHERE thread_id = ?;

-- name: delete_channel_value
DELETE FROM channel_values WHERE thread_id = ? AND ns = ? AND channel = ? AND version = ?;

-- name: delete_unused_blobs
DELETE FROM blobs WHERE thread_id = ?1
  AND hash NOT IN (SELECT blob_hash FROM channel_values
                   WHERE thread_id = ?1 AND blob_hash IS NOT NULL)
  AND hash NOT IN (SELECT blob_hash FROM task_writes
                   WHERE thread_id = ?1 AND blob_hash IS NOT NULL);

-- name: copy_checkpoints
INSERT INTO checkpoints (thread_id, ns, checkpoint_id, parent_id, run_id, format, document)
SELECT ?2, ns, checkpoint_id, parent_id, run_id, format, document
FROM checkpoints WHERE thread_id = ?1
ON CONFLICT (thread_id, ns, checkpoint_id) DO UPDATE SET
  parent_id = excluded.parent_id, run_id = excluded.run_id, format = excluded.format,
  document = excluded.document;

-- name: copy_channel_values
INSERT INTO channel_values (thread_id, ns, channel, version, format, data, blob_hash)
SELECT ?2, ns, channel, version, format, data, blob_hash
FROM channel_values WHERE thread_id = ?1
ON CONFLICT (thread_id, ns, channel, version) DO UPDATE SET
  format = excluded.format, data = excluded.data, blob_hash = excluded.blob_hash;

-- name: copy_writes
INSERT INTO task_writes
  (thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash)
SELECT ?2, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash
FROM task_writes WHERE thread_id = ?1
ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx) DO UPDATE SET
  task_path = excluded.task_path, channel = excluded.channel, format = excluded.format,
  data = excluded.data, blob_hash = excluded.blob_hash;

-- name: copy_blobs
INSERT INTO blobs (thread_id, hash, data)
SELECT ?2, hash, data FROM blobs WHERE thread_id = ?1
ON CONFLICT (thread_id, hash) DO NOTHING;

-- name: copy_payloads
INSERT INTO payloads (thread_id, hash, size, data, cuts)
SELECT ?2, hash, size, data, cuts FROM payloads WHERE thread_id = ?1
ON CONFLICT (thread_id, hash) DO NOTHING;
