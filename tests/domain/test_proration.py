"""Proration: exact fractions of seconds, rounded once."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX
from app.domain.period import Period
from app.domain.proration import days_of, prorate, prorate_exact

UTC_ZONE = ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")
START = datetime(2026, 5, 13, tzinfo=UTC)
WHOLE = Period(START, START + timedelta(days=31))


def span(start: str, end: str, zone: ZoneInfo = UTC_ZONE) -> Period:
    """A period between two local times of a zone."""
    local = (datetime.fromisoformat(text).replace(tzinfo=zone) for text in (start, end))
    return Period(*(instant.astimezone(UTC) for instant in local))


@pytest.mark.parametrize(
    ("fee", "days", "prorated"),
    [
        (  2900,  7,    655),
        (  9900,  7,   2235),
        ( 29000,  7,   6548),
        (290000,  7,  65484),
        (478800,  7, 108116),
        ( -2900,  7,   -655),
        (  2900,  0,      0),
        (  2900, 31,   2900),
        (    31,  1,      1),
        (MINOR_MAX, 31, MINOR_MAX),
    ],
)  # fmt: skip
def test_prorates_by_the_exact_fraction(fee: int, days: int, prorated: int) -> None:
    """The golden values: fee x 7/31, rounded once, halves away from zero (M5, M6, M7, E11)."""
    used = Period(START, START + timedelta(days=days))
    assert prorate(fee, used, WHOLE) == prorated
    assert prorate_exact(fee, used, WHOLE) == Fraction(fee * days, 31)


def test_counts_microseconds() -> None:
    """A microsecond more is more: no second is rounded away."""
    whole = Period(START, START + timedelta(seconds=2))
    used = Period(START, START + timedelta(seconds=1, microseconds=1))
    assert prorate_exact(2_000_000, used, whole) == 1_000_001


def test_an_hour_of_daylight_saving_is_not_charged_twice() -> None:
    """In the March of New York 7 days are 7 x 24 hours of a month one hour short."""
    march = span("2026-03-01", "2026-04-01", NEW_YORK)
    week = span("2026-03-01", "2026-03-08", NEW_YORK)
    assert prorate_exact(2900, week, march) == Fraction(2900 * 7 * 24, 31 * 24 - 1)


@given(
    st.integers(-(10**12), 10**12),
    st.integers(1, 10**14),
    st.integers(0, 10**14),
)
def test_both_parts_of_a_period_sum_to_its_fee(fee: int, length: int, cut: int) -> None:
    """What is used and what is left over cost the whole fee, exactly; rounded, within one unit."""
    whole = Period(START, START + timedelta(microseconds=length))
    middle = START + timedelta(microseconds=min(cut, length))
    used, rest = Period(START, middle), Period(middle, whole.end)
    assert prorate_exact(fee, used, whole) + prorate_exact(fee, rest, whole) == fee
    assert abs(prorate(fee, used, whole) + prorate(fee, rest, whole) - fee) <= 1
    assert prorate(-fee, used, whole) == -prorate(fee, used, whole)


@pytest.mark.parametrize(
    ("used", "whole"),
    [
        (Period(START - timedelta(seconds=1), START), WHOLE),
        (Period(START, WHOLE.end + timedelta(seconds=1)), WHOLE),
        (Period(START, START), Period(START, START)),
    ],
)
def test_refuses_a_part_that_is_none(used: Period, whole: Period) -> None:
    """A part lies within its whole, and nothing is a part of nothing."""
    with pytest.raises(Invalid):
        prorate(2900, used, whole)


@pytest.mark.parametrize(
    ("used", "whole", "zone", "days"),
    [
        (("2026-05-13", "2026-05-20"), ("2026-05-13", "2026-06-13"), UTC_ZONE, (7, 31)),
        (("2026-05-13", "2026-05-13"), ("2026-05-13", "2026-06-13"), UTC_ZONE, (0, 31)),
        (("2026-05-13", "2026-05-20T12:00"), ("2026-05-13", "2026-06-13"), UTC_ZONE, None),
        (("2026-05-13", "2026-05-20"), ("2026-05-13", "2026-06-13T00:00:01"), UTC_ZONE, None),
        (("2026-03-01", "2026-03-15"), ("2026-03-01", "2026-04-01"), NEW_YORK, (14, 31)),
        (("2026-11-01", "2026-11-02"), ("2026-11-01", "2026-12-01"), NEW_YORK, (1, 30)),
        (("2026-03-01", "2026-03-15"), ("2026-03-01", "2026-04-01"), UTC_ZONE, (14, 31)),
    ],
)  # fmt: skip
def test_counts_days_by_the_wall_clock(
    used: tuple[str, str],
    whole: tuple[str, str],
    zone: ZoneInfo,
    days: tuple[int, int] | None,
) -> None:
    """7 of 31 days: by the calendar of the zone, and none where they are not whole (E11)."""
    assert days_of(span(*used, zone), span(*whole, zone), zone) == days
