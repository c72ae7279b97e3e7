"""Periods: counted from the anchor, clamped to the month, by the wall clock of a zone."""

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest

from app.domain.errors import Invalid
from app.domain.period import (
    Interval,
    Period,
    boundary,
    is_period,
    period_at,
    periods_between,
)

UTC_ZONE = ZoneInfo("UTC")
NEW_YORK = ZoneInfo("America/New_York")
APIA = ZoneInfo("Pacific/Apia")


def at(text: str, zone: ZoneInfo = UTC_ZONE) -> datetime:
    """The instant of a local time, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def local_days(anchor: str, interval: Interval, count: int, indexes: range, zone: str) -> str:
    """Boundaries as local times of this century, without the midnights."""
    zone_info = ZoneInfo(zone)
    start = at(f"20{anchor}", zone_info)
    boundaries = (boundary(start, interval, count, i, zone_info) for i in indexes)
    texts = (f"{instant.astimezone(zone_info):%y-%m-%dT%H:%M}" for instant in boundaries)
    return " ".join(text.removesuffix("T00:00") for text in texts)


# ---------------------------------------------------------------- a period


def test_is_half_open() -> None:
    """Its start is inside, its end is not."""
    may = Period(at("2026-05-01"), at("2026-06-01"))
    inside = ["2026-05-01", "2026-05-31T23:59:59.999999"]
    outside = ["2026-06-01", "2026-04-30T23:59:59.999999"]
    assert [may.contains(at(instant)) for instant in inside + outside] == [True, True, False, False]


def test_measures_seconds_exactly() -> None:
    """Its length keeps the microseconds."""
    assert Period(at("2026-05-01"), at("2026-06-01")).seconds == 31 * 86_400
    assert Period(at("2026-05-01"), at("2026-05-01T00:00:00.000001")).seconds == Fraction(1, 10**6)


def test_refuses_to_run_backwards() -> None:
    """A period that ends before it starts is refused; an empty one is not."""
    assert Period(at("2026-05-01"), at("2026-05-01")).seconds == 0
    with pytest.raises(Invalid):
        Period(at("2026-05-02"), at("2026-05-01"))


@pytest.mark.parametrize("zone", [None, timezone(timedelta(hours=2)), NEW_YORK])
def test_refuses_what_is_not_utc(zone: timezone | ZoneInfo | None) -> None:
    """Instants are aware and in UTC, so that they compare and subtract as instants."""
    with pytest.raises(ValueError, match="UTC"):
        Period(datetime(2026, 5, 1, tzinfo=zone), at("2026-06-01"))


def test_covers_what_lies_within() -> None:
    """A period covers itself and its parts, and nothing that reaches out of it."""
    may = Period(at("2026-05-01"), at("2026-06-01"))
    assert may.covers(may)
    assert may.covers(Period(at("2026-05-09"), at("2026-06-01")))
    assert not may.covers(Period(at("2026-04-30"), at("2026-05-02")))
    assert not may.covers(Period(at("2026-05-30"), at("2026-06-02")))


# ---------------------------------------------------------------- boundaries


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "indexes", "boundaries"),
    [
        ("26-01-31", Interval.MONTH,  1, range(1, 5),  "26-02-28 26-03-31 26-04-30 26-05-31"),
        ("24-01-31", Interval.MONTH,  1, range(3),     "24-01-31 24-02-29 24-03-31"),
        ("26-01-30", Interval.MONTH,  1, range(4),     "26-01-30 26-02-28 26-03-30 26-04-30"),
        ("26-01-29", Interval.MONTH,  1, range(3),     "26-01-29 26-02-28 26-03-29"),
        ("26-03-31", Interval.MONTH,  1, range(-2, 2), "26-01-31 26-02-28 26-03-31 26-04-30"),
        ("25-11-30", Interval.MONTH,  3, range(3),     "25-11-30 26-02-28 26-05-30"),
        ("25-08-31", Interval.MONTH,  6, range(4),     "25-08-31 26-02-28 26-08-31 27-02-28"),
        ("26-01-31", Interval.MONTH, 12, range(3),     "26-01-31 27-01-31 28-01-31"),
        ("24-02-29", Interval.YEAR,   1, range(1, 5),  "25-02-28 26-02-28 27-02-28 28-02-29"),
        ("24-02-29", Interval.YEAR,   4, range(-1, 2), "20-02-29 24-02-29 28-02-29"),
        ("96-02-29", Interval.YEAR,   4, range(-1, 2), "92-02-29 96-02-29 00-02-28"),  # 2100 is no leap year
        ("24-02-29", Interval.MONTH, 12, range(1, 5),  "25-02-28 26-02-28 27-02-28 28-02-29"),
        ("25-12-31", Interval.MONTH,  2, range(1, 5),  "26-02-28 26-04-30 26-06-30 26-08-31"),
        ("26-08-31", Interval.MONTH,  1, range(-6, 0), "26-02-28 26-03-31 26-04-30 26-05-31 26-06-30 26-07-31"),
        ("26-03-31", Interval.DAY,   30, range(-1, 3), "26-03-01 26-03-31 26-04-30 26-05-30"),
        ("24-02-28", Interval.DAY,    1, range(3),     "24-02-28 24-02-29 24-03-01"),
        ("26-12-25", Interval.WEEK,   2, range(3),     "26-12-25 27-01-08 27-01-22"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham", "Pacific/Apia"])
def test_boundaries_are_counted_from_the_anchor(
    anchor: str, interval: Interval, count: int, indexes: range, boundaries: str, zone: str
) -> None:
    """A 31st comes back after February: no boundary is counted from the one before (M46, M49)."""
    assert local_days(anchor, interval, count, indexes, zone) == boundaries


@pytest.mark.parametrize(
    ("anchor", "zone", "boundaries"),
    [
        # midnight stays midnight on the day the clocks change
        ("26-03-07",       "America/New_York",    "26-03-07 26-03-08 26-03-09"),
        ("26-10-31",       "America/New_York",    "26-10-31 26-11-01 26-11-02"),
        # 02:30 is skipped: forward by the gap of an hour, and back at 02:30 the next day
        ("26-03-07T02:30", "America/New_York",    "26-03-07T02:30 26-03-08T03:30 26-03-09T02:30"),
        # a gap of half an hour
        ("26-10-03T02:10", "Australia/Lord_Howe", "26-10-03T02:10 26-10-04T02:40 26-10-05T02:10"),
        # an hour, seen from 12:45 ahead of UTC; forward in September, back in April
        ("26-09-26T03:00", "Pacific/Chatham",     "26-09-26T03:00 26-09-27T04:00 26-09-28T03:00"),
        ("26-04-04T03:00", "Pacific/Chatham",     "26-04-04T03:00 26-04-05T03:00 26-04-06T03:00"),
        # midnight itself is skipped
        ("18-11-03",       "America/Sao_Paulo",   "18-11-03 18-11-04T01:00 18-11-05"),
        # a whole day is skipped: its boundary falls on the next day's
        ("11-12-29",       "Pacific/Apia",        "11-12-29 11-12-31 11-12-31"),
    ],
)  # fmt: skip
def test_daylight_saving_keeps_the_wall_time(anchor: str, zone: str, boundaries: str) -> None:
    """Clocks change, the wall time of a boundary does not; a skipped one moves forward (M46)."""
    assert local_days(anchor, Interval.DAY, 1, range(3), zone) == boundaries


def test_a_wall_time_that_comes_twice_means_the_first() -> None:
    """On the night when clocks go back, 01:30 is the earlier of the two."""
    anchor = at("2026-10-31T01:30", NEW_YORK)
    assert boundary(anchor, Interval.DAY, 1, 1, NEW_YORK) == at("2026-11-01T05:30")
    second = at("2026-11-01T06:30")
    assert boundary(second, Interval.YEAR, 11, 1, NEW_YORK) == at("2037-11-01T05:30")


@pytest.mark.parametrize(
    ("anchor", "interval", "count", "zone", "instants"),
    [
        # in UTC, midnight in New York moves by the hour that its clocks do
        ("2026-01-31", Interval.MONTH, 1, "America/New_York", "01-31T05:00 02-28T05:00 03-31T04:00 04-30T04:00"),
        ("2026-10-15", Interval.MONTH, 1, "America/New_York", "10-15T04:00 11-15T05:00 12-15T05:00 01-15T05:00"),
        ("2026-03-01", Interval.WEEK,  1, "America/New_York", "03-01T05:00 03-08T05:00 03-15T04:00 03-22T04:00"),
        # in Kathmandu it never does, but for the quarter of an hour of 1986
        ("2026-01-31", Interval.MONTH, 1, "Asia/Kathmandu",   "01-30T18:15 02-27T18:15 03-30T18:15 04-29T18:15"),
        ("1985-12-31", Interval.DAY,   1, "Asia/Kathmandu",   "12-30T18:30 12-31T18:30 01-01T18:15 01-02T18:15"),
        ("2026-02-28", Interval.MONTH, 1, "Pacific/Chatham",  "02-27T10:15 03-27T10:15 04-27T11:15 05-27T11:15"),
        ("2011-10-30", Interval.MONTH, 1, "Pacific/Apia",     "10-30T10:00 11-30T10:00 12-30T10:00 01-29T10:00"),
        ("2024-02-29", Interval.YEAR,  1, "Pacific/Chatham",  "02-28T10:15 02-27T10:15 02-27T10:15 02-27T10:15"),
    ],
)  # fmt: skip
def test_boundaries_are_instants(anchor: str, interval: Interval, count: int, zone: str, instants: str) -> None:
    """Local midnight, written in UTC: daylight saving both ways, odd offsets and a skipped day (M46, M49)."""
    start = at(anchor, ZoneInfo(zone))
    boundaries = [boundary(start, interval, count, index, ZoneInfo(zone)) for index in range(4)]
    assert " ".join(f"{instant:%m-%dT%H:%M}" for instant in boundaries) == instants


def test_boundary_0_is_the_anchor() -> None:
    """An anchor in the second 01:30 of that night stays where it is, to the microsecond."""
    anchor = at("2026-11-01T06:30:00.000001")
    assert boundary(anchor, Interval.DAY, 1, 0, NEW_YORK) == anchor
    assert boundary(anchor, Interval.DAY, 1, 1, NEW_YORK) == at("2026-11-02T06:30:00.000001")
    assert period_at(anchor, Interval.DAY, 1, NEW_YORK, anchor - timedelta.resolution).end == anchor


def test_a_clamped_boundary_keeps_its_time_of_day() -> None:
    """The last microsecond of a 31st becomes the last of the 28th."""
    anchor = at("2026-01-31T23:59:59.999999", NEW_YORK)
    end = boundary(anchor, Interval.MONTH, 1, 1, NEW_YORK)
    assert end == at("2026-02-28T23:59:59.999999", NEW_YORK)


def test_the_zone_decides_the_day() -> None:
    """Midnight in New York on the 31st is the 31st there, though UTC has another date."""
    anchor = at("2026-05-31T22:00", NEW_YORK)
    assert anchor == at("2026-06-01T02:00")
    assert boundary(anchor, Interval.MONTH, 1, 1, NEW_YORK) == at("2026-06-30T22:00", NEW_YORK)
    assert boundary(anchor, Interval.MONTH, 1, 1, UTC_ZONE) == at("2026-07-01T02:00")


def test_refuses_what_no_calendar_has() -> None:
    """Beyond the years 1 to 9999 there is no boundary."""
    for index in (10_000, -10_000, 10**12):
        with pytest.raises(Invalid):
            boundary(at("2026-01-31"), Interval.YEAR, 1, index, UTC_ZONE)
    with pytest.raises(Invalid):
        period_at(at("2026-01-31"), Interval.DAY, 1, NEW_YORK, at("0001-01-01"))


def test_refuses_a_broken_anchor() -> None:
    """A naive anchor and an interval of 0 are mistakes of the caller."""
    with pytest.raises(ValueError, match="aware"):
        boundary(datetime(2026, 1, 31), Interval.MONTH, 1, 1, UTC_ZONE)
    with pytest.raises(ValueError, match="at least one"):
        boundary(at("2026-01-31"), Interval.MONTH, 0, 1, UTC_ZONE)


# ---------------------------------------------------------------- periods


def test_finds_the_period_of_an_instant() -> None:
    """The period before, of and after a boundary, and one long before the anchor."""
    anchor = at("2026-01-31")
    february = Period(at("2026-01-31"), at("2026-02-28"))
    march = Period(at("2026-02-28"), at("2026-03-31"))

    def monthly(instant: str) -> Period:
        return period_at(anchor, Interval.MONTH, 1, UTC_ZONE, at(instant))

    assert monthly("2026-01-31") == monthly("2026-02-27T23:59:59.999999") == february
    assert monthly("2026-02-28") == monthly("2026-03-30") == march
    assert monthly("1999-02-28") == Period(at("1999-02-28"), at("1999-03-31"))


def test_a_date_that_comes_back_does_not_mislead() -> None:
    """When St. John's turned 00:01 back to 23:01, the new day had begun and did not end again."""
    zone = ZoneInfo("America/St_Johns")
    midnight = at("2010-11-07", zone)
    late = midnight + timedelta(minutes=30)
    assert f"{late.astimezone(zone):%d %H:%M}" == "06 23:30"
    day = period_at(at("2010-11-01", zone), Interval.DAY, 1, zone, late)
    assert day == Period(midnight, at("2010-11-08", zone))


