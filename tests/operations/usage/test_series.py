"""Usage over time: buckets by the local calendar, without a gap and without losing an event."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import asyncpg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.period import Period
from app.domain.usage import UsageWindow, bucket_periods
from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import customer, instant, meter, send

SERIES = """query($period: PeriodInput!, $window: UsageWindow!, $groupBy: [String!], $customerId: ID) {
usage(meter: "calls", period: $period, window: $window, groupBy: $groupBy, customerId: $customerId) {
total window period { start end } buckets { period { start end } group value events } } }"""


async def series(caller: Caller, start: str, end: str, window: str, **more: Any) -> dict[str, Any]:
    answer = await caller.data(SERIES, period={"start": start, "end": end}, window=window, **more)
    return answer["usage"]


async def counting(founder: Founder, time_zone: str, now: str, *instants: str) -> Caller:
    """An organization of that zone with one call at each instant."""
    caller = await founder.organization(mode=Mode.TEST, test_clock=instant(now), time_zone=time_zone)
    await meter(caller)
    assert set(await send(caller, *({"meter": "calls", "occurredAt": at} for at in instants))) <= {"ACCEPTED"}
    return caller


SPRING = ("Europe/Berlin", "2026-03-31T00:00:00Z", "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z")
AUTUMN = ("Europe/Berlin", "2026-10-27T00:00:00Z", "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z")


@pytest.mark.parametrize(
    ("zone", "now", "start", "end", "window", "starts"),
    [
        # Daylight saving begins and ends: days of 23 and of 25 hours.
        (*SPRING, "DAY", ["03-27T23:00", "03-28T23:00", "03-29T22:00"]),
        (*AUTUMN, "DAY", ["10-23T22:00", "10-24T22:00", "10-25T23:00"]),
        # Midnight itself is skipped in Cairo: that day begins at 01:00, the next at midnight again.
        (
            "Africa/Cairo",
            "2026-04-26T00:00:00Z",
            "2026-04-22T22:00:00Z",
            "2026-04-25T21:00:00Z",
            "DAY",
            ["04-22T22:00", "04-23T22:00", "04-24T21:00"],
        ),
        # Midnight comes twice in Havana and on the Azores: the day begins with the first.
        (
            "America/Havana",
            "2026-11-03T00:00:00Z",
            "2026-10-31T04:00:00Z",
            "2026-11-02T05:00:00Z",
            "DAY",
            ["10-31T04:00", "11-01T04:00"],
        ),
        (
            "Atlantic/Azores",
            "2026-10-27T00:00:00Z",
            "2026-10-24T00:00:00Z",
            "2026-10-26T01:00:00Z",
            "DAY",
            ["10-24T00:00", "10-25T00:00"],
        ),
        # Kathmandu is 5:45 ahead: its hours begin at a quarter past ours.
        (
            "Asia/Kathmandu",
            "2026-05-20T04:00:00Z",
            "2026-05-20T00:15:00Z",
            "2026-05-20T03:15:00Z",
            "HOUR",
            ["05-20T00:15", "05-20T01:15", "05-20T02:15"],
        ),
        # An hour that comes twice is two buckets, one that is skipped none.
        (
            "Europe/Berlin",
            "2026-10-26T00:00:00Z",
            "2026-10-24T23:00:00Z",
            "2026-10-25T02:00:00Z",
            "HOUR",
            ["10-24T23:00", "10-25T00:00", "10-25T01:00"],
        ),
        # Lord Howe moves by half an hour: the hour on which it does lasts 90 minutes.
        (
            "Australia/Lord_Howe",
            "2026-04-05T00:00:00Z",
            "2026-04-04T13:00:00Z",
            "2026-04-04T17:30:00Z",
            "HOUR",
            ["04-04T13:00", "04-04T14:00", "04-04T15:30", "04-04T16:30"],
        ),
        (
            "Australia/Lord_Howe",
            "2026-10-04T00:00:00Z",
            "2026-10-03T13:30:00Z",
            "2026-10-03T17:00:00Z",
            "HOUR",
            ["10-03T13:30", "10-03T14:30", "10-03T16:00"],
        ),
        # Months of 28, 31 and, over two changes of the clock, other lengths; Havana's November begins twice.
        (
            "Europe/Berlin",
            "2026-05-01T00:00:00Z",
            "2026-01-31T23:00:00Z",
            "2026-04-30T22:00:00Z",
            "MONTH",
            ["01-31T23:00", "02-28T23:00", "03-31T22:00"],
        ),
        (
            "America/Havana",
            "2026-12-02T00:00:00Z",
            "2026-10-01T04:00:00Z",
            "2026-12-01T05:00:00Z",
            "MONTH",
            ["10-01T04:00", "11-01T04:00"],
        ),
        (
            "UTC",
            "2026-05-20T00:00:00Z",
            "2026-05-19T23:58:00Z",
            "2026-05-20T00:00:00Z",
            "MINUTE",
            ["05-19T23:58", "05-19T23:59"],
        ),
        (
            "Asia/Tokyo",
            "2026-05-20T00:00:00Z",
            "2026-05-01T00:00:01Z",
            "2026-05-19T11:00:00Z",
            "TOTAL",
            ["05-01T00:00:01"],
        ),
    ],
)
async def test_buckets_follow_the_local_calendar_and_hold_every_event(
    founder: Founder, zone: str, now: str, start: str, end: str, window: str, starts: list[str]
) -> None:
    """With an event at the first and last instant of each bucket, each holds two, wherever the clock jumps."""
    begins = [instant(f"2026-{text}Z") for text in starts]
    edges = [
        at
        for begin, stop in zip(begins, [*begins[1:], instant(end)], strict=True)
        for at in (begin, stop - timedelta(microseconds=1))
    ]
    recent = [at for at in edges if at >= instant(now) - timedelta(days=35)]
    caller = await counting(founder, zone, now, *(at.isoformat() for at in recent))
    found = await series(caller, start, end, window)
    assert [instant(bucket["period"]["start"]) for bucket in found["buckets"]] == begins
    assert [instant(bucket["period"]["end"]) for bucket in found["buckets"]] == [*begins[1:], instant(end)]
    expected = [sum(at in recent for at in edges[2 * n : 2 * n + 2]) for n in range(len(begins))]
    assert [bucket["events"] for bucket in found["buckets"]] == expected
    assert [bucket["value"] for bucket in found["buckets"]] == [str(number) for number in expected]
    assert found["total"] == str(len(recent))


async def test_a_series_is_cut_to_its_period_and_filled_with_zeros(tester: Caller) -> None:
    """The first and last bucket are cut; a bucket without events holds 0; the end is outside."""
    await meter(tester)
    await send(
        tester,
        {"meter": "calls", "quantity": "1", "occurredAt": "2026-05-10T05:59:59.999999Z"},
        {"meter": "calls", "quantity": "20", "occurredAt": "2026-05-10T06:00:00Z"},
        {"meter": "calls", "quantity": "300", "occurredAt": "2026-05-12T17:59:59.999999Z"},
        {"meter": "calls", "quantity": "4000", "occurredAt": "2026-05-12T18:00:00Z"},
    )
    found = await series(tester, "2026-05-10T06:00:00Z", "2026-05-12T18:00:00Z", "DAY")
    assert found["total"] == "320"
    assert [(b["period"]["start"], b["period"]["end"], b["value"], b["events"]) for b in found["buckets"]] == [
        ("2026-05-10T06:00:00Z", "2026-05-11T00:00:00Z", "20", 1),
        ("2026-05-11T00:00:00Z", "2026-05-12T00:00:00Z", "0", 0),
        ("2026-05-12T00:00:00Z", "2026-05-12T18:00:00Z", "300", 1),
    ]
    assert (await series(tester, "2026-05-10T06:00:00Z", "2026-05-10T06:00:00Z", "DAY"))["buckets"] == []


async def test_a_series_is_grouped_by_properties_in_their_order(tester: Caller) -> None:
    """A bucket for each combination that occurs; a property that is missing reads ''; nothing is filled with zeros."""
    await meter(tester)
    events = [("de", True, "1"), ("de", True, "20"), ("fr", False, "300"), ("de", False, "4000"), (None, True, "50000")]
    await send(
        tester,
        *(
            {
                "meter": "calls",
                "quantity": quantity,
                "occurredAt": f"2026-05-1{n}T12:00:00Z",
                "properties": {"paid": paid} | ({"land": land} if land else {}),
            }
            for n, (land, paid, quantity) in enumerate(events)
        ),
    )
    found = await series(tester, "2026-05-10T00:00:00Z", "2026-05-20T00:00:00Z", "TOTAL", groupBy=["land", "paid"])
    assert [(bucket["group"], bucket["value"]) for bucket in found["buckets"]] == [
        (["", "true"], "50000"),
        (["de", "false"], "4000"),
        (["de", "true"], "21"),
        (["fr", "false"], "300"),
    ]
    daily = await series(tester, "2026-05-10T00:00:00Z", "2026-05-20T00:00:00Z", "DAY", groupBy=["land"])
    assert [bucket["group"] for bucket in daily["buckets"]] == [["de"], ["de"], ["fr"], ["de"], [""]]


async def test_a_series_is_of_one_customer_where_it_is_named(tester: Caller) -> None:
    """A customer's own; none of a customer that is not there."""
    await meter(tester)
    customer_id = await customer(tester)
    at = {"meter": "calls", "occurredAt": "2026-05-19T00:00:00Z"}
    await send(tester, {**at, "customerId": customer_id, "quantity": "7"}, {**at, "quantity": "60"})
    span = ("2026-05-19T00:00:00Z", "2026-05-20T00:00:00Z", "TOTAL")
    assert (await series(tester, *span))["total"] == "67"
    assert (await series(tester, *span, customerId=customer_id))["total"] == "7"
    for nobody in ("cus_01h455vb4pex5vsknk084sn02q", "xyzzy"):
        assert (await series(tester, *span, customerId=nobody))["total"] == "0"


