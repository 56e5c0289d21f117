-- What metrics count, each in two forms: `<name>_of_thread`, of one thread, and `<name>_of_window`, of
-- all threads or of a team's. Parameters: the thread or the team (empty for all), from when on,
-- before when, and how the paths of the steps begin. `{o}` stands for the condition on the rows of `o`:
-- o outcomes, h handoffs, f findings, q questions, u effect_uses, e effects, c model_calls, r runs,
-- x faults.

-- name: measure_runs
SELECT r.status, count(*) FROM runs AS r WHERE {r} GROUP BY r.status;

-- name: measure_steps
SELECT o.step_id, o.status, count(*),
       sum(CASE WHEN o.attempts = 1 AND o.fallback IS NULL AND NOT o.by_person THEN 1 ELSE 0 END),
       sum(CASE WHEN o.by_person THEN 1 ELSE 0 END),
       sum(CASE WHEN o.fallback IS NOT NULL THEN 1 ELSE 0 END),
       sum(o.attempts), sum(o.input_tokens), sum(o.output_tokens), sum(o.model_calls),
       sum(o.money / 1000000), sum(o.money % 1000000), sum(coalesce(o.life_us, 0)),
       sum(coalesce(o.settle_us, 0))
FROM outcomes AS o
WHERE {o} AND NOT EXISTS (
  SELECT 1 FROM outcomes AS later
  WHERE later.thread_id = o.thread_id AND later.step_id = o.step_id AND later.seq > o.seq)
GROUP BY o.step_id, o.status;

-- name: measure_attempts
SELECT h.step_id, h.worker, h.action, count(*),
       sum(CASE WHEN h.error IS NOT NULL THEN 1 ELSE 0 END),
       sum(CASE WHEN h.attempt = 1 THEN 1 ELSE 0 END),
       sum(h.input_tokens), sum(h.output_tokens), sum(coalesce(h.money, 0) / 1000000),
       sum(coalesce(h.money, 0) % 1000000), sum(h.queue_us), sum(h.brief_us), sum(h.work_us),
       sum(coalesce(h.model_us, 0)), sum(coalesce(h.tool_us, 0)), sum(h.review_us),
       sum(coalesce(h.judge_us, 0))
FROM handoffs AS h
WHERE {h} AND h.kind = 'output' AND h.turn_at IS NOT NULL
GROUP BY h.step_id, h.worker, h.action;

-- name: measure_criteria
SELECT f.step_id, f.criterion, min(f.thread_id),
       sum(CASE WHEN f.result = 'passed' THEN 1 ELSE 0 END),
       sum(CASE WHEN f.result = 'failed' THEN 1 ELSE 0 END),
       sum(CASE WHEN f.result = 'undecided' THEN 1 ELSE 0 END),
       sum(CASE WHEN h.attempt = 1 THEN 1 ELSE 0 END),
       sum(CASE WHEN h.attempt = 1 AND f.result = 'passed' THEN 1 ELSE 0 END),
       sum(CASE WHEN h.action IN ('fallback', 'degrade') AND f.result <> 'passed' THEN 1 ELSE 0 END)
FROM findings AS f CROSS JOIN handoffs AS h
WHERE h.id = f.handoff_id AND {f} GROUP BY f.step_id, f.criterion;

-- name: measure_escapes
WITH known AS (
  SELECT f.thread_id, f.handoff_id FROM findings AS f WHERE {f} AND f.result = 'failed'
  UNION
  SELECT h.thread_id, h.id
  FROM faults AS x CROSS JOIN handoffs AS faulty CROSS JOIN handoffs AS h
  WHERE faulty.thread_id = x.thread_id AND faulty.kind = 'output' AND faulty.step_id = x.step_id
    AND faulty.superstep = x.superstep AND faulty.attempt = x.attempt
    AND h.thread_id = x.thread_id AND h.kind = 'output' AND h.step_id = x.step_id
    AND h.attempt = x.attempt AND h.payload_hash = faulty.payload_hash
    AND x.thread_id IN (SELECT f.thread_id FROM findings AS f WHERE {f}))
SELECT f.step_id, f.criterion,
       sum(CASE WHEN f.result = 'failed' THEN 1 ELSE 0 END),
       sum(CASE WHEN f.result = 'passed' THEN 1 ELSE 0 END)
FROM known CROSS JOIN findings AS f
WHERE f.thread_id = known.thread_id AND f.handoff_id = known.handoff_id AND {f}
GROUP BY f.step_id, f.criterion;

