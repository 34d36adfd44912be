"""How an attempt ends: succeeded, failed or retried, released, cancelled. Every report is fenced by the lease."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, text

from reelmill.ledger.database import Database
from reelmill.ledger.lease import Lease
from reelmill.ledger.result_rows import documents, totals
from reelmill.ledger.text import clean
from reelmill.schema import JobResult, JobState, ReelmillError

BACKOFF_BASE_S = 2.0
BACKOFF_CAP_S = 300.0
MAX_MESSAGE_CHARACTERS = 8_000
Outcome = Literal["failed", "retried", "released", "cancelled"]

_FENCE = "id = :job_id AND lease_token = :lease_token AND state = 'running'"

_DELETE_EARLIER = text(
    f"""
    WITH fenced AS (SELECT id FROM jobs WHERE {_FENCE} FOR NO KEY UPDATE),
    gone_segments AS (DELETE FROM segments USING fenced WHERE job_id = fenced.id),
    gone_captions AS (DELETE FROM captions USING fenced WHERE job_id = fenced.id),
    gone_summaries AS (DELETE FROM summaries USING fenced WHERE job_id = fenced.id),
    gone_answers AS (DELETE FROM answers USING fenced WHERE job_id = fenced.id)
    DELETE FROM groundings USING fenced WHERE job_id = fenced.id
    """  # noqa: S608 - constant text; boxes go with their groundings
)

# One statement: the fence comes first, and where it finds no row nothing else is written. The job's own row comes
# last, because it says how long the others took: the counts make it wait for them.
_SUCCEED = text(
    f"""
    WITH fenced AS (
        SELECT id, attempt FROM jobs WHERE {_FENCE} FOR NO KEY UPDATE
    ), read_media AS (
        UPDATE media
        SET kind = seen.kind, format = seen.format, codec = seen.codec, width = seen.width, height = seen.height,
            size_bytes = seen.size_bytes, sha256 = seen.sha256, frame_count = seen.frame_count,
            duration_s = seen.duration_s, fps = seen.fps, decode_errors = seen.decode_errors
        FROM fenced, json_populate_recordset(NULL::media, CAST(:media AS json)) AS seen
        WHERE media.job_id = fenced.id AND media.ordinal = seen.ordinal
        RETURNING 1
    ), new_segments AS (
        INSERT INTO segments (job_id, ordinal, start_s, end_s, frame_media, frame_indices, frame_timestamps_s,
                              tile_counts)
        SELECT fenced.id, ordinal, start_s, end_s, frame_media, frame_indices, frame_timestamps_s, tile_counts
        FROM fenced, json_populate_recordset(NULL::segments, CAST(:segments AS json))
        RETURNING 1
    ), new_captions AS (
        INSERT INTO captions (job_id, segment, task, text, raw_text, finish_reason, prompt_tokens, output_tokens)
        SELECT fenced.id, segment, task, text, raw_text, finish_reason, prompt_tokens, output_tokens
        FROM fenced, json_populate_recordset(NULL::captions, CAST(:captions AS json))
        RETURNING 1
    ), new_summaries AS (
        INSERT INTO summaries (job_id, task, captions, requests, text, raw_text, finish_reason, prompt_tokens,
                               output_tokens)
        SELECT fenced.id, task, captions, requests, text, raw_text, finish_reason, prompt_tokens, output_tokens
        FROM fenced, json_populate_recordset(NULL::summaries, CAST(:summaries AS json))
        RETURNING 1
    ), new_answers AS (
        INSERT INTO answers (job_id, segment, task, ordinal, question, text, raw_text, finish_reason, prompt_tokens,
                             output_tokens, value, probabilities, problem)
        SELECT fenced.id, segment, task, ordinal, question, text, raw_text, finish_reason, prompt_tokens,
               output_tokens, value, probabilities, problem
        FROM fenced, json_populate_recordset(NULL::answers, CAST(:answers AS json))
        RETURNING 1
    ), new_groundings AS (
        INSERT INTO groundings (job_id, segment, task, ordinal, phrase, media_ordinal, frame_index, timestamp_s,
                                tile_count, status, problem, text, raw_text, finish_reason, prompt_tokens,
                                output_tokens)
        SELECT fenced.id, segment, task, ordinal, phrase, media_ordinal, frame_index, timestamp_s,
               tile_count, status, problem, text, raw_text, finish_reason, prompt_tokens, output_tokens
        FROM fenced, json_populate_recordset(NULL::groundings, CAST(:groundings AS json))
        RETURNING 1
    ), new_boxes AS (
        INSERT INTO boxes (job_id, segment, task, grounding, ordinal, phrase, label, media_ordinal, frame_index,
                           timestamp_s, x1, y1, x2, y2, x1_px, y1_px, x2_px, y2_px)
        SELECT fenced.id, segment, task, grounding, ordinal, phrase, label, media_ordinal, frame_index,
               timestamp_s, x1, y1, x2, y2, x1_px, y1_px, x2_px, y2_px
        FROM fenced, json_populate_recordset(NULL::boxes, CAST(:boxes AS json))
        RETURNING 1
    ), no_longer_kept AS (
        DELETE FROM kept_windows USING fenced WHERE job_id = fenced.id
    ), written AS MATERIALIZED (
        SELECT (SELECT count(*) FROM read_media) + (SELECT count(*) FROM new_segments)
             + (SELECT count(*) FROM new_captions) + (SELECT count(*) FROM new_summaries)
             + (SELECT count(*) FROM new_answers)
             + (SELECT count(*) FROM new_groundings) + (SELECT count(*) FROM new_boxes) AS rows,
             clock_timestamp() AS at
    ), ended AS (
        UPDATE jobs
        SET state = 'succeeded', lease_token = NULL, lease_expires_at = NULL, finished_at = written.at,
            cancel_requested_at = NULL, fetch_s = :fetch_s, decode_s = :decode_s, wait_s = :wait_s,
            vision_s = :vision_s, prefill_s = :prefill_s, generate_s = :generate_s,
            write_s = extract(epoch FROM written.at - now()),
            tiles = :tiles, prompt_tokens = :prompt_tokens, output_tokens = :output_tokens
        FROM fenced, written
        WHERE jobs.id = fenced.id
        RETURNING jobs.id, jobs.attempt, jobs.finished_at
    ), noted AS (
        UPDATE attempts SET outcome = 'succeeded', finished_at = ended.finished_at
        FROM ended WHERE job_id = ended.id AND attempts.attempt = ended.attempt
    )
    SELECT id FROM ended
    """  # noqa: S608 - constant text
)

_END = text(
    f"""
    WITH ended AS (
        UPDATE jobs
        SET state = :state, lease_token = NULL, lease_expires_at = NULL,
            transient_failures = transient_failures + :failures,
            run_at = CASE WHEN :delay_s > 0 THEN now() + make_interval(secs => :delay_s) ELSE run_at END,
            queued_at = CASE WHEN :state = 'queued' THEN now() ELSE queued_at END,
            finished_at = CASE WHEN :state = 'queued' THEN NULL ELSE now() END,
            error_code = CASE WHEN :state = 'failed' THEN :error_code END,
            error_message = CASE WHEN :state = 'failed' THEN :error_message END,
            error_next_step = CASE WHEN :state = 'failed' THEN :error_next_step END
        WHERE {_FENCE}
        RETURNING id, attempt
    ), no_longer_kept AS (
        DELETE FROM kept_windows USING ended WHERE job_id = ended.id AND :state <> 'queued'
    ), noted AS (
        UPDATE attempts
        SET outcome = :outcome, finished_at = now(), error_code = :error_code, error_message = :error_message
        FROM ended WHERE job_id = ended.id AND attempts.attempt = ended.attempt
    )
    SELECT count(*) FROM ended
    """  # noqa: S608 - constant text
)

_LOOK = text(
    f"""
    SELECT transient_failures, max_attempts, cancel_requested_at IS NOT NULL AS cancel_requested
    FROM jobs WHERE {_FENCE} FOR NO KEY UPDATE
    """  # noqa: S608 - constant text
)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What becomes of the job and of the attempt. `delay_s` 0 keeps the job's place in the line."""

    state: JobState
    outcome: Outcome
    error: ReelmillError | None = None
    passing: bool = False
    delay_s: float = 0.0


