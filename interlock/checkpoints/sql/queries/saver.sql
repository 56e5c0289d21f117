-- name: insert_checkpoint
-- seal: ?7 checkpoints.document (?1, ?2, ?3, ?6)
INSERT INTO checkpoints
  (thread_id, ns, checkpoint_id, parent_id, run_id, format, document)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, checkpoint_id) DO UPDATE SET
  parent_id = excluded.parent_id, run_id = excluded.run_id, format = excluded.format,
  document = excluded.document;

-- name: insert_channel_value
-- seal: ?6 channel_values.data (?1, ?2, ?3, ?4, ?5)
INSERT INTO channel_values
  (thread_id, ns, channel, version, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, channel, version) DO UPDATE SET
  format = excluded.format, data = excluded.data, blob_hash = excluded.blob_hash;

-- name: insert_blob
-- seal: ?3 blobs.data (?1, ?2)
INSERT INTO blobs (thread_id, hash, data) VALUES (?, ?, ?)
ON CONFLICT (thread_id, hash) DO NOTHING;

-- name: insert_write
-- seal: ?9 task_writes.data (?1, ?2, ?3, ?5, ?6, ?7, ?8)
INSERT INTO task_writes
  (thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx) DO NOTHING;

-- name: replace_write
-- seal: ?9 task_writes.data (?1, ?2, ?3, ?5, ?6, ?7, ?8)
INSERT INTO task_writes
  (thread_id, ns, checkpoint_id, task_path, task_id, idx, channel, format, data, blob_hash)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, ns, checkpoint_id, task_id, idx) DO UPDATE SET
  task_path = excluded.task_path, channel = excluded.channel, format = excluded.format,
  data = excluded.data, blob_hash = excluded.blob_hash;

-- name: load_newest_checkpoint
-- open: 4 checkpoints.document (?1, ?2, 1, 3)
SELECT checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? AND ns = ? ORDER BY checkpoint_id DESC LIMIT 1;

-- name: load_checkpoint
-- open: 4 checkpoints.document (?1, ?2, 1, 3)
SELECT checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ? AND ns = ? AND checkpoint_id = ?;

-- name: load_channel_chain
-- open: 3 channel_values.data (?1, ?2, ?3, 1, 2)
-- open: 5 blobs.data (?1, 4)
SELECT held.version, held.format, held.data, held.blob_hash, blobs.data
FROM channel_values AS held
LEFT JOIN blobs ON blobs.thread_id = held.thread_id AND blobs.hash = held.blob_hash
WHERE held.thread_id = ?1 AND held.ns = ?2 AND held.channel = ?3
  AND held.version >= ?4 AND held.version <= ?5;

-- name: load_writes
-- open: 5 task_writes.data (?1, ?2, ?3, 1, 4, 2, 3)
-- open: 7 blobs.data (?1, 6)
SELECT held.task_id, held.channel, held.format, held.idx, held.data, held.blob_hash, blobs.data
FROM task_writes AS held
LEFT JOIN blobs ON blobs.thread_id = held.thread_id AND blobs.hash = held.blob_hash
WHERE held.thread_id = ? AND held.ns = ? AND held.checkpoint_id = ?
ORDER BY held.task_path, held.task_id, held.idx;

-- name: list_checkpoints
-- open: 6 checkpoints.document (1, 2, 3, 5)
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE (CAST(?1 AS TEXT) IS NULL OR checkpoint_id = ?1)
  AND (CAST(?2 AS TEXT) IS NULL OR checkpoint_id < ?2)
  AND (CAST(?3 AS TEXT) IS NULL OR (checkpoint_id, thread_id, ns) < (?3, ?4, ?5))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_thread_checkpoints
-- open: 6 checkpoints.document (1, 2, 3, 5)
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ?6
  AND (CAST(?1 AS TEXT) IS NULL OR checkpoint_id = ?1)
  AND (CAST(?2 AS TEXT) IS NULL OR checkpoint_id < ?2)
  AND (CAST(?3 AS TEXT) IS NULL OR (checkpoint_id, thread_id, ns) < (?3, ?4, ?5))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_namespace_checkpoints
-- open: 6 checkpoints.document (1, 2, 3, 5)
SELECT thread_id, ns, checkpoint_id, parent_id, format, document FROM checkpoints
WHERE thread_id = ?6 AND ns = ?7
  AND (CAST(?1 AS TEXT) IS NULL OR checkpoint_id = ?1)
  AND (CAST(?2 AS TEXT) IS NULL OR checkpoint_id < ?2)
  AND (CAST(?3 AS TEXT) IS NULL OR (checkpoint_id, thread_id, ns) < (?3, ?4, ?5))
ORDER BY checkpoint_id DESC, thread_id DESC, ns DESC;

-- name: list_namespaces
SELECT DISTINCT ns FROM checkpoints WHERE thread_id = ?;
