-- name: insert_checkpoint
INSERT INTO checkpoints
  (thread_id, ns, checkpoint_id, parent_id, run_id, format, document)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, checkpoint_id) DO UPDATE SET
  parent_id = excluded.parent_id, run_id = excluded.run_id, format = excluded.format,
  document = excluded.document;

-- name: insert_channel_value
INSERT INTO channel_values
  (thread_id, ns, channel, version, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, channel, version) DO UPDATE SET
  format = excluded.format, data = excluded.data, blob_hash = excluded.blob_hash;

-- name: insert_blob
INSERT INTO blobs (thread_id, hash, data) VALUES (?, ?, ?)
ON CONFLICT (thread_id, hash) DO NOTHING;

-- name: insert_write
INSERT INTO task_writes
  (thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx) DO NOTHING;

-- name: replace_write
INSERT INTO task_writes
  (thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx) DO UPDATE SET
  task_path = excluded.task_path, channel = excluded.channel, format = excluded.format,
  data = excluded.data, blob_hash = excluded.blob_hash;

-- name: load_newest_checkpoint
SELECT checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? AND ns = ? ORDER BY checkpoint_id DESC LIMIT 1;

-- name: load_checkpoint
SELECT checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?;

-- name: load_writes
SELECT held.task_id, held.channel, held.format, coalesce(held.data, blobs.data)
FROM task_writes AS held
LEFT JOIN blobs ON blobs.thread_id = held.thread_id AND blobs.hash = held.blob_hash
WHERE held.thread_id = ? AND held.ns = ? AND held.checkpoint_id = ?
ORDER BY held.task_path, held.task_id, held.idx;

-- name: list_checkpoints
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE (CAST(?3 AS TEXT) IS NULL OR checkpoint_id = ?3)
  AND (CAST(?4 AS TEXT) IS NULL OR checkpoint_id < ?4)
  AND (CAST(?5 AS TEXT) IS NULL OR (checkpoint_id, thread_id, ns) < (?5, ?6, ?7))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_thread_checkpoints
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ?1
  AND (CAST(?3 AS TEXT) IS NULL OR checkpoint_id = ?3)
  AND (CAST(?4 AS TEXT) IS NULL OR checkpoint_id < ?4)
  AND (CAST(?5 AS TEXT) IS NULL OR (checkpoint_id, thread_id, ns) < (?5, ?6, ?7))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_namespace_checkpoints
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ?1 AND ns = ?2
  AND (CAST(?3 AS TEXT) IS NULL OR checkpoint_id = ?3)
  AND (CAST(?4 AS TEXT) IS NULL OR checkpoint_id < ?4)
  AND (CAST(?5 AS TEXT) IS NULL OR (checkpoint_id, thread_id, ns) < (?5, ?6, ?7))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_namespaces
SELECT DISTINCT ns FROM checkpoints WHERE thread_id = ?;