def test_lists_the_periods_of_a_span() -> None:
    """Every period that shares an instant with the span comes whole, in order, and lazily."""
    anchor = at("2026-01-31")

    def ends(start: str, end: str) -> list[str]:
        periods = periods_between(anchor, Interval.MONTH, 1, UTC_ZONE, at(start), at(end))
        return [f"{period.end:%m-%d}" for period in periods]

    assert ends("2026-01-31", "2026-04-30") == ["02-28", "03-31", "04-30"]
    assert ends("2026-02-27", "2026-03-01") == ["02-28", "03-31"]
    assert ends("2026-02-28", "2026-02-28") == []
    forever = periods_between(anchor, Interval.DAY, 1, UTC_ZONE, anchor, at("9999-01-01"))
    assert next(forever).start == anchor


def test_a_skipped_day_has_no_period() -> None:
    """Apia had no 30 December 2011: the day before it is followed by the day after it."""
    anchor = at("2011-12-01", APIA)
    start, end = at("2011-12-29", APIA), at("2012-01-01", APIA)
    days = list(periods_between(anchor, Interval.DAY, 1, APIA, start, end))
    assert [f"{day.start.astimezone(APIA):%m-%d}" for day in days] == ["12-29", "12-31"]
    assert all(day.seconds == 86_400 for day in days)
    assert not is_period(anchor, Interval.DAY, 1, APIA, Period(days[1].start, days[1].start))


def test_tells_a_period_from_a_span() -> None:
    """A period runs from one boundary to the very next."""
    anchor = at("2026-01-31")

    def is_month(start: str, end: str) -> bool:
        return is_period(anchor, Interval.MONTH, 1, UTC_ZONE, Period(at(start), at(end)))

    assert is_month("2026-02-28", "2026-03-31")
    assert not is_month("2026-02-28", "2026-03-30")
    assert not is_month("2026-02-28", "2026-04-30")
    assert not is_month("2026-03-01", "2026-03-31")
    assert not is_month("2026-02-28", "2026-02-28")
