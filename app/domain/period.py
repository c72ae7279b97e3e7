"""Periods: half-open spans, boundaries counted from an anchor in a zone's local time (M46)."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import assert_never
from zoneinfo import ZoneInfo

from app.domain.errors import Invalid

_MICROSECOND = timedelta(microseconds=1)
_BEYOND_THE_CALENDAR = "Use dates well between the years 1 and 9999."


class Interval(StrEnum):
    """The unit in which a plan's periods are counted."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    YEAR = "YEAR"


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span of instants in UTC: `start` is inside, `end` is not.

    Raises Invalid where it ends before it starts, ValueError for a datetime that is not in UTC.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.utcoffset() != timedelta(0) or self.end.utcoffset() != timedelta(0):
            raise ValueError("a period's instants are aware and in UTC")
        if self.start > self.end:
            raise Invalid("A period ends no earlier than it starts.", "end")

    def contains(self, instant: datetime) -> bool:
        """Whether the instant lies in the period."""
        return self.start <= instant < self.end

    def covers(self, other: "Period") -> bool:
        """Whether the other period lies wholly in this one; it may share its boundaries."""
        return self.start <= other.start and other.end <= self.end

    @property
    def seconds(self) -> Fraction:
        """How long it lasts, exact to the microsecond."""
        return Fraction((self.end - self.start) // _MICROSECOND, 1_000_000)


def shown(instant: datetime) -> str:
    """An instant as the API writes it: RFC 3339 in UTC with a Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def boundary(anchor: datetime, interval: Interval, count: int, index: int, zone: ZoneInfo) -> datetime:
    """`index` x `count` intervals after the anchor by the zone's wall clock, in UTC (M46, M49).

    Boundary 0 is the anchor; a negative index lies before it. Always counted from the anchor and
    never from the boundary before, and clamped to the month's end: 31 January, 28 February,
    31 March. Daylight saving keeps the wall time; one that the zone skips moves forward by the
    gap, of one that it has twice the first is taken (RFC 5545).
    Raises Invalid outside the years 1 to 9999, ValueError for a count below 1.
    """
    if count < 1:
        raise ValueError("a period lasts at least one interval")
    local = _local(anchor, zone)
    if index == 0:
        return anchor.astimezone(UTC)
    try:
        return _later(local, interval, count * index).replace(fold=0).astimezone(UTC)
    except (OverflowError, ValueError) as beyond:
        raise Invalid(_BEYOND_THE_CALENDAR) from beyond


def period_at(anchor: datetime, interval: Interval, count: int, zone: ZoneInfo, instant: datetime) -> Period:
    """The period that contains the instant, before the anchor or after. Raises as `boundary`."""
    index = _index_at(anchor, interval, count, zone, instant)
    return Period(
        boundary(anchor, interval, count, index, zone),
        boundary(anchor, interval, count, index + 1, zone),
    )


def periods_between(
    anchor: datetime, interval: Interval, count: int, zone: ZoneInfo, start: datetime, end: datetime
) -> Iterator[Period]:
    """Every period that shares an instant with `[start, end)`, whole and in order.

    The first may begin before `start`, the last may end after `end`. A day that a zone skipped
    (Apia's 2011-12-30) has none. Raises as `boundary`.
    """
    while start < end:
        period = period_at(anchor, interval, count, zone, start)
        yield period
        start = period.end


def is_period(anchor: datetime, interval: Interval, count: int, zone: ZoneInfo, period: Period) -> bool:
    """Whether the period is one of those counted from the anchor, boundary to boundary."""
    return period == period_at(anchor, interval, count, zone, period.start)


def _index_at(anchor: datetime, interval: Interval, count: int, zone: ZoneInfo, instant: datetime) -> int:
    """The index of the boundary before the instant: estimated by the calendar, then corrected."""
    index = _intervals_between(_local(anchor, zone), _local(instant, zone), interval) // count
    while boundary(anchor, interval, count, index, zone) > instant:
        index -= 1
    while boundary(anchor, interval, count, index + 1, zone) <= instant:
        index += 1
    return index


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("an instant is aware: a naive one would be read in the machine's zone")
    try:
        return instant.astimezone(zone)
    except OverflowError as beyond:
        raise Invalid(_BEYOND_THE_CALENDAR) from beyond


def _intervals_between(earlier: date, later: date, interval: Interval) -> int:
    """How many intervals lie between two days, give or take one."""
    match interval:
        case Interval.DAY:
            return later.toordinal() - earlier.toordinal()
        case Interval.WEEK:
            return (later.toordinal() - earlier.toordinal()) // 7
        case Interval.MONTH:
            return (later.year - earlier.year) * 12 + later.month - earlier.month
        case Interval.YEAR:
            return later.year - earlier.year
        case unknown:
            assert_never(unknown)


def _later(local: datetime, interval: Interval, intervals: int) -> datetime:
    """The same wall time so many intervals later, on the last day of a month that is too short."""
    match interval:
        case Interval.DAY:
            return local + timedelta(days=intervals)
        case Interval.WEEK:
            return local + timedelta(weeks=intervals)
        case Interval.MONTH:
            return _months_later(local, intervals)
        case Interval.YEAR:
            return _months_later(local, 12 * intervals)
        case unknown:
            assert_never(unknown)


def _months_later(local: datetime, months: int) -> datetime:
    year, month0 = divmod(local.year * 12 + local.month - 1 + months, 12)
    last_day = monthrange(year, month0 + 1)[1]
    return local.replace(year=year, month=month0 + 1, day=min(local.day, last_day))
