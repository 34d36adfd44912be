-- Latest boxes: the hundred found last, in pixels of the upright source, with frame and time.
SELECT uri, label, frame_index, timestamp_s, x1_px, y1_px, x2_px, y2_px, width, height
FROM reelmill.media_boxes
ORDER BY job_id DESC
LIMIT 100;
