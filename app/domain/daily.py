"""What happens once a day, by an organization's wall clock."""

from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

RUN_AT: Final = time(0, 5)
"""Past midnight, so that the day's last events had time to come in."""

_DAYS_AHEAD: Final = 3


def next_daily_run(now: datetime, zone: ZoneInfo) -> datetime:
    """The first 00:05 on the zone's wall clock after `now`, in UTC.

    Of a 00:05 that the zone has twice, the first; one that it skips moves forward by the gap (RFC 5545). A day that
    it skips whole (Apia's 2011-12-30) has none of its own.
    """
    today = now.astimezone(zone).date()
    for days in range(_DAYS_AHEAD):
        candidate = datetime.combine(today + timedelta(days=days), RUN_AT, zone).astimezone(UTC)
        if candidate > now:
            return candidate
    raise AssertionError("no zone has three days without 00:05")
