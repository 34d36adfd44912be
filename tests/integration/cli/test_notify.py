"""`reelmill notify`."""

from __future__ import annotations

import pytest

from reelmill import Caption, Client
from tests.integration.cli.commands import reelmill

pytestmark = pytest.mark.usefixtures("mill")
URL = "https://example.org/hooks/1"


def test_a_batch_gets_a_webhook_and_tells_of_it() -> None:
    batch = Client().submit_many([{"media": "s3://b/a", "tasks": [Caption()]}])
    asked = reelmill("notify", batch.id, URL, "--json").json
    assert (asked["batch"], asked["url"]) == (str(batch.id), URL)
    (told,) = reelmill("notify", "latest", "--json").lines
    assert (told["id"], told["state"], told["tries"]) == (asked["notification"], "waiting", 0)
    assert reelmill("notify", "latest").out == f"waiting  {URL}\n"


def test_a_job_and_a_bad_url_are_refused() -> None:
    job = Client().submit("s3://b/a", tasks=[Caption()])
    assert reelmill("notify", job.id, URL, "--json").code == 2
    Client().submit_many([])
    ran = reelmill("notify", "latest", "example.org", "--json")
    assert (ran.code, ran.error["code"]) == (2, "spec_invalid")