-- name: measure_edges
WITH settled AS (
  SELECT o.thread_id, o.step_id, o.worker, o.life_us, o.settle_us,
         coalesce(o.begun_at, '') AS begun_at FROM outcomes AS o
  WHERE {o} AND o.status <> 'waiting' AND o.attempts > 0 AND NOT EXISTS (
    SELECT 1 FROM outcomes AS later
    WHERE later.thread_id = o.thread_id AND later.step_id = o.step_id AND later.seq > o.seq)),
needed AS (
  SELECT n.thread_id, n.step_id, n.need FROM settled CROSS JOIN step_needs AS n
  WHERE n.thread_id = settled.thread_id AND n.step_id = settled.step_id AND n.superstep = (
    SELECT max(newest.superstep) FROM step_needs AS newest
    WHERE newest.thread_id = n.thread_id AND newest.step_id = n.step_id)),
released AS (
  SELECT needed.thread_id, needed.step_id, needed.need,
         ROW_NUMBER() OVER (PARTITION BY needed.thread_id, needed.step_id
                            ORDER BY p.settled_at DESC, needed.need) AS place
  FROM needed CROSS JOIN outcomes AS p
  WHERE p.thread_id = needed.thread_id AND p.step_id = needed.need
    AND p.settled_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM outcomes AS later
    WHERE later.thread_id = p.thread_id AND later.step_id = p.step_id AND later.seq > p.seq)),
spent AS (
  SELECT h.thread_id, h.step_id, sum(h.queue_us) AS queue_us, sum(h.brief_us) AS brief_us,
         sum(h.work_us) AS work_us, sum(coalesce(h.model_us, 0)) AS model_us,
         sum(coalesce(h.tool_us, 0)) AS tool_us, sum(h.review_us) AS review_us, count(*) AS attempts
  FROM settled CROSS JOIN handoffs AS h
  WHERE h.thread_id = settled.thread_id AND h.step_id = settled.step_id
    AND h.kind = 'output' AND h.turn_at >= settled.begun_at
  GROUP BY h.thread_id, h.step_id),
asked AS (
  SELECT q.thread_id, q.step_id, sum(coalesce(q.waited_us, 0)) AS person_us FROM settled CROSS JOIN questions AS q
  WHERE q.thread_id = settled.thread_id AND q.step_id = settled.step_id AND q.asked_at >= settled.begun_at
  GROUP BY q.thread_id, q.step_id)
SELECT coalesce(released.need, ''), settled.step_id, count(*), sum(coalesce(spent.attempts, 0)),
       sum(coalesce(spent.queue_us, 0)), sum(coalesce(spent.brief_us, 0)),
       sum(coalesce(spent.model_us, 0)), sum(coalesce(spent.tool_us, 0)),
       sum(coalesce(spent.work_us - spent.model_us - spent.tool_us, 0)),
       sum(coalesce(spent.review_us, 0)), sum(coalesce(settled.settle_us, 0)),
       sum(coalesce(asked.person_us, 0)), sum(coalesce(settled.life_us, 0)),
       max(coalesce(settled.life_us, 0))
FROM settled
LEFT JOIN released ON released.thread_id = settled.thread_id
  AND released.step_id = settled.step_id AND released.place = 1
LEFT JOIN spent ON spent.thread_id = settled.thread_id AND spent.step_id = settled.step_id
LEFT JOIN asked ON asked.thread_id = settled.thread_id AND asked.step_id = settled.step_id
GROUP BY coalesce(released.need, ''), settled.step_id;

-- name: measure_stages
WITH attempts AS (
  SELECT h.queue_us, h.brief_us, h.work_us, coalesce(h.model_us, 0) AS model_us,
         coalesce(h.tool_us, 0) AS tool_us, h.review_us, coalesce(h.judge_us, 0) AS judge_us
  FROM handoffs AS h WHERE {h} AND h.kind = 'output' AND h.turn_at IS NOT NULL),
spans AS (
  SELECT 'queue' AS stage, queue_us AS us FROM attempts
  UNION ALL SELECT 'brief', brief_us FROM attempts
  UNION ALL SELECT 'model', model_us FROM attempts
  UNION ALL SELECT 'tool', tool_us FROM attempts
  UNION ALL SELECT 'other', work_us - model_us - tool_us FROM attempts
  UNION ALL SELECT 'review', review_us FROM attempts
  UNION ALL SELECT 'judge', judge_us FROM attempts
  UNION ALL SELECT 'promotion', o.settle_us FROM outcomes AS o
    WHERE {o} AND o.status = 'accepted' AND o.settle_us IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM outcomes AS later
      WHERE later.thread_id = o.thread_id AND later.step_id = o.step_id AND later.seq > o.seq)
  UNION ALL SELECT 'person', q.waited_us FROM questions AS q
    WHERE {q} AND q.waited_us IS NOT NULL),
