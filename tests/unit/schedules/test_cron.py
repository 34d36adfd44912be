"""When a schedule is due, also on the two days of the year when clocks jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelmill.cron import Cron
from reelmill.errors import CronError, SpecError, UnknownTimezoneError

BERLIN = ZoneInfo("Europe/Berlin")


def berlin(expression: str, after: str, count: int) -> list[str]:
    """The next ticks as clocks in Berlin show them."""
    moment = datetime.fromisoformat(after).replace(tzinfo=BERLIN)
    ticks = islice(Cron(expression, "Europe/Berlin").after(moment), count)
    return [tick.astimezone(BERLIN).strftime("%d.%m. %H:%M %Z") for tick in ticks]


def test_a_nightly_hour_is_the_clocks_of_its_zone_all_year() -> None:
    assert berlin("0 2 * * *", "2026-01-31 12:00", 1) == ["01.02. 02:00 CET"]
    assert berlin("0 2 * * *", "2026-07-31 12:00", 1) == ["01.08. 02:00 CEST"]
    assert Cron("0 2 * * *").next_after(datetime(2026, 7, 31, 12, tzinfo=UTC)) == datetime(2026, 8, 1, 2, tzinfo=UTC)


def test_a_fixed_time_in_the_skipped_hour_runs_once_right_after_it() -> None:
    assert berlin("30 2 * * *", "2026-03-28 12:00", 2) == ["29.03. 03:00 CEST", "30.03. 02:30 CEST"]


def test_two_fixed_times_that_fall_together_after_the_skipped_hour_are_one() -> None:
    assert berlin("0 2,3 * * *", "2026-03-28 12:00", 3) == [
        "29.03. 03:00 CEST",
        "30.03. 02:00 CEST",
        "30.03. 03:00 CEST",
    ]


def test_a_fixed_time_in_the_doubled_hour_runs_the_first_time_only() -> None:
    assert berlin("30 2 * * *", "2026-10-24 12:00", 2) == ["25.10. 02:30 CEST", "26.10. 02:30 CET"]


def test_asked_in_the_second_pass_of_the_doubled_hour_it_does_not_go_back_to_the_first() -> None:
    second_pass = datetime(2026, 10, 25, 2, 10, fold=1, tzinfo=BERLIN)
    tick = Cron("30 2 * * *", "Europe/Berlin").next_after(second_pass)
    assert tick.astimezone(BERLIN).isoformat() == "2026-10-26T02:30:00+01:00"


def test_an_expression_with_a_star_follows_the_time_that_passes() -> None:
    assert berlin("30 * * * *", "2026-03-29 01:00", 2) == ["29.03. 01:30 CET", "29.03. 03:30 CEST"]
    assert berlin("30 * * * *", "2026-10-25 02:00", 3) == ["25.10. 02:30 CEST", "25.10. 02:30 CET", "25.10. 03:30 CET"]
    assert berlin("*/30 2 * * *", "2026-03-29 00:00", 1) == ["30.03. 02:00 CEST"]


@given(
    st.sampled_from(["30 2 * * *", "0 2,3 * * *", "*/20 2 * * *", "59 1-3 * * 0", "@hourly", "0 0 1 * *"]),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]),
    st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),
)
def test_ticks_rise_and_do_not_depend_on_where_one_starts_to_count(
    expression: str, timezone: str, moment: datetime
) -> None:
    cron = Cron(expression, timezone)
    ticks = list(islice(cron.after(moment), 6))
    assert all(earlier < later for earlier, later in pairwise([moment, *ticks]))
    assert [cron.next_after(tick) for tick in ticks[:-1]] == ticks[1:]


def test_what_is_due_starts_with_the_first_and_is_bounded() -> None:
    cron, first = Cron("@hourly"), datetime(2026, 1, 1, tzinfo=UTC)
    due = cron.due(first, first + timedelta(hours=2, minutes=59), most=100)
    assert due == (first, first + timedelta(hours=1), first + timedelta(hours=2))
    assert cron.due(first, first + timedelta(days=9), most=2) == due[:2]
    assert cron.due(first, first, most=1) == (first,)


def test_it_says_in_words_what_it_means() -> None:
    assert Cron("@daily").description == "At 00:00 every day"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("61 * * * *", "bad minute"),
        ("0 2 * *", "4 fields instead of 5"),
        ("0 0 2 * * *", "6 fields instead of 5"),
        ("@fortnightly", "1 fields instead of 5"),
        ("", "0 fields"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("0 0 */20 * 1L", "no day in the next fifty years"),
        ("* * * * 0/L", "bad day-of-week"),
    ],
)
def test_a_bad_expression_is_a_spec_error_that_says_why(expression: str, reason: str) -> None:
    with pytest.raises(CronError, match=reason) as caught:
        Cron(expression)
    assert isinstance(caught.value, SpecError)
    assert '"0 2 * * *"' in caught.value.next_step


@pytest.mark.parametrize("name", ["Berlin", "../../etc/passwd", "", "CEST+2"])
def test_an_unknown_time_zone_is_a_spec_error(name: str) -> None:
    with pytest.raises(UnknownTimezoneError, match="no such time zone") as caught:
        Cron("@daily", name)
    assert "Europe/Berlin" in caught.value.next_step


def test_a_zone_in_the_wrong_case_is_named_rightly() -> None:
    with pytest.raises(UnknownTimezoneError, match="Did you mean 'Europe/Berlin'"):
        Cron("@daily", "europe/berlin")
