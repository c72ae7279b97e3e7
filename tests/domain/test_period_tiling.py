"""Periods tile time: compared with an oracle that shares neither calendar nor zone arithmetic."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from dateutil.relativedelta import relativedelta
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.period import Interval, boundary, is_period, period_at, periods_between

ZONES = [
    ZoneInfo(name)
    for name in (
        "America/New_York",
        "Pacific/Apia",  # skipped 2011-12-30
        "Asia/Kathmandu",  # UTC+05:45, and +05:30 before 1986
        "Europe/Berlin",
        "Australia/Lord_Howe",  # half an hour of daylight saving
        "Pacific/Chatham",  # UTC+12:45 and +13:45
        "Africa/Casablanca",  # daylight saving that pauses for Ramadan
        "America/Sao_Paulo",  # skipped midnights
        "Pacific/Kiritimati",  # UTC+14, skipped 1994-12-31
        "Antarctica/Troll",  # two hours of daylight saving
    )
]
EVERY_ZONE = [ZoneInfo(name) for name in sorted(available_timezones() - {"localtime", "Factory"})]
APIA = ZONES[1]
ONE = {
    Interval.DAY: relativedelta(days=1),
    Interval.WEEK: relativedelta(weeks=1),
    Interval.MONTH: relativedelta(months=1),
    Interval.YEAR: relativedelta(years=1),
}

zones = st.sampled_from(ZONES) | st.sampled_from(EVERY_ZONE)
intervals = st.sampled_from(list(Interval))
counts = st.integers(1, 24)
instants = st.datetimes(datetime(1971, 1, 1), datetime(2100, 12, 31), timezones=st.just(UTC))
month_ends = st.builds(
    lambda year, month, days: date(year, month, 1) + relativedelta(day=31) - timedelta(days=days),
    st.integers(1971, 2100) | st.sampled_from([1996, 2000, 2024, 2096]),
    st.sampled_from([1, 2, 2, 2, 3, 5, 8, 10, 12]),  # leap days are what yearly anchors trip over
    st.sampled_from([0, 0, 1, 2, 3]),
)


@st.composite
def anchors(draw: st.DrawFn, zone: ZoneInfo) -> datetime:
    """Any instant, or a month's last days: at midnight or in the hours when clocks change."""
    day = draw(st.none() | month_ends)
    if day is None:
        return draw(instants)
    minutes = draw(st.sampled_from([0, 0, 30, 90, 130, 150, 179, 180]))
    return (datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(minutes=minutes)).astimezone(UTC)


@st.composite
def schedules(draw: st.DrawFn) -> tuple[datetime, Interval, int, ZoneInfo]:
    """An anchor, interval, count and zone."""
    zone = draw(zones)
    return draw(anchors(zone)), draw(intervals), draw(counts), zone


def utc_from_wall(wall: datetime, zone: ZoneInfo) -> datetime:
    """The oracle's reading of a wall time: try every offset that the zone has around it.

    The earliest instant that shows this wall time; where none does, the offset from before the gap.
    """
    around = [wall.replace(tzinfo=UTC) + timedelta(hours=hours) for hours in range(-50, 51, 2)]
    offsets = [instant.astimezone(zone).utcoffset() or timedelta(0) for instant in around]
    candidates = sorted((wall - offset).replace(tzinfo=UTC) for offset in set(offsets))
    for instant in candidates:
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            return instant
    return (wall - offsets[0]).replace(tzinfo=UTC)


def oracle(anchor: datetime, interval: Interval, count: int, index: int, zone: ZoneInfo) -> datetime:
    """A boundary by dateutil's calendar on naive wall time."""
    wall = anchor.astimezone(zone).replace(tzinfo=None)
    return anchor if index == 0 else utc_from_wall(wall + ONE[interval] * (count * index), zone)


@settings(max_examples=1000)
@given(schedules(), st.integers(-60, 240))
@example((datetime(2011, 12, 29, 10, tzinfo=UTC), Interval.DAY, 1, APIA), 1)
@example((datetime(2011, 11, 30, 10, tzinfo=UTC), Interval.MONTH, 1, APIA), 1)
@example(
    (datetime(2026, 11, 1, 6, 30, tzinfo=UTC), Interval.YEAR, 11, ZONES[0]), 1
)  # from one doubled 01:30 to another
def test_boundaries_are_those_of_the_oracle(schedule: tuple[datetime, Interval, int, ZoneInfo], index: int) -> None:
    """Every boundary is where dateutil's calendar puts it, before and after the anchor (M46, M49)."""
    anchor, interval, count, zone = schedule
    expected = oracle(anchor, interval, count, index, zone)
    assert boundary(anchor, interval, count, index, zone) == expected


@settings(max_examples=300)
@given(schedules(), instants)
@example(
    (datetime(2000, 1, 31, tzinfo=UTC), Interval.DAY, 1, APIA),
    datetime(2011, 12, 30, 9, 59, 59, 999999, UTC),
)
@example(
    (datetime(2000, 1, 31, tzinfo=UTC), Interval.DAY, 1, APIA),
    datetime(2011, 12, 30, 10, tzinfo=UTC),
)
def test_an_instant_lies_in_one_period(schedule: tuple[datetime, Interval, int, ZoneInfo], instant: datetime) -> None:
    """The period of an instant contains it, and is neither empty nor longer than its kind."""
    anchor, interval, count, zone = schedule
    period = period_at(anchor, interval, count, zone, instant)
    assert period.contains(instant)
    assert is_period(anchor, interval, count, zone, period)
    longest = {Interval.DAY: 1, Interval.WEEK: 7, Interval.MONTH: 31, Interval.YEAR: 366}
    assert 0 < period.seconds <= 86_400 * (longest[interval] * count + 1)


@settings(max_examples=150)
@given(schedules(), instants, st.integers(1, 400))
@example(
    (datetime(2011, 12, 1, 10, tzinfo=UTC), Interval.DAY, 1, APIA),
    datetime(2011, 12, 20, tzinfo=UTC),
    20,
)
def test_periods_tile_time(schedule: tuple[datetime, Interval, int, ZoneInfo], start: datetime, days: int) -> None:
    """Each period begins where the one before ended: no gap, no overlap, nothing left out."""
    end = start + timedelta(days=days)
    periods = list(periods_between(*schedule, start, end))
    assert periods[0].contains(start)
    assert periods[-1].start < end <= periods[-1].end
    for before, after in pairwise(periods):
        assert before.end == after.start


@settings(max_examples=100)
@given(schedules(), instants)
def test_neighbours_meet(schedule: tuple[datetime, Interval, int, ZoneInfo], instant: datetime) -> None:
    """The last instant before a period belongs to the one that ends where it starts."""
    period = period_at(*schedule, instant)
    before = period_at(*schedule, period.start - timedelta.resolution)
    after = period_at(*schedule, period.end)
    assert (before.end, after.start) == (period.start, period.end)
