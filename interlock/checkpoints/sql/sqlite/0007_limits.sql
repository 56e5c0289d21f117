-- Limits: what is known of each name that has a breaker or a rate, shared by all who use the database.
-- Times are microseconds since 1970; `failures` and `probes` are JSON and hold times only. A row that is
-- gone says: closed, and at rest.
CREATE TABLE limits (
  name         TEXT NOT NULL PRIMARY KEY,
  state        TEXT NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
  since        INTEGER NOT NULL,
  failures     TEXT NOT NULL,
  probes       TEXT NOT NULL,
  passed       INTEGER NOT NULL,
  open_until   INTEGER,
  last_failure TEXT,
  next_at      INTEGER,
  held_until   INTEGER
) STRICT, WITHOUT ROWID;
