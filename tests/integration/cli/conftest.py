from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reelmill.embedded import ServiceUrls
from reelmill.ledger.claim import claim
from reelmill.ledger.database import Database
from reelmill.ledger.finish import fail, succeed
from reelmill.ledger.lease import Lease
from reelmill.schema import (
    Box,
    CaptionResult,
    FrameRef,
    Generated,
    GroundingResult,
    JobResult,
    MediaFacts,
    ReelmillError,
    SegmentResult,
)

FRAME = FrameRef(media_ordinal=0, frame_index=0, timestamp_s=None, tile_count=1)


@pytest.fixture
def database(mill: ServiceUrls) -> Iterator[Database]:
    opened = Database(mill.database_url)
    yield opened
    opened.close()


@pytest.fixture
def work_next(database: Database) -> Callable[..., None]:
    """Plays the worker for the next queued job: it fails with `error`, or succeeds with `caption` and one box."""

    def work(*, error: ReelmillError | None = None, caption: str = "a cat") -> None:
        job = claim(database, "tester", "default", lease_s=60, in_flight=0)
        assert job is not None
        lease = Lease(job.job_id, job.lease_token, job.attempt)
        assert fail(database, lease, error) if error else succeed(database, lease, _result(caption))

    return work


def _result(caption: str) -> JobResult:
    said = Generated(caption, caption, "stop", 10, 2)
    box = Box("cat", 100, 200, 300, 400, 64, 72, 192, 144)
    return JobResult(
        media=(MediaFacts(0, "image", "png", 640, 360, 1234, "0" * 64),),
        segments=(SegmentResult(0, None, None, (FRAME,)),),
        captions=(CaptionResult(0, 0, said),),
        groundings=(GroundingResult(0, 1, 0, "the cat", FRAME, "found", said, (box,)),),
    )
