-- name: insert_note
-- seal: ?9 scratchpad_notes.note (?2, ?1)
INSERT INTO scratchpad_notes
  (id, thread_id, superstep, step_id, worker, attempt, size, noted_at, note)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (id) DO NOTHING;

-- name: load_notes
-- open: 7 scratchpad_notes.note (?1, 1)
SELECT id, superstep, step_id, worker, attempt, noted_at, note FROM scratchpad_notes
WHERE thread_id = ?1 AND (CAST(?2 AS TEXT) IS NULL OR step_id = ?2) ORDER BY seq;
