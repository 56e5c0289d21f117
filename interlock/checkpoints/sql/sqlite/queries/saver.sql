-- name: load_channel_values
SELECT held.channel, held.format, coalesce(held.data, blobs.data)
FROM json_each(?3) AS wanted
JOIN channel_values AS held ON held.thread_id = ?1 AND held.ns = ?2
  AND held.channel = wanted.key AND held.version = wanted.value
LEFT JOIN blobs ON blobs.thread_id = ?1 AND blobs.hash = held.blob_hash;