def succeed(db: Database, lease: Lease, result: JobResult) -> bool:
    """Write everything that the attempt found, and end the job; rows of an earlier attempt are replaced.

    One transaction; finishing wins over a cancellation asked for meanwhile. False: the job is no longer ours, and
    nothing was written.
    """
    values = {**_fence_values(lease), **documents(result), **totals(result)}
    if lease.attempt == 1:
        return db.first(_SUCCEED, values) is not None
    with db.transaction() as connection:
        connection.execute(_DELETE_EARLIER, _fence_values(lease))
        return connection.execute(_SUCCEED, values).first() is not None


def fail(db: Database, lease: Lease, error: ReelmillError) -> JobState | None:
    """End the attempt with an error: a permanent one fails the job, a passing one queues it again with backoff.

    A passing error fails the job too once it has happened `max_attempts` times, and cancels it where that was asked
    for. Returns the job's new state; None: the job is no longer ours, and nothing was written.
    """
    with db.transaction() as connection:
        job = connection.execute(_LOOK, _fence_values(lease)).one_or_none()
        if job is None:
            return None
        failures = job.transient_failures + int(error.transient)
        if not error.transient or failures >= job.max_attempts:
            ending = _Ending(JobState.FAILED, "failed", error, passing=error.transient)
        elif job.cancel_requested:
            ending = _Ending(JobState.CANCELLED, "cancelled", error, passing=True)
        else:
            delay_s = backoff_s(failures, random.random())
            ending = _Ending(JobState.QUEUED, "retried", error, passing=True, delay_s=delay_s)
        _end(connection, lease, ending)
        return ending.state


