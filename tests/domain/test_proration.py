"""Proration: exact fractions of seconds, rounded once."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import accumulate, pairwise
from operator import add
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX, split_by_largest_remainder
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


@pytest.mark.parametrize(
    ("used", "whole", "used_hours", "whole_hours", "prorated"),
    [
        (("2026-03-01", "2026-03-08"), ("2026-03-01", "2026-04-01"), 7 * 24,     31 * 24 - 1,   656),
        (("2026-03-01", "2026-03-09"), ("2026-03-01", "2026-04-01"), 8 * 24 - 1, 31 * 24 - 1,   745),
        (("2026-03-08", "2026-04-01"), ("2026-03-01", "2026-04-01"), 24 * 24 - 1, 31 * 24 - 1, 2244),
        (("2026-11-01", "2026-11-02"), ("2026-11-01", "2026-12-01"), 25,         30 * 24 + 1,   101),
        (("2026-11-02", "2026-12-01"), ("2026-11-01", "2026-12-01"), 29 * 24,    30 * 24 + 1,  2799),
    ],
)  # fmt: skip
def test_an_hour_of_daylight_saving_is_not_charged_twice(
    used: tuple[str, str], whole: tuple[str, str], used_hours: int, whole_hours: int, prorated: int
) -> None:
    """In New York's March a month is an hour short, in its November one longer: hours count, not days (M5, E11)."""
    part, period = span(*used, NEW_YORK), span(*whole, NEW_YORK)
    assert prorate_exact(2900, part, period) == Fraction(2900 * used_hours, whole_hours)
    assert prorate(2900, part, period) == prorated


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


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**13), min_size=1, max_size=12))
def test_all_parts_of_a_period_sum_to_its_fee(fee: int, lengths: list[int]) -> None:
    """Cut anywhere: exactly before rounding, within half a unit a part after it, exactly by largest remainder (M7)."""
    ends = list(accumulate([START, *map(_microseconds, [1, *lengths])], add))
    whole = Period(ends[0], ends[-1])
    parts = [Period(*pair) for pair in pairwise(ends)]
    exact = [prorate_exact(fee, part, whole) for part in parts]
    assert sum(exact) == fee
    assert abs(sum(prorate(fee, part, whole) for part in parts) - fee) <= Fraction(len(parts), 2)
    split = split_by_largest_remainder(fee, [part.seconds for part in parts])
    assert sum(split) == fee
    assert all(abs(given - owed) < 1 for given, owed in zip(split, exact, strict=True))


def _microseconds(count: int) -> timedelta:
    return timedelta(microseconds=count)


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