@pytest.mark.parametrize(
    ("start", "end", "window", "more"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "MINUTE", {}),
        ("1002-01-01T00:00:00Z", "9998-01-01T00:00:00Z", "MONTH", {}),
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "DAY", {}),
        ("1000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "DAY", {}),
        ("9999-12-30T00:00:00Z", "9999-12-31T23:59:59Z", "MONTH", {}),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "DAY", {"groupBy": list("abcdef")}),
    ],
)
async def test_a_series_beyond_its_bounds_is_bad_input(
    founder: Founder, start: str, end: str, window: str, more: dict[str, Any]
) -> None:
    """At most 5,000 buckets and five properties, and a span that the calendar knows."""
    caller = await counting(founder, "America/New_York", "2026-05-20T00:00:00Z")
    answer = await caller.ask(SERIES, period={"start": start, "end": end}, window=window, **more)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]


async def test_every_zone_that_is_taken_can_be_counted_in(founder: Founder, administrator: asyncpg.Connection) -> None:
    """The zones that an organization may choose are reckoned in by us, whatever the database knows."""
    caller = await counting(founder, "UTC", "2026-05-20T00:00:00Z", "2026-05-19T23:59:59Z")
    known = {row[0] for row in await administrator.fetch("select name from pg_timezone_names")}
    for zone in [
        *sorted(available_timezones() - known - {"localtime", "Factory"})[:5],
        "America/Coyhaique",
        "Asia/Kolkata",
    ]:
        await caller.change("organizationUpdate", {"timeZone": zone}, "organization { id }")
        found = await series(caller, "2026-05-18T00:00:00Z", "2026-05-20T00:00:00Z", "DAY")
        assert (found["total"], sum(bucket["events"] for bucket in found["buckets"])) == ("1", 1)


