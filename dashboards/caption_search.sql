-- Caption search: the last week's captions with these words. Change the words: "a phrase", a or b, -not; the time too.
SELECT uri, start_s, end_s, caption, ts_rank_cd(words, reelmill.search('red panda')) AS rank, finished_at
FROM reelmill.media_captions
WHERE words @@ reelmill.search('red panda')
    AND job_id >= reelmill.id_at(now() - interval '7 days')
ORDER BY job_id DESC
LIMIT 100;
