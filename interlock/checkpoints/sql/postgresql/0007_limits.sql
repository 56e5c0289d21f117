-- Limits: what is known of each name that has a breaker or a rate, shared by all who use the database.
-- Times are microseconds since 1970; `failures` and `probes` are JSON and hold times only. A row that is
-- gone says: closed, and at rest.
CREATE TABLE limits (
  name         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('closed', 'open', 'half_open')),
  since        BIGINT NOT NULL,
  failures     TEXT COLLATE "C" NOT NULL,
  probes       TEXT COLLATE "C" NOT NULL,
  passed       BIGINT NOT NULL,
  open_until   BIGINT,
  last_failure TEXT COLLATE "C",
  next_at      BIGINT,
  held_until   BIGINT
);
