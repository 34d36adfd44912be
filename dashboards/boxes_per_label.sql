-- Boxes per label over time: the last week by day of submission. Time series: day; one line per label.
SELECT date_trunc('day', reelmill.time_of(job_id)) AS day, label, count(*) AS boxes
FROM reelmill.media_boxes
WHERE job_id >= reelmill.id_at(now() - interval '7 days')
GROUP BY day, label
ORDER BY day, boxes DESC;
