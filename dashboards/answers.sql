-- Answers: how often each answer was given to a question on the last day. Change the question.
SELECT answer, count(*) AS times
FROM reelmill.media_answers
WHERE question = 'How many people are there?'
    AND job_id >= reelmill.id_at(now() - interval '1 day')
GROUP BY answer
ORDER BY times DESC
LIMIT 50;
