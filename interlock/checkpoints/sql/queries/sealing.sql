-- name: load_sealing
SELECT salt, state FROM sealing;

-- name: insert_sealing
INSERT INTO sealing (one, format, salt, state) VALUES (1, 1, ?, ?);

-- name: end_sealing
UPDATE sealing SET state = 'sealed';

-- name: list_sealing_keys
SELECT id, proof FROM sealing_keys ORDER BY id;

-- name: insert_sealing_key
INSERT INTO sealing_keys (id, proof) VALUES (?, ?);

-- name: forget_sealing_keys
DELETE FROM sealing_keys WHERE id <> ?;

-- name: begin_resealing
INSERT INTO resealing (one) VALUES (1);

-- name: end_resealing
DELETE FROM resealing;

-- name: find_held_thread
SELECT thread_id, owner FROM leases WHERE expires_at > ? ORDER BY thread_id LIMIT 1;
