"""The daily run: the next 00:05 on a wall clock, stored for each organization and not a line of cron (M20)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.daily import next_daily_run


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


# fmt: off
CASES = [
    # zone                 now                             next run, as the zone writes it
    ("UTC",                "2026-05-20T00:00:00+00:00",    "2026-05-20T00:05:00+00:00"),
    ("UTC",                "2026-05-20T00:05:00+00:00",    "2026-05-21T00:05:00+00:00"),
    ("UTC",                "2026-05-20T23:59:59+00:00",    "2026-05-21T00:05:00+00:00"),
    ("Asia/Kathmandu",     "2026-05-20T12:00:00+00:00",    "2026-05-21T00:05:00+05:45"),
    ("Asia/Kathmandu",     "2026-05-20T18:19:59+00:00",    "2026-05-21T00:05:00+05:45"),
    ("Asia/Kathmandu",     "2026-05-20T18:20:00+00:00",    "2026-05-22T00:05:00+05:45"),
    # Berlin's clocks go forward and back: the days have 23 and 25 hours.
    ("Europe/Berlin",      "2026-03-29T00:05:00+01:00",    "2026-03-30T00:05:00+02:00"),
    ("Europe/Berlin",      "2026-10-25T00:05:00+02:00",    "2026-10-26T00:05:00+01:00"),
    # Beirut's go forward at midnight: there is no 00:05, so it is an hour later.
    ("Asia/Beirut",        "2026-03-28T12:00:00+02:00",    "2026-03-29T01:05:00+03:00"),
    # Havana's go back at 01:00: there are two 00:05, and the first is taken.
    ("America/Havana",     "2026-10-31T12:00:00-04:00",    "2026-11-01T00:05:00-04:00"),
    ("America/Havana",     "2026-11-01T00:30:00-04:00",    "2026-11-02T00:05:00-05:00"),
    ("America/Havana",     "2026-11-01T00:04:00-05:00",    "2026-11-02T00:05:00-05:00"),
    # Apia left out 30 December 2011.
    ("Pacific/Apia",       "2011-12-29T12:00:00-10:00",    "2011-12-31T00:05:00+14:00"),
    ("Pacific/Apia",       "2011-12-31T00:05:00+14:00",    "2012-01-01T00:05:00+14:00"),
    ("Pacific/Apia",       "2026-05-20T10:04:59+00:00",    "2026-05-21T00:05:00+13:00"),
]
# fmt: on


@pytest.mark.parametrize(("zone", "now", "expected"), CASES)
def test_the_next_run(zone: str, now: str, expected: str) -> None:
    """Strictly after now, at 00:05 of the zone."""
    assert next_daily_run(instant(now), ZoneInfo(zone)) == instant(expected)


ZONES = sorted(available_timezones() - {"localtime"})


@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(1995, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_every_zone_has_one_soon(zone: str, now: datetime) -> None:
    """After now, and within the longest day that there is and the one that a zone may skip."""
    run = next_daily_run(now, ZoneInfo(zone))
    assert timedelta(0) < run - now <= timedelta(days=2, hours=1)
    assert run.utcoffset() == timedelta(0)
