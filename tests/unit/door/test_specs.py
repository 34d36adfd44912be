"""From what users write to specs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reelmill.errors import SpecError, UnknownSchemeError
from reelmill.schema import Ask, Caption, Generation, Ground, JobSpec, Sampling
from reelmill.specs import checked_specs, job_spec

MEDIA = "s3://archive/a"


def test_what_is_not_given_takes_the_defaults() -> None:
    spec = job_spec({"media": MEDIA, "tasks": [Caption()], "sampling": None, "labels": None})
    assert spec == JobSpec(media=(MEDIA,), tasks=(Caption(),))


def test_plain_values_make_the_same_spec_as_objects() -> None:
    plain = job_spec(
        {
            "media": Path("/srv/a.png"),
            "tasks": [{"kind": "caption"}, {"kind": "ask", "questions": [" What? "]}],
            "sampling": {"num_segments": 3},
        }
    )
    assert plain == JobSpec(
        media=("file:///srv/a.png",), tasks=(Caption(), Ask("What?")), sampling=Sampling(num_segments=3)
    )


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({}, "tasks"),
        ({"tasks": [{"kind": "ask", "questions": ["a", ""]}]}, "tasks[0].questions[1]"),
        ({"tasks": [Caption(), {"kind": "ground", "phrases": []}]}, "tasks[1].phrases"),
        ({"tasks": [{"kind": "ask", "questions": ["a"], "ask": 1}]}, "tasks[0].ask"),
        ({"tasks": [Caption()], "sampling": {"bound": [5, 1]}}, "sampling"),
        ({"tasks": [Caption()], "prio": 1}, "prio"),
        ({"tasks": [Caption()], "labels": {"a": 1}}, "labels.a"),
    ],
)
def test_the_error_names_the_field_as_the_user_wrote_it(fields: dict[str, object], subject: str) -> None:
    with pytest.raises(SpecError) as caught:
        job_spec({"media": MEDIA, **fields})
    assert caught.value.subject == subject
    assert caught.value.message


def test_stops_keep_their_white_space_and_jobs_without_any_are_written_as_before() -> None:
    assert Generation(stop="\n\n").stop == Generation(stop=["\n\n"]).stop == ("\n\n",)
    asked, plain = Generation(stop=(" a ",)), Generation()
    assert Generation.model_validate_json(asked.model_dump_json()) == asked
    assert "stop" not in plain.model_dump_json()
    assert Generation.model_validate_json(plain.model_dump_json()) == plain


@pytest.mark.parametrize(
    ("build", "subject"),
    [
        (lambda: Ask(""), "questions[0]"),
        (Ground, "phrases"),
        (lambda: Caption(prompt=" "), "prompt"),
        (lambda: Sampling(num_segments=0), "num_segments"),
        (lambda: Generation(temprature=1), "temprature"),
        (lambda: Generation(stop=("a", "")), "stop[1]"),
        (lambda: Generation(stop=("a\0",)), "stop[0]"),
        (lambda: Generation(stop=tuple("abcde")), "stop"),
        (lambda: Generation(stop=("a" * 257,)), "stop[0]"),
        (lambda: JobSpec(media=(MEDIA,), tasks=()), "tasks"),
    ],
)
def test_a_value_that_cannot_be_right_is_refused_when_it_is_written(build: Callable[[], object], subject: str) -> None:
    with pytest.raises(SpecError) as caught:
        build()
    assert caught.value.subject == subject


def test_the_error_of_one_among_many_says_which_and_keeps_its_type() -> None:
    good = JobSpec(media=(MEDIA,), tasks=(Caption(),))
    with pytest.raises(UnknownSchemeError, match=r"job 1, ftp://x.*s3://bucket/key"):
        list(checked_specs([good, JobSpec(media=("ftp://x",), tasks=(Caption(),))]))
    with pytest.raises(SpecError, match=r"job 2, tasks: "):
        list(checked_specs([good, good, {"media": MEDIA, "tasks": []}]))


def test_specs_are_taken_one_by_one() -> None:
    taken = []

    def produce() -> object:
        for number in range(3):
            taken.append(number)
            yield {"media": f"s3://a/{number}", "tasks": [Caption()]}

    specs = checked_specs(produce())  # type: ignore[arg-type]
    next(specs)
    assert taken == [0]
