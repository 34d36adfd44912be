"""Values made fit for Postgres."""

from __future__ import annotations

import pytest

from reelmill.ledger.text import clean, clean_or_none, finite, to_json


@pytest.mark.parametrize(
    ("given", "stored"),
    [("", ""), ("plain", "plain"), ("a\0b\0", "ab"), ("ü 熊 🐻", "ü 熊 🐻"), ("\ud800x", "?x"), ("é\0\udcff", "é?")],
)
def test_only_what_postgres_refuses_is_changed(given: str, stored: str) -> None:
    assert clean(given) == stored
    assert clean_or_none(given) == stored


def test_nothing_stays_nothing() -> None:
    assert clean_or_none(None) is None
    assert finite(None) is None


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan")])
def test_numbers_that_are_none_become_null(number: float) -> None:
    assert finite(number) is None


def test_finite_numbers_stay() -> None:
    assert [finite(number) for number in (0.0, -1.5)] == [0.0, -1.5]


def test_json_is_compact_utf8_and_refuses_nan() -> None:
    assert to_json({"k": ["ü", None, 1.5]}) == '{"k":["ü",null,1.5]}'
    with pytest.raises(ValueError, match="JSON"):
        to_json(float("nan"))
