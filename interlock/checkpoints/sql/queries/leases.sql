-- name: load_lease
SELECT token, owner, owner_host, owner_pid, owner_started, expires_at
FROM leases WHERE thread_id = ?;

-- name: save_lease
INSERT INTO leases (thread_id, token, owner, owner_host, owner_pid, owner_started, expires_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id) DO UPDATE SET
  token = excluded.token, owner = excluded.owner, owner_host = excluded.owner_host,
  owner_pid = excluded.owner_pid, owner_started = excluded.owner_started,
  expires_at = excluded.expires_at;

-- name: extend_lease
UPDATE leases SET expires_at = ? WHERE thread_id = ? AND token = ?;

-- name: free_lease
UPDATE leases SET expires_at = NULL WHERE thread_id = ? AND token = ?;

-- name: load_cancel_reason
-- open: 1 runs.cancel_reason (?1)
SELECT cancel_reason FROM runs WHERE thread_id = ?;
