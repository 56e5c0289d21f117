-- name: insert_checkpoint
INSERT OR REPLACE INTO checkpoints
  (thread_id, ns, checkpoint_id, parent_id, run_id, format, document)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_channel_value
INSERT OR REPLACE INTO channel_values
  (thread_id, ns, channel, version, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: insert_blob
INSERT OR IGNORE INTO blobs (thread_id, hash, data) VALUES (?, ?, ?);

-- name: insert_write
INSERT OR IGNORE INTO task_writes
  (thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: replace_write
INSERT OR REPLACE INTO task_writes
  (thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: load_newest_checkpoint
SELECT checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? AND ns = ? ORDER BY checkpoint_id DESC LIMIT 1;

-- name: load_checkpoint
SELECT checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?;

-- name: load_channel_values
SELECT held.channel, held.format, coalesce(held.data, blobs.data)
FROM json_each(?3) AS wanted
JOIN channel_values AS held ON held.thread_id = ?1 AND held.ns = ?2
  AND held.channel = wanted.key AND held.version = wanted.value
LEFT JOIN blobs ON blobs.thread_id = ?1 AND blobs.hash = held.blob_hash;

-- name: load_writes
SELECT held.task_id, held.channel, held.format, coalesce(held.data, blobs.data)
FROM task_writes AS held
LEFT JOIN blobs ON blobs.thread_id = held.thread_id AND blobs.hash = held.blob_hash
WHERE held.thread_id = ? AND held.ns = ? AND held.checkpoint_id = ?
ORDER BY held.task_path, held.task_id, held.idx;

-- name: list_checkpoints
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE (?3 IS NULL OR checkpoint_id = ?3)
  AND (?4 IS NULL OR checkpoint_id < ?4)
  AND (?5 IS NULL OR (checkpoint_id, thread_id, ns) < (?5, ?6, ?7))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_thread_checkpoints
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ?1
  AND (?3 IS NULL OR checkpoint_id = ?3)
  AND (?4 IS NULL OR checkpoint_id < ?4)
  AND (?5 IS NULL OR (checkpoint_id, thread_id, ns) < (?5, ?6, ?7))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_namespace_checkpoints
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ?1 AND ns = ?2
  AND (?3 IS NULL OR checkpoint_id = ?3)
  AND (?4 IS NULL OR checkpoint_id < ?4)
  AND (?5 IS NULL OR (checkpoint_id, thread_id, ns) < (?5, ?6, ?7))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_namespaces
SELECT DISTINCT ns FROM checkpoints WHERE thread_id = ?;
