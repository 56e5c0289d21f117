-- name: load_channel_values
-- open: 4 channel_values.data (?1, ?2, 1, 3, 2)
-- open: 6 blobs.data (?1, 5)
SELECT held.channel, held.format, held.version, held.data, held.blob_hash, blobs.data
FROM jsonb_each_text(CAST(?3 AS JSONB)) AS wanted
JOIN channel_values AS held ON held.thread_id = ?1 AND held.ns = ?2
  AND held.channel = wanted.key AND held.version = wanted.value
LEFT JOIN blobs ON blobs.thread_id = ?1 AND blobs.hash = held.blob_hash;
