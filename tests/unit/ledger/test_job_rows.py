"""Specs as rows."""

from __future__ import annotations

import json

from reelmill.ledger import job_rows
from reelmill.ledger.job_rows import JobRows
from reelmill.schema import Ask, Caption, JobSpec, Sampling


def test_settings_that_jobs_share_are_dumped_once() -> None:
    tasks, sampling = (Caption(), Ask("What?")), Sampling(num_segments=2)
    rows = list(JobRows(JobSpec(media=(f"s3://a/{n}",), tasks=tasks, sampling=sampling) for n in range(3)))
    assert rows[0].tasks is rows[1].tasks is rows[2].tasks
    assert json.loads(rows[0].tasks)[1] == {"kind": "ask", "questions": ["What?"], "conversation": False}
    assert json.loads(rows[0].sampling)["num_segments"] == 2


def test_settings_whose_objects_died_are_not_mistaken_for_new_ones() -> None:
    count = 3 * job_rows._CACHED_SETTINGS
    specs = (JobSpec(media=("s3://a/b",), tasks=(Ask(f"What is {n}?"),)) for n in range(count))
    asked = [json.loads(row.tasks)[0]["questions"] for row in JobRows(specs)]
    assert asked == [[f"What is {n}?"] for n in range(count)]


def test_the_same_tasks_with_other_sampling_are_other_settings() -> None:
    tasks = (Caption(),)
    specs = [JobSpec(media=("s3://a/b",), tasks=tasks, sampling=Sampling(num_segments=n)) for n in (1, 2)]
    assert [json.loads(row.sampling)["num_segments"] for row in JobRows(specs)] == [1, 2]


def test_rows_are_counted_and_models_remembered() -> None:
    rows = JobRows([JobSpec(media=("s3://a/b",), tasks=(Caption(),), model=model) for model in ("x", "y", "x")])
    assert len(list(rows)) == rows.count == 3
    assert rows.models == {"x", "y"}
