-- name: load_space_version
SELECT coalesce(max(version), 0) FROM context_versions WHERE space = ?1;

-- name: insert_context_version
-- seal: ?11 context_versions.findings (?1, ?2)
-- seal: ?13 context_versions.kept (?1, ?2)
-- seal: ?14 context_versions.why (?1, ?2)
INSERT INTO context_versions (space, version, kind, thread_id, superstep, epoch, step_id, attempt,
                              worker, brief_hash, findings, base, kept, why, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_fact
-- seal: ?5 context_facts.value (?1, ?2, ?3)
INSERT INTO context_facts (space, key, version, state, value, value_hash, rule, plan_order,
                           replaces)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: load_newest_fact
-- open: 5 context_facts.value (1, 2, 3)
-- open: 18 context_versions.findings (1, 3)
-- open: 20 context_versions.kept (1, 3)
-- open: 21 context_versions.why (1, 3)
SELECT f.space, f.key, f.version, f.state, f.value, f.value_hash, f.rule, f.plan_order, f.replaces,
       v.kind, v.thread_id, v.superstep, v.epoch, v.step_id, v.attempt, v.worker, v.brief_hash,
       v.findings, v.base, v.kept, v.why, v.at
FROM context_facts AS f JOIN context_versions AS v ON v.space = f.space AND v.version = f.version
WHERE f.space = ?1 AND f.key = ?2
ORDER BY f.version DESC LIMIT 1;

-- name: load_fact_version
-- open: 5 context_facts.value (1, 2, 3)
-- open: 18 context_versions.findings (1, 3)
-- open: 20 context_versions.kept (1, 3)
-- open: 21 context_versions.why (1, 3)
SELECT f.space, f.key, f.version, f.state, f.value, f.value_hash, f.rule, f.plan_order, f.replaces,
       v.kind, v.thread_id, v.superstep, v.epoch, v.step_id, v.attempt, v.worker, v.brief_hash,
       v.findings, v.base, v.kept, v.why, v.at
FROM context_facts AS f JOIN context_versions AS v ON v.space = f.space AND v.version = f.version
WHERE f.space = ?1 AND f.key = ?2 AND f.version = ?3;

-- name: load_fact_since
-- open: 5 context_facts.value (1, 2, 3)
-- open: 18 context_versions.findings (1, 3)
-- open: 20 context_versions.kept (1, 3)
-- open: 21 context_versions.why (1, 3)
SELECT f.space, f.key, f.version, f.state, f.value, f.value_hash, f.rule, f.plan_order, f.replaces,
       v.kind, v.thread_id, v.superstep, v.epoch, v.step_id, v.attempt, v.worker, v.brief_hash,
       v.findings, v.base, v.kept, v.why, v.at
FROM context_facts AS f JOIN context_versions AS v ON v.space = f.space AND v.version = f.version
WHERE f.space = ?1 AND f.key = ?2 AND f.version > ?3 AND f.version < ?5
  AND (v.kind IN ('correction', 'retraction') OR (v.kind = 'promotion' AND v.superstep = ?4))
ORDER BY f.version DESC LIMIT 1;

-- name: load_space_facts
-- open: 5 context_facts.value (1, 2, 3)
-- open: 18 context_versions.findings (1, 3)
-- open: 20 context_versions.kept (1, 3)
-- open: 21 context_versions.why (1, 3)
SELECT f.space, f.key, f.version, f.state, f.value, f.value_hash, f.rule, f.plan_order, f.replaces,
       v.kind, v.thread_id, v.superstep, v.epoch, v.step_id, v.attempt, v.worker, v.brief_hash,
       v.findings, v.base, v.kept, v.why, v.at
FROM context_facts AS f JOIN context_versions AS v ON v.space = f.space AND v.version = f.version
WHERE f.space = ?1 AND f.version = (
  SELECT max(n.version) FROM context_facts AS n
  WHERE n.space = f.space AND n.key = f.key AND n.version <= ?2)
ORDER BY f.key;

-- name: load_fact_history
-- open: 5 context_facts.value (1, 2, 3)
-- open: 18 context_versions.findings (1, 3)
-- open: 20 context_versions.kept (1, 3)
-- open: 21 context_versions.why (1, 3)
SELECT f.space, f.key, f.version, f.state, f.value, f.value_hash, f.rule, f.plan_order, f.replaces,
       v.kind, v.thread_id, v.superstep, v.epoch, v.step_id, v.attempt, v.worker, v.brief_hash,
       v.findings, v.base, v.kept, v.why, v.at
FROM context_facts AS f JOIN context_versions AS v ON v.space = f.space AND v.version = f.version
WHERE f.space = ?1 AND f.key = ?2
ORDER BY f.version;

-- name: load_context_versions
-- open: 11 context_versions.findings (1, 2)
-- open: 13 context_versions.kept (1, 2)
-- open: 14 context_versions.why (1, 2)
SELECT space, version, kind, thread_id, superstep, epoch, step_id, attempt, worker, brief_hash,
       findings, base, kept, why, at
FROM context_versions WHERE space = ?1 ORDER BY version;

-- name: load_keys_of_version
SELECT key FROM context_facts WHERE space = ?1 AND version = ?2 ORDER BY key;

-- name: load_thread_of_version
SELECT thread_id FROM context_versions WHERE space = ?1 AND version = ?2;

-- name: insert_fact_use
INSERT INTO context_uses (thread_id, superstep, step_id, attempt, space, key, version)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, superstep, step_id, attempt, space, key) DO NOTHING;