ZONES = sorted(available_timezones() - {"localtime", "Factory"})


@settings(max_examples=300, deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    window=st.sampled_from([UsageWindow.HOUR, UsageWindow.DAY, UsageWindow.MONTH]),
    start=st.datetimes(datetime(1970, 1, 1), datetime(2037, 12, 1)),
    hours=st.integers(1, 24 * 100),
)
@example("Australia/Lord_Howe", UsageWindow.HOUR, datetime(2026, 4, 4, 15, 10), 3)
@example("America/St_Johns", UsageWindow.DAY, datetime(2010, 11, 7, 2, 45), 30)
@example("Pacific/Apia", UsageWindow.DAY, datetime(2011, 12, 29), 72)
@example("Antarctica/Troll", UsageWindow.HOUR, datetime(2026, 3, 29), 48)
def test_buckets_tile_their_period_in_every_zone(zone: str, window: UsageWindow, start: datetime, hours: int) -> None:
    """Each bucket begins where the one before ends, is not empty, and begins at a full hour, day or month."""
    period = Period(start.replace(tzinfo=UTC), start.replace(tzinfo=UTC) + timedelta(hours=hours))
    buckets = bucket_periods(period, window, ZoneInfo(zone), 5_000)
    assert buckets
    assert (buckets[0].start, buckets[-1].end) == (period.start, period.end)
    for before, after in itertools.pairwise(buckets):
        assert before.start < before.end == after.start
        local = after.start.astimezone(ZoneInfo(zone))
        earlier = (after.start - timedelta(microseconds=1)).astimezone(ZoneInfo(zone))
        match window:
            case UsageWindow.HOUR:
                assert (local.minute, local.second, local.microsecond) == (0, 0, 0)
            case UsageWindow.DAY:
                assert (local.hour, local.minute) == (0, 0) or local.utcoffset() != earlier.utcoffset()
            case UsageWindow.MONTH:
                assert local.month != earlier.month
