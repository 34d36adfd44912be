-- Latest captions: what was said last of the objects below a prefix. Change the prefix; every bucket begins with s3://.
SELECT uri, kind, start_s, end_s, caption, finished_at
FROM reelmill.latest_captions
WHERE uri LIKE 's3://archive/camera-0042/%'
LIMIT 100;
