-- What starved the GPU: the latest batch, where the time of its workers went. Reads every job of the batch.
SELECT coalesce(name, batch_id::text) AS batch, held_s, gpu_busy_s, starved_by_decode_s, starved_by_fetch_s,
    starved_otherwise_s, gpu_busy_s / nullif(held_s, 0) AS share_busy
FROM reelmill.batch_stages
ORDER BY created_at DESC
LIMIT 1;