def release(db: Database, lease: Lease) -> bool:
    """Give the job back unharmed (SIGTERM): queued at its old place, counted as neither failure nor crash.

    Where its cancellation was asked for it is cancelled instead. False: the job was no longer ours.
    """
    with db.transaction() as connection:
        job = connection.execute(_LOOK, _fence_values(lease)).one_or_none()
        if job is None:
            return False
        cancelled = _Ending(JobState.CANCELLED, "cancelled")
        return _end(connection, lease, cancelled if job.cancel_requested else _Ending(JobState.QUEUED, "released"))


def acknowledge_cancel(db: Database, lease: Lease) -> bool:
    """The worker has stopped a job whose cancellation was asked for. False: the job was no longer ours."""
    with db.statement() as connection:
        return _end(connection, lease, _Ending(JobState.CANCELLED, "cancelled"))


def backoff_s(failures: int, spread: float = 0.5) -> float:
    """Seconds to wait after the n-th passing failure: 2 s, doubling up to 5 min, times 0.5 to 1.5.

    Args:
        failures: how many there were, 1 or more.
        spread: in [0, 1); random in use, so that jobs that failed together do not come back together.
    """
    return min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(failures - 1, 30)) * (0.5 + spread)


def _end(connection: Connection, lease: Lease, ending: _Ending) -> bool:
    error = ending.error
    values = {
        **_fence_values(lease),
        "state": ending.state.value,
        "outcome": ending.outcome,
        "failures": int(ending.passing),
        "delay_s": ending.delay_s,
        "error_code": error and error.code,
        "error_message": error and _message(error),
        "error_next_step": error and clean(error.next_step),
    }
    return bool(connection.scalar(_END, values))


def _message(error: ReelmillError) -> str:
    text_of_it = f"{error.subject}: {error.message}" if error.subject else error.message
    return clean(text_of_it[:MAX_MESSAGE_CHARACTERS])


def _fence_values(lease: Lease) -> dict[str, Any]:
    return {"job_id": lease.job_id, "lease_token": lease.lease_token}