-- name: load_fact_uses
SELECT space, key, version, thread_id, superstep, step_id, attempt FROM context_uses
WHERE space = ?1 AND key = ?2
ORDER BY version, thread_id, superstep, step_id, attempt;

-- name: load_thread_uses
SELECT space, key, version, thread_id, superstep, step_id, attempt FROM context_uses
WHERE thread_id = ?1
ORDER BY superstep, step_id, attempt, key;

-- name: insert_fact_source
INSERT INTO context_sources (source_space, source_key, source_version, space, version, key)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (source_space, source_key, source_version, space, version, key) DO NOTHING;

-- name: load_sources_of_fact
SELECT source_space, source_key, source_version FROM context_sources
WHERE space = ?1 AND key IN ('', ?2) AND version = ?3
ORDER BY source_space, source_key, source_version;

-- name: load_versions_resting_on
SELECT space, version, key FROM context_sources
WHERE source_space = ?1 AND source_key = ?2 AND source_version = ?3
ORDER BY space, version;

-- name: insert_fact_mark
INSERT INTO context_marks (space, key, version, cause_space, cause_key, cause_version, by_version)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (space, key, version, cause_space, cause_key, cause_version) DO NOTHING;

-- name: load_causes
SELECT cause_space, cause_key, cause_version, by_version FROM context_marks
WHERE space = ?1 AND key = ?2 AND version = ?3
ORDER BY cause_space, cause_key, cause_version;

-- name: load_key_marks
-- open: 8 context_versions.why (4, 10)
SELECT m.space, m.key, m.version, m.cause_space, m.cause_key, m.cause_version, v.kind, v.why, v.at,
       m.by_version
FROM context_marks AS m
JOIN context_versions AS v ON v.space = m.cause_space AND v.version = m.by_version
WHERE m.space = ?1 AND m.key = ?2
ORDER BY m.version, m.cause_space, m.cause_key, m.cause_version;

-- name: load_space_marks
-- open: 8 context_versions.why (4, 10)
SELECT m.space, m.key, m.version, m.cause_space, m.cause_key, m.cause_version, v.kind, v.why, v.at,
       m.by_version
FROM context_marks AS m
JOIN context_versions AS v ON v.space = m.cause_space AND v.version = m.by_version
WHERE m.space = ?1
ORDER BY m.key, m.version, m.cause_space, m.cause_key, m.cause_version;

-- name: load_marks_of_shown_facts
-- open: 8 context_versions.why (4, 10)
SELECT DISTINCT m.space, m.key, m.version, m.cause_space, m.cause_key, m.cause_version,
       v.kind, v.why, v.at, m.by_version
FROM context_uses AS u
JOIN context_marks AS m ON m.space = u.space AND m.key = u.key AND m.version = u.version
JOIN context_versions AS v ON v.space = m.cause_space AND v.version = m.by_version
WHERE u.thread_id = ?1
ORDER BY m.space, m.key, m.version, m.cause_space, m.cause_key, m.cause_version;

-- name: load_marks_of_made_facts
-- open: 8 context_versions.why (4, 10)
SELECT m.space, m.key, m.version, m.cause_space, m.cause_key, m.cause_version,
       v.kind, v.why, v.at, m.by_version
FROM context_versions AS p
JOIN context_marks AS m ON m.space = p.space AND m.version = p.version
JOIN context_versions AS v ON v.space = m.cause_space AND v.version = m.by_version
WHERE p.thread_id = ?1
ORDER BY m.space, m.key, m.version, m.cause_space, m.cause_key, m.cause_version;

-- name: load_outcome
-- open: 1 outcomes.outcome (?1, ?2, ?3)
SELECT outcome FROM outcomes WHERE thread_id = ?1 AND superstep = ?2 AND step_id = ?3;
