-- Names come in JSON, in which none is written as `text_adapters` writes it.
-- name: load_channel_values
-- open: 4 channel_values.data (?1, ?2, 1, 3, 2)
-- open: 6 blobs.data (?1, 5)
SELECT held.channel, held.format, held.version, held.data, held.blob_hash, blobs.data
FROM jsonb_each_text(CAST(?3 AS JSONB)) AS wanted
JOIN channel_values AS held ON held.thread_id = ?1 AND held.ns = ?2
  AND held.channel = replace(wanted.key, chr(26), chr(26) || '1') AND held.version = wanted.value
LEFT JOIN blobs ON blobs.thread_id = ?1 AND blobs.hash = held.blob_hash;

-- name: insert_channel_tail
-- seal: ?6 channel_values.data (?1, ?2, ?3, ?4, ?5)
INSERT INTO channel_values
  (thread_id, ns, channel, version, format, data, blob_hash)
SELECT CAST(?1 AS TEXT), CAST(?2 AS TEXT), CAST(?3 AS TEXT), CAST(?4 AS TEXT), CAST(?5 AS TEXT), CAST(?6 AS BYTEA), CAST(?7 AS TEXT)
WHERE EXISTS (SELECT 1 FROM channel_values
              WHERE thread_id = ?1 AND ns = ?2 AND channel = ?3 AND version = ?8)
ON CONFLICT (thread_id, ns, channel, version) DO UPDATE SET
  format = excluded.format, data = excluded.data, blob_hash = excluded.blob_hash;
