"""Which frames of a media were looked at."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from reelmill.job_results import StoredMedia
from reelmill.ledger.database import Database
from reelmill.ledger.results import stored_media


@dataclass(frozen=True, slots=True)
class SampledMedia:
    """A media, and the frames of it that one segment of a job was answered from: ascending, each once."""

    media: StoredMedia
    indices: tuple[int, ...]


def sampled_media(db: Database, job_id: UUID, segment: int, ordinal: int) -> SampledMedia | None:
    """None where that job, segment or media is not there (any more)."""
    statement = text(
        """
        SELECT row_to_json(media) AS media,
               ARRAY(SELECT DISTINCT frame_index FROM unnest(frame_media, frame_indices) AS seen(of_media, frame_index)
                     WHERE of_media = :ordinal ORDER BY frame_index) AS indices
        FROM segments JOIN media USING (job_id)
        WHERE job_id = :job_id AND segments.ordinal = :segment AND media.ordinal = :ordinal
        """
    )
    with db.statement() as connection:
        row = connection.execute(statement, {"job_id": job_id, "segment": segment, "ordinal": ordinal}).one_or_none()
    return SampledMedia(stored_media(row.media), tuple(row.indices)) if row else None
