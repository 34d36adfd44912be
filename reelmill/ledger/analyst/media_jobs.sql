CREATE OR REPLACE VIEW reelmill.media_jobs AS
SELECT
    m.uri,
    j.state,
    j.error_code,
    j.error_message,
    j.error_next_step AS next_step,
    j.attempt AS attempts,
    m.kind,
    m.format,
    m.codec,
    m.width,
    m.height,
    m.duration_s,
    m.fps,
    m.frame_count,
    m.decode_errors,
    m.size_bytes,
    m.sha256,
    m.etag,
    m.version_id,
    m.ordinal AS media_number,
    j.created_at AS submitted_at,
    j.started_at,
    j.finished_at,
    j.model,
    j.labels,
    j.batch_id,
    b.name AS batch_name,
    m.job_id
FROM public.media AS m
JOIN public.jobs AS j ON j.id = m.job_id
LEFT JOIN public.batches AS b ON b.id = j.batch_id;

COMMENT ON VIEW reelmill.media_jobs IS
    'Every object of every job: how far it is, why it failed, and what was read.';
COMMENT ON COLUMN reelmill.media_jobs.uri IS
    'The object, as it was submitted.';
COMMENT ON COLUMN reelmill.media_jobs.state IS
    'queued, running, succeeded, failed or cancelled.';
COMMENT ON COLUMN reelmill.media_jobs.error_code IS
    'Why the job failed: the kind of error, a stable word.';
COMMENT ON COLUMN reelmill.media_jobs.error_message IS
    'Why the job failed: what happened.';
COMMENT ON COLUMN reelmill.media_jobs.next_step IS
    'What to do about it.';
COMMENT ON COLUMN reelmill.media_jobs.attempts IS
    'How often a worker took the job.';
COMMENT ON COLUMN reelmill.media_jobs.kind IS
    'image or video; empty until a worker has read it.';
COMMENT ON COLUMN reelmill.media_jobs.format IS
    'The container or picture format that was found in the file.';
COMMENT ON COLUMN reelmill.media_jobs.codec IS
    'The codec of a video.';
COMMENT ON COLUMN reelmill.media_jobs.width IS
    'Width of the upright source in pixels.';
COMMENT ON COLUMN reelmill.media_jobs.height IS
    'Height of the upright source in pixels.';
COMMENT ON COLUMN reelmill.media_jobs.duration_s IS
    'Length of a video in seconds.';
COMMENT ON COLUMN reelmill.media_jobs.fps IS
    'Frames per second of a video.';
COMMENT ON COLUMN reelmill.media_jobs.frame_count IS
    'Frames of a video; 1 for images.';
COMMENT ON COLUMN reelmill.media_jobs.decode_errors IS
    'Damaged parts that were met and gone on from: with more than 0, what was seen may not be what was filmed.';
COMMENT ON COLUMN reelmill.media_jobs.size_bytes IS
    'Size of the object in bytes.';
COMMENT ON COLUMN reelmill.media_jobs.sha256 IS
    'Hash of the bytes that were read.';
COMMENT ON COLUMN reelmill.media_jobs.etag IS
    'The version that was read, as S3 names its content.';
COMMENT ON COLUMN reelmill.media_jobs.version_id IS
    'The version that was read, in a bucket with versions.';
COMMENT ON COLUMN reelmill.media_jobs.media_number IS
    'The place of the object in its job, from 0.';
COMMENT ON COLUMN reelmill.media_jobs.submitted_at IS
    'When the job was accepted.';
COMMENT ON COLUMN reelmill.media_jobs.started_at IS
    'When a worker took it last.';
COMMENT ON COLUMN reelmill.media_jobs.finished_at IS
    'When it reached its end.';
COMMENT ON COLUMN reelmill.media_jobs.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.media_jobs.labels IS
    'The job''s labels.';
COMMENT ON COLUMN reelmill.media_jobs.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.media_jobs.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.media_jobs.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
