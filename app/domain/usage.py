"""How events become a quantity, and which events are taken."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from app.domain.period import Interval, Period, boundary


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


OLDEST = timedelta(days=35)
NEWEST = timedelta(minutes=15)


def out_of_bounds(occurred_at: datetime, now: datetime) -> str | None:
    """Say why an event of that instant is not taken, or None where it is: 35 days back to 15 minutes ahead (M44)."""
    if occurred_at < now - OLDEST:
        return "occurredAt is more than 35 days in the past."
    if occurred_at > now + NEWEST:
        return "occurredAt is more than 15 minutes in the future."
    return None


def bucket_periods(
    period: Period, window: UsageWindow, zone: ZoneInfo, most: int
) -> list[tuple[datetime | None, Period]] | None:
    """The buckets of a period as (start of the whole bucket, the bucket cut to the period); None beyond `most`.

    Days and months begin at local midnight, hours and minutes by the local clock. TOTAL is one bucket without a start.
    """
    if window is UsageWindow.TOTAL:
        return [(None, period)]
    buckets: list[tuple[datetime | None, Period]] = []
    start = _truncated(period.start, window, zone)
    while start < period.end:
        end = _next(start, window, zone)
        if len(buckets) == most:
            return None
        buckets.append((start, Period(max(start, period.start), min(end, period.end))))
        start = end
    return buckets


def _truncated(instant: datetime, window: UsageWindow, zone: ZoneInfo) -> datetime:
    local = instant.astimezone(zone)
    match window:
        case UsageWindow.MONTH:
            return local.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
        case UsageWindow.DAY:
            return local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
        case UsageWindow.HOUR:
            return local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        case UsageWindow.MINUTE:
            return local.replace(second=0, microsecond=0).astimezone(UTC)
        case UsageWindow.TOTAL:
            return instant


def _next(start: datetime, window: UsageWindow, zone: ZoneInfo) -> datetime:
    match window:
        case UsageWindow.MONTH:
            return boundary(start, Interval.MONTH, 1, 1, zone)
        case UsageWindow.DAY:
            return boundary(start, Interval.DAY, 1, 1, zone)
        case UsageWindow.HOUR:
            return start + timedelta(hours=1)
        case UsageWindow.MINUTE:
            return start + timedelta(minutes=1)
        case UsageWindow.TOTAL:
            return start
