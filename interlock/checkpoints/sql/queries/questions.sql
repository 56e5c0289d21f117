-- name: insert_question
INSERT INTO questions (id, thread_id, status, question, asked_at) VALUES (?, ?, 'open', ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: load_question
SELECT status, question, answer FROM questions WHERE id = ? AND thread_id = ?;

-- name: save_answer
UPDATE questions SET status = 'answered', answer = ?, answered_at = ?
WHERE id = ? AND status = 'open';

-- name: close_question
UPDATE questions SET status = 'closed' WHERE id = ? AND thread_id = ? AND status = 'open';

-- name: apply_answer
UPDATE questions SET status = 'applied' WHERE id = ? AND thread_id = ? AND status = 'answered';

-- name: load_answers
SELECT question, answer, status FROM questions
WHERE thread_id = ? AND answer IS NOT NULL ORDER BY seq;

-- name: list_questions
SELECT questions.question FROM questions LEFT JOIN runs USING (thread_id)
WHERE questions.status = 'open'
  AND coalesce(runs.status, 'running') NOT IN ('completed', 'degraded', 'failed', 'cancelled')
ORDER BY questions.seq;

-- name: list_thread_questions
SELECT questions.question FROM questions LEFT JOIN runs USING (thread_id)
WHERE questions.thread_id = ? AND questions.status = 'open'
  AND coalesce(runs.status, 'running') NOT IN ('completed', 'degraded', 'failed', 'cancelled')
ORDER BY questions.seq;
