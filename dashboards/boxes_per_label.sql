-- Boxes per label over time: the last week by day of submission. Time series: day; one line per label.
-- A range of ids per day: telling the day of every box, one by one, would take ten times as long.
SELECT day, label, boxes
FROM generate_series(date_trunc('day', now()) - interval '6 days', now(), interval '1 day') AS days(day)
CROSS JOIN LATERAL (
    SELECT label, count(*) AS boxes
    FROM reelmill.media_boxes
    WHERE job_id >= reelmill.id_at(day) AND job_id < reelmill.id_at(day + interval '1 day')
    GROUP BY label
) AS counted
ORDER BY day, boxes DESC;
