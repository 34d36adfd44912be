CREATE OR REPLACE VIEW reelmill.media_boxes AS
SELECT
    m.uri,
    m.kind,
    x.label,
    x.phrase,
    x.frame_index,
    x.timestamp_s,
    x.x1_px,
    x.y1_px,
    x.x2_px,
    x.y2_px,
    m.width,
    m.height,
    x.x1,
    x.y1,
    x.x2,
    x.y2,
    x.segment,
    x.task,
    x.grounding AS phrase_number,
    x.ordinal AS box_number,
    j.finished_at,
    j.model,
    j.labels,
    j.batch_id,
    b.name AS batch_name,
    x.job_id
FROM public.boxes AS x
-- Left joins: what a query does not ask for is not read.
LEFT JOIN public.media AS m ON m.job_id = x.job_id AND m.ordinal = x.media_ordinal
LEFT JOIN public.jobs AS j ON j.id = x.job_id
LEFT JOIN public.batches AS b ON b.id = j.batch_id;

COMMENT ON VIEW reelmill.media_boxes IS
    'Every box that was found: where, in pixels of the upright source, and when.';
COMMENT ON COLUMN reelmill.media_boxes.uri IS
    'The object, as it was submitted.';
COMMENT ON COLUMN reelmill.media_boxes.kind IS
    'image or video; empty until a worker has read it.';
COMMENT ON COLUMN reelmill.media_boxes.label IS
    'What is in the box, as the model said it.';
COMMENT ON COLUMN reelmill.media_boxes.phrase IS
    'What was looked for.';
COMMENT ON COLUMN reelmill.media_boxes.frame_index IS
    'The frame, counted from 0; 0 for images.';
COMMENT ON COLUMN reelmill.media_boxes.timestamp_s IS
    'The time of the frame, seconds into the video; empty for images.';
COMMENT ON COLUMN reelmill.media_boxes.x1_px IS
    'Left edge, pixels of the upright source.';
COMMENT ON COLUMN reelmill.media_boxes.y1_px IS
    'Top edge, pixels of the upright source.';
COMMENT ON COLUMN reelmill.media_boxes.x2_px IS
    'Right edge, pixels of the upright source.';
COMMENT ON COLUMN reelmill.media_boxes.y2_px IS
    'Bottom edge, pixels of the upright source.';
COMMENT ON COLUMN reelmill.media_boxes.width IS
    'Width of the upright source in pixels.';
COMMENT ON COLUMN reelmill.media_boxes.height IS
    'Height of the upright source in pixels.';
COMMENT ON COLUMN reelmill.media_boxes.x1 IS
    'Left edge in thousandths of the width, as the model said it.';
COMMENT ON COLUMN reelmill.media_boxes.y1 IS
    'Top edge in thousandths of the height, as the model said it.';
COMMENT ON COLUMN reelmill.media_boxes.x2 IS
    'Right edge in thousandths of the width, as the model said it.';
COMMENT ON COLUMN reelmill.media_boxes.y2 IS
    'Bottom edge in thousandths of the height, as the model said it.';
COMMENT ON COLUMN reelmill.media_boxes.segment IS
    'The stretch that was answered as one, from 0; an image has one.';
COMMENT ON COLUMN reelmill.media_boxes.task IS
    'The place in the job''s tasks, from 0.';
COMMENT ON COLUMN reelmill.media_boxes.phrase_number IS
    'The place of the phrase in its task, counted over frames, from 0.';
COMMENT ON COLUMN reelmill.media_boxes.box_number IS
    'The place of the box among those of its phrase and frame, from 0.';
COMMENT ON COLUMN reelmill.media_boxes.finished_at IS
    'When it was found out.';
COMMENT ON COLUMN reelmill.media_boxes.model IS
    'The name that the model was served under.';
COMMENT ON COLUMN reelmill.media_boxes.labels IS
    'The job''s labels.';
COMMENT ON COLUMN reelmill.media_boxes.batch_id IS
    'The batch of the job; empty for a job that was submitted alone.';
COMMENT ON COLUMN reelmill.media_boxes.batch_name IS
    'The name of the batch, where it has one.';
COMMENT ON COLUMN reelmill.media_boxes.job_id IS
    'The job. Ids rise with the time of submission: job_id >= reelmill.id_at(now() - interval ''7 days'') is the quick way to the last week.';
