"""An answer ends before the first text that stops it, and no part of that text is ever certain."""

import pytest

from pipelines.model.stops import Stops


@pytest.mark.parametrize(
    ("texts", "said", "before", "certain"),
    [
        ((), "a b", "a b", "a b"),
        (("\n\n",), "a\nb", "a\nb", "a\nb"),
        (("\n\n",), "a\n", "a\n", "a"),
        (("\n\n",), "a\n\nb", "a", "a"),
        (("User:", "\n"), "one User", "one User", "one "),
        (("User:", "\n"), "one\nUser:", "one", "one"),
        (("aab",), "caa", "caa", "c"),
        (("aab",), "caaa", "caaa", "ca"),
        (("b", "abc"), "xab", "xa", "x"),
        (("stop",), "stop", "", ""),
    ],
)
def test_what_stands_before_a_stop_and_what_is_certain(
    texts: tuple[str, ...], said: str, before: str, certain: str
) -> None:
    assert Stops(texts).before(said) == before
    assert Stops(texts).certain(said) == certain


@pytest.mark.parametrize("texts", [("b\n", "ab"), ("aaa",), ("\n\nab", "ba")])
def test_what_is_certain_is_never_taken_back(texts: tuple[str, ...]) -> None:
    stops = Stops(texts)
    for said in ("aab\nab", "aaaa", "ab\n\nab", "bb\n\nba", "aabb\n"):
        shown = [stops.certain(said[:end]) for end in range(len(said) + 1)]
        # Generation ends with the first character that completes a stop.
        ended = next((end for end in range(len(said) + 1) if stops.before(said[:end]) != said[:end]), len(said))
        whole = stops.before(said[:ended])
        assert all(whole.startswith(part) for part in shown[: ended + 1]), (said, shown)
