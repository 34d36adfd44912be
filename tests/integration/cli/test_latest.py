"""`submit` gives scripts the id alone; people may say `latest`."""

from __future__ import annotations

from uuid import UUID

from reelmill.embedded import ServiceUrls
from tests.integration.cli.commands import reelmill


def test_submit_prints_the_id_alone_and_latest_means_that_batch(mill: ServiceUrls) -> None:
    assert reelmill("status", "latest").code != 0
    reelmill("submit", "s3://b/1", "s3://b/2", "--caption")
    submitted = reelmill("submit", "s3://b/1", "s3://b/2", "s3://b/3", "--caption")
    assert UUID(submitted.out.strip())
    assert "reelmill wait latest" in submitted.err
    assert submitted.out.strip() in reelmill("status", "latest").out
    assert reelmill("cancel", "latest").code == 0
    assert '"cancelled": 3' in reelmill("status", "latest", "--json").out


def test_one_file_is_a_job_and_is_followed_by_its_id(mill: ServiceUrls) -> None:
    submitted = reelmill("submit", "s3://b/1", "--caption")
    assert f"reelmill wait {submitted.out.strip()}" in submitted.err
