"""How events become a quantity, and which events are taken."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.domain.errors import Invalid
from app.domain.money import DECIMALS_MAX, decimals_of, figure
from app.domain.period import Period


class Aggregation(StrEnum):
    """How a meter turns the events of a span into one quantity; of no events it is 0."""

    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"
    MIN = "MIN"
    AVG = "AVG"
    UNIQUE = "UNIQUE"
    LATEST = "LATEST"


class UsageVerdict(StrEnum):
    """What became of an event that was sent."""

    ACCEPTED = "ACCEPTED"
    DUPLICATE = "DUPLICATE"
    UNMATCHED = "UNMATCHED"
    REJECTED = "REJECTED"


class UsageWindow(StrEnum):
    """The width of a bucket, in the organization's time zone."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"
    MONTH = "MONTH"
    TOTAL = "TOTAL"


HOUR = timedelta(hours=1)
OLDEST = timedelta(days=35)
NEWEST = timedelta(minutes=15)

_NOTHING = Decimal()
QUANTITY_MAX = Decimal(10**15)
"""Of one event. Sums have no bound: what is billed is priced exactly, however large, and only its amount is bounded."""


def out_of_bounds(occurred_at: datetime, now: datetime) -> str | None:
    """Say why an event of that instant is not taken, or None where it is: 35 days back to 15 minutes ahead (M44)."""
    if occurred_at < now - OLDEST:
        return "occurredAt is more than 35 days in the past."
    if occurred_at > now + NEWEST:
        return "occurredAt is more than 15 minutes in the future."
    return None


def bad_quantity(quantity: Decimal) -> str | None:
    """Say why an event of that finite quantity is not taken, or None where it is: 0 to 10^15, up to 12 decimals."""
    if not _NOTHING <= quantity <= QUANTITY_MAX:
        return f"Give a quantity from 0 to {figure(QUANTITY_MAX)}."
    if quantity != quantity.to_integral_value() and decimals_of(quantity) > DECIMALS_MAX:
        return f"Give a quantity with at most {DECIMALS_MAX} decimals."
    return None


def whole_hours(period: Period) -> Period | None:
    """The part of a period that whole hours of UTC fill; None where they fill none of it."""
    first, end = _hour_of(period.start), _hour_of(period.end)
    if first == end:
        return None
    start = first if first == period.start else first + HOUR
    return Period(start, end) if start < end else None


def ragged_edges(period: Period) -> list[Period]:
    """What whole hours leave of a period: its beginning, its end, or all of it."""
    whole = whole_hours(period)
    edges = [period] if whole is None else [Period(period.start, whole.start), Period(whole.end, period.end)]
    return [edge for edge in edges if edge.start < edge.end]


def _hour_of(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def bucket_periods(period: Period, window: UsageWindow, zone: ZoneInfo, most: int) -> list[Period] | None:
    """The buckets of a period, each cut to it, in order and without gaps; None where they are more than `most`.

    A bucket begins where the local clock shows a full minute, a full hour, midnight, or midnight of a month's first
    day; where daylight saving skips that, at the first instant after it, and of an hour that comes twice each is one.
    TOTAL is the whole period. Raises Invalid where the local calendar knows no such day.
    """
    if window is UsageWindow.TOTAL:
        return [period]
    buckets: list[Period] = []
    if period.start == period.end:
        return buckets
    try:
        start = _begin(period.start, window, zone)
        while start < period.end:
            end = _next(start, window, zone)
            if len(buckets) == most:
                return None
            buckets.append(Period(max(start, period.start), min(end, period.end)))
            start = end
    except (OverflowError, ValueError) as beyond:
        raise Invalid("Use dates well between the years 1 and 9999.", "period") from beyond
    return buckets


def _begin(instant: datetime, window: UsageWindow, zone: ZoneInfo) -> datetime:
    """Where the bucket around the instant begins, in UTC."""
    step = _STEP.get(window)
    if step is None:
        begin = _midnight(_first_day(instant.astimezone(zone).date(), window), zone)
        # A clock set back over midnight shows the old day once more: that belongs to the new one.
        while (following := _next(begin, window, zone)) <= instant:
            begin = following
        return begin
    while past := _past_full(instant, step, zone):
        instant -= past
    return instant


def _next(start: datetime, window: UsageWindow, zone: ZoneInfo) -> datetime:
    """Where the bucket that begins there ends, in UTC."""
    step = _STEP.get(window)
    if step is None:
        day = start.astimezone(zone).date()
        later = day + (_DAY if window is UsageWindow.DAY else 32 * _DAY)
        return _midnight(_first_day(later, window), zone)
    end = start + step
    while past := _past_full(end, step, zone):
        end += step - past
    return end


def _first_day(day: date, window: UsageWindow) -> date:
    return day.replace(day=1) if window is UsageWindow.MONTH else day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _past_full(instant: datetime, step: timedelta, zone: ZoneInfo) -> timedelta:
    """How long ago, by the local clock's face, it showed a full hour or minute."""
    local = instant.astimezone(zone)
    return timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond) % step


_DAY = timedelta(days=1)
_STEP = {UsageWindow.HOUR: HOUR, UsageWindow.MINUTE: timedelta(minutes=1)}