counted AS (
  SELECT stage, us, count(*) AS times FROM spans WHERE us IS NOT NULL GROUP BY stage, us),
ranked AS (
  SELECT stage, us, times, CAST(sum(times) OVER (PARTITION BY stage) AS BIGINT) AS number,
         CAST(sum(times) OVER (PARTITION BY stage ORDER BY us) AS BIGINT) AS place
  FROM counted)
SELECT stage, max(number), sum(us * times), min(CASE WHEN place >= (number + 1) / 2 THEN us END),
       min(CASE WHEN place >= (95 * number + 99) / 100 THEN us END), max(us)
FROM ranked GROUP BY stage;

-- name: measure_questions
SELECT coalesce(q.kind, ''), count(*), sum(CASE WHEN q.answered_at IS NOT NULL THEN 1 ELSE 0 END),
       sum(CASE WHEN q.status = 'open' THEN 1 ELSE 0 END), sum(coalesce(q.waited_us, 0)),
       max(coalesce(q.waited_us, 0))
FROM questions AS q WHERE {q} GROUP BY coalesce(q.kind, '');

-- name: measure_escalated
SELECT q.step_id, count(DISTINCT q.thread_id) FROM questions AS q
WHERE {q} AND q.step_id IS NOT NULL GROUP BY q.step_id;

-- name: measure_effects
SELECT e.tool, sum(CASE WHEN e.state = 'done' THEN 1 ELSE 0 END),
       sum(CASE WHEN e.state = 'failed' THEN 1 ELSE 0 END),
       sum(CASE WHEN e.state = 'unknown' THEN 1 ELSE 0 END)
FROM effects AS e WHERE {e} AND e.undoes IS NULL GROUP BY e.tool;

-- name: measure_undone
SELECT undone.tool, count(*) FROM effects AS e
JOIN effects AS undone ON undone.thread_id = e.thread_id AND undone.key = e.undoes
WHERE {e} AND e.state = 'done' GROUP BY undone.tool;

-- name: measure_duplicates
SELECT e.tool, count(*) FROM effect_uses AS u
JOIN effects AS e ON e.thread_id = u.thread_id AND e.key = u.key
WHERE {u} AND NOT u.did_start
  AND substr(e.step_id, 1, length(CAST(?4 AS TEXT))) = CAST(?4 AS TEXT)
GROUP BY e.tool;

-- name: measure_models
SELECT c.model, c.role, sum(c.calls), sum(CASE WHEN c.error IS NOT NULL THEN 1 ELSE 0 END),
       sum(CASE WHEN c.ended_at IS NULL THEN 1 ELSE 0 END), sum(coalesce(c.input_tokens, 0)),
       sum(coalesce(c.output_tokens, 0)), sum(c.cached_tokens), sum(c.money / 1000000),
       sum(c.money % 1000000)
FROM model_calls AS c WHERE {c} GROUP BY c.model, c.role;

-- name: measure_fallbacks
SELECT o.fallback, o.step_id, o.status, count(*) FROM outcomes AS o
WHERE {o} AND o.fallback IS NOT NULL AND o.status <> 'waiting' AND NOT EXISTS (
  SELECT 1 FROM outcomes AS later
  WHERE later.thread_id = o.thread_id AND later.step_id = o.step_id AND later.seq > o.seq)
GROUP BY o.fallback, o.step_id, o.status;

-- name: measure_faults
SELECT x.step_id, x.how, count(*), count(DISTINCT x.thread_id || '/' || x.superstep)
FROM faults AS x WHERE {x} GROUP BY x.step_id, x.how;

-- The newest attempts of exactly that step, or of all; no more than ?5.
-- name: list_attempts
SELECT h.thread_id, h.step_id, h.superstep, h.attempt FROM handoffs AS h
WHERE {h} AND h.kind = 'output' AND h.turn_at IS NOT NULL
  AND (CAST(?4 AS TEXT) = '' OR h.step_id = CAST(?4 AS TEXT))
ORDER BY h.ended_at DESC, h.seq DESC LIMIT ?5;
