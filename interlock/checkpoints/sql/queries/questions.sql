-- name: insert_question
-- seal: ?3 questions.question (?2, ?1)
INSERT INTO questions (id, thread_id, status, question, asked_at, step_id, kind)
VALUES (?, ?, 'open', ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: load_question
-- open: 2 questions.question (?2, ?1)
-- open: 3 questions.answer (?2, ?1)
SELECT status, question, answer FROM questions WHERE id = ? AND thread_id = ?;

-- name: save_answer
-- seal: ?1 questions.answer (?5, ?4)
UPDATE questions SET status = 'answered', answer = ?, answered_at = ?, waited_us = ?
WHERE id = ? AND thread_id = ? AND status = 'open';

-- name: close_question
UPDATE questions SET status = 'closed' WHERE id = ? AND thread_id = ? AND status = 'open';

-- name: apply_answer
UPDATE questions SET status = 'applied' WHERE id = ? AND thread_id = ? AND status = 'answered';

-- name: load_answers
-- open: 1 questions.question (?1, 4)
-- open: 2 questions.answer (?1, 4)
SELECT question, answer, status, id FROM questions
WHERE thread_id = ? AND answer IS NOT NULL ORDER BY seq;

-- name: list_questions
-- open: 1 questions.question (2, 3)
SELECT questions.question, questions.thread_id, questions.id FROM questions LEFT JOIN runs USING (thread_id)
WHERE questions.status = 'open'
  AND coalesce(runs.status, 'running') NOT IN ('completed', 'degraded', 'failed', 'cancelled')
ORDER BY questions.seq;

-- name: list_thread_questions
-- open: 1 questions.question (2, 3)
SELECT questions.question, questions.thread_id, questions.id FROM questions LEFT JOIN runs USING (thread_id)
WHERE questions.thread_id = ? AND questions.status = 'open'
  AND coalesce(runs.status, 'running') NOT IN ('completed', 'degraded', 'failed', 'cancelled')
ORDER BY questions.seq;
