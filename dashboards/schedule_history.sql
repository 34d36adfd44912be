-- Schedules: what became of the last fifty times that one was due.
SELECT schedule, tick_at, state, reason, listed, accepted, skipped, succeeded, failed, ended_at
FROM reelmill.schedule_history
ORDER BY tick_at DESC
LIMIT 50;
