-- name: load_channel_values
SELECT held.channel, held.format, coalesce(held.data, blobs.data)
FROM jsonb_each_text(CAST(?3 AS JSONB)) AS wanted
JOIN channel_values AS held ON held.thread_id = ?1 AND held.ns = ?2
  AND held.channel = wanted.key AND held.version = wanted.value
LEFT JOIN blobs ON blobs.thread_id = ?1 AND blobs.hash = held.blob_hash;
