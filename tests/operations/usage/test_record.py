"""usage.record: events in, each counted once."""

import asyncio
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.operations.usage.record import NewEvent, record_usage
from app.store.tenancy import Database
from tests.caller import Caller
from tests.operations.steps import codes, customer, database_of, meter, plan, send, set_clock, soft_quota, subscription

DAY = {"start": "2026-05-20T00:00:00Z", "end": "2026-05-21T00:00:00Z"}
USED = """query($id: ID!, $meter: String!) { subscription(id: $id) {
usage(meter: $meter, window: TOTAL) { total buckets { value events } } } }"""


async def total(caller: Caller, subscription_id: str, meter_key: str = "calls") -> str:
    """What a subscription used of a meter in its current period."""
    return (await caller.data(USED, id=subscription_id, meter=meter_key))["subscription"]["usage"]["total"]


async def subscribed(caller: Caller) -> str:
    """A subscription to a plan that counts calls."""
    await meter(caller)
    await plan(caller, "pro", 0, soft_quota("calls"))
    return await subscription(caller)


@pytest.mark.parametrize(
    ("aggregation", "value"),
    [
        ("COUNT", "5"),
        ("SUM", "21.700000000001"),
        ("MAX", "10"),
        ("MIN", "0.700000000001"),
        ("AVG", "4.34"),
        ("LATEST", "4"),
        ("UNIQUE", "3"),
    ],
)
async def test_events_become_one_quantity(tester: Caller, aggregation: str, value: str) -> None:
    """Each aggregation, exact to the last decimal; of no events 0. It is what is shown, invoiced and previewed."""
    more = {"property": "user"} if aggregation == "UNIQUE" else {}
    await meter(tester, "calls", aggregation, **more)
    await plan(tester, "pro", 0, soft_quota("calls"))
    subscription_id = await subscription(tester)
    assert await total(tester, subscription_id) == "0"
    quantities = ["1", "10", "6", "0.700000000001", "4"]
    users: list[Any] = ["a", "a", 7, None, True]
    events = [
        {
            "meter": "calls",
            "quantity": quantity,
            "occurredAt": f"2026-05-20T00:0{n}:00Z",
            "properties": {"other": "x"} if user is None else {"user": user},
        }
        for n, (quantity, user) in enumerate(zip(quantities, users, strict=True))
    ]
    assert await send(tester, *reversed(events)) == ["ACCEPTED"] * 5
    assert (await total(tester, subscription_id)) == value
    made = await tester.change(
        "invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { lineItems { kind explanation { used } } }"
    )
    assert made["invoice"]["lineItems"][1] == {"kind": "USAGE", "explanation": {"used": value}}
    preview = "query($id: ID!) { subscription(id: $id) { upcomingInvoice { lineItems { explanation { used } } } } }"
    found = await tester.data(preview, id=subscription_id)
    assert found["subscription"]["upcomingInvoice"]["lineItems"][1]["explanation"]["used"] == value


async def test_the_same_event_counts_once_inside_a_call(tester: Caller) -> None:
    """(source, eventId) is its identity, whatever else it says; another source is another event (M15)."""
    subscription_id = await subscribed(tester)
    verdicts = await send(
        tester,
        {"eventId": "e", "meter": "calls", "quantity": "3"},
        {"eventId": "e", "meter": "calls", "quantity": "50"},
        {"eventId": " e ", "meter": "calls", "quantity": "700"},
        {"eventId": "e", "meter": "calls", "quantity": "9000", "source": "other"},
        {"eventId": "e", "meter": "unknown"},
    )
    assert verdicts == ["ACCEPTED", "DUPLICATE", "DUPLICATE", "ACCEPTED", "DUPLICATE"]
    assert await total(tester, subscription_id) == "9003"


async def test_the_same_events_from_parallel_callers_count_once(tester: Caller) -> None:
    """Twelve callers send the same 200 events, half of them backwards: none fails, each event is accepted once."""
    subscription_id = await subscribed(tester)
    events = [{"eventId": f"e-{n}", "meter": "calls", "quantity": "1"} for n in range(200)]
    answers = await asyncio.gather(*(send(tester, *(events if n % 2 else events[::-1])) for n in range(12)))
    verdicts = [verdict for answer in answers for verdict in answer]
    assert (verdicts.count("ACCEPTED"), verdicts.count("DUPLICATE")) == (200, 2200)
    assert await total(tester, subscription_id) == "200"


async def test_two_organizations_may_send_the_same_event(tester: Caller, stranger: Caller) -> None:
    """One's event ids say nothing about another's (M15)."""
    for caller in (tester, stranger):
        await meter(caller)
        assert await send(caller, {"eventId": "shared", "meter": "calls"}) == ["ACCEPTED"]


async def test_an_event_waits_for_its_meter(tester: Caller) -> None:
    """UNMATCHED counts nowhere until the meter exists, then as if it had come after; sent again it is a duplicate."""
    event = {"meter": "later", "quantity": "42", "occurredAt": "2026-05-19T00:00:00Z"}
    assert await send(tester, event) == ["UNMATCHED"]
    assert await send(tester, event) == ["DUPLICATE"]
    assert (await tester.data("{ usageEvents { nodes { id } } }"))["usageEvents"]["nodes"] == []
    await meter(tester, "later")
    found = await tester.data("{ usageEvents { nodes { quantity occurredAt meter { key } customer { isDefault } } } }")
    assert found["usageEvents"]["nodes"] == [
        {
            "quantity": "42",
            "occurredAt": "2026-05-19T00:00:00Z",
            "meter": {"key": "later"},
            "customer": {"isDefault": True},
        }
    ]
    assert await send(tester, event) == ["DUPLICATE"]


@pytest.mark.parametrize("spelling", ["e\u0301tage-9", "  étage-9 ", "étage-9"])
@pytest.mark.parametrize("first", ["customer", "event"])
@pytest.mark.parametrize("how", ["customerCreate", "customerUpdate"])
async def test_an_event_waits_for_its_customer(tester: Caller, how: str, first: str, spelling: str) -> None:
    """An external id is found however it is spelled, whether the customer or the event came first."""
    await meter(tester)

    async def bear_the_id() -> str:
        if how == "customerCreate":
            return await customer(tester, externalId="étage-9")
        customer_id = await customer(tester)
        await tester.change("customerUpdate", {"customerId": customer_id, "externalId": "étage-9"}, "customer { id }")
        return customer_id

    customer_id = await bear_the_id() if first == "customer" else ""
    verdict = await send(tester, {"meter": "calls", "externalCustomerId": spelling})
    assert verdict == (["ACCEPTED"] if first == "customer" else ["UNMATCHED"])
    customer_id = customer_id or await bear_the_id()
    found = await tester.data("{ usageEvents { nodes { customer { id } } } }")
    assert found["usageEvents"]["nodes"] == [{"customer": {"id": customer_id}}]


async def test_an_event_that_waits_for_both_needs_both(tester: Caller) -> None:
    """Its meter alone does not match it; its meter and its customer do."""
    assert await send(tester, {"meter": "calls", "externalCustomerId": "nobody-yet"}) == ["UNMATCHED"]
    await meter(tester)
    read = "{ usageEvents { nodes { customer { externalId } } } }"
    assert (await tester.data(read))["usageEvents"]["nodes"] == []
    await customer(tester, externalId="nobody-yet")
    assert (await tester.data(read))["usageEvents"]["nodes"] == [{"customer": {"externalId": "nobody-yet"}}]


async def test_no_event_is_missed_while_its_meter_comes_to_be(tester: Caller, database: Database) -> None:
    """An event and its meter in two transactions that overlap find each other, whichever commits first."""
    for number in range(12):
        key = f"meter-{number}"
        sent, _ = await asyncio.gather(send(tester, {"eventId": key, "meter": key}), meter(tester, key))
        assert sent in (["UNMATCHED"], ["ACCEPTED"])
    found = await tester.data("{ usageEvents { nodes { eventId } } }")
    assert len(found["usageEvents"]["nodes"]) == 12


async def test_an_open_call_keeps_a_meter_waiting_until_its_events_are_there(
    tester: Caller, database: Database
) -> None:
    """The meter's transaction waits for a call that keeps an event for it, and matches that event."""
    sender = database_of(database, tester)
    await sender.hold_write()
    event = NewEvent("held", "api", "calls", None, None, None, Decimal(1), None, None)
    (result,) = await record_usage(sender, [event])
    assert result.verdict == "UNMATCHED"
    making = asyncio.create_task(meter(tester))
    await asyncio.sleep(0.3)
    assert not making.done()
    await sender.release(commit=True)
    await making
    found = await tester.data("{ usageEvents { nodes { eventId } } }")
    assert found["usageEvents"]["nodes"] == [{"eventId": "held"}]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"eventId": ""}, "not empty"),
        ({"eventId": " "}, "not empty"),
        ({"eventId": "x" * 256}, "255 characters"),
        ({"eventId": "bell\x07"}, "control characters"),
        ({"source": ""}, "not empty"),
        ({"meter": ""}, "1 to 100"),
        ({"meter": "calls "}, "1 to 100"),
        ({"meter": "no such key"}, "1 to 100"),
        ({"quantity": "-0.000000000001"}, "from 0"),
        ({"quantity": "-1"}, "Give a quantity from 0 to 1,000,000,000,000,000."),
        ({"quantity": "999999999999999.999999999999"}, None),
        ({"quantity": "1000000000000000.000000000000"}, None),
        ({"quantity": "1000000000000000.000000000001"}, "to 1,000,000,000,000,000."),
        ({"quantity": "9" * 24}, "to 1,000,000,000,000,000."),
        ({"quantity": "0.0000000000001"}, "12 decimals"),
        ({"quantity": "99999.000000000000000000000001"}, "12 decimals"),  # 29 digits, and none is rounded away
        ({"quantity": "0.500000000000000000000000"}, None),
        ({"quantity": "0"}, None),
        ({"occurredAt": "2026-04-14T23:59:59.999999Z"}, "35 days"),
        ({"occurredAt": "2026-04-15T00:00:00Z"}, None),
        ({"occurredAt": "2026-05-20T00:15:00Z"}, None),
        ({"occurredAt": "2026-05-20T00:15:00.000001Z"}, "15 minutes"),
        ({"occurredAt": "1000-01-01T00:00:00Z"}, "35 days"),
        ({"occurredAt": "9999-12-31T23:59:59Z"}, "15 minutes"),
        ({"customerId": "cus_01h455vb4pex5vsknk084sn02q"}, "No customer has this id."),
        ({"customerId": "xyzzy"}, "No customer has this id."),
        ({"customerId": "sub_01h455vb4pex5vsknk084sn02q"}, "No customer has this id."),
        ({"subscriptionId": "sub_01h455vb4pex5vsknk084sn02q"}, "No subscription has this id."),
        ({"subscriptionId": "xyzzy"}, "No subscription has this id."),
        ({"externalCustomerId": ""}, "not empty"),
        ({"externalCustomerId": "x", "customerId": "xyzzy"}, "Give one of"),
    ],
)
async def test_a_bad_event_is_rejected_and_stops_no_other(
    tester: Caller, event: dict[str, Any], message: str | None
) -> None:
    """Each event is judged by itself: it is not stored, its message says why, and its neighbours are (M14, M44)."""
    await meter(tester)
    good = {"meter": "calls", "eventId": "good-1"}, {"meter": "calls", "eventId": "good-2"}
    events = [good[0], {"eventId": "judged", "meter": "calls", **event}, good[1]]
    select = "accepted duplicates unmatched rejected results(all: true) { index eventId verdict message }"
    answer = await tester.change("usageRecord", {"events": events}, select)
    verdicts = [result["verdict"] for result in answer["results"]]
    assert [result["index"] for result in answer["results"]] == [0, 1, 2]
    if message is None:
        assert verdicts == ["ACCEPTED"] * 3
    else:
        assert verdicts == ["ACCEPTED", "REJECTED", "ACCEPTED"]
        assert message in answer["results"][1]["message"]
        assert answer["results"][1]["eventId"] == events[1]["eventId"]
    assert (answer["accepted"], answer["rejected"]) == (2 + (message is None), int(message is not None))
    stored = await tester.data("{ usageEvents { nodes { id } } }")
    assert len(stored["usageEvents"]["nodes"]) == answer["accepted"]


async def test_a_foreign_id_is_rejected_like_an_unknown_one(tester: Caller, stranger: Caller) -> None:
    """The message tells nothing of another organization's customers and subscriptions (A3)."""
    await meter(tester)
    foreign = {"customerId": await customer(stranger), "subscriptionId": await subscribed(stranger)}
    unknown = {"customerId": "cus_01h455vb4pex5vsknk084sn02q", "subscriptionId": "sub_01h455vb4pex5vsknk084sn02q"}
    select = "results { verdict message }"
    for name in foreign:
        answers = [
            await tester.change(
                "usageRecord", {"events": [{"eventId": "e", "meter": "calls", name: ids[name]}]}, select
            )
            for ids in (foreign, unknown)
        ]
        assert answers[0] == answers[1]
        assert answers[0]["results"][0]["verdict"] == "REJECTED"


async def test_a_call_takes_a_thousand_events_and_no_more(tester: Caller) -> None:
    """1,000 are stored, 1,001 are refused whole, none is an empty call."""
    await meter(tester)
    events = [{"eventId": f"e-{n}", "meter": "calls"} for n in range(1001)]
    refused = await tester.attempt("usageRecord", {"events": events}, "accepted")
    assert (refused["accepted"], codes(refused)) == (0, ["INVALID"])
    assert (await tester.change("usageRecord", {"events": events[1:]}, "accepted"))["accepted"] == 1000
    assert (await tester.change("usageRecord", {"events": []}, "accepted"))["accepted"] == 0


async def test_an_event_before_any_subscription_counts_for_the_first_that_covers_it(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """Made since, reaching back over it: the first one made counts it, and only that one, even made at one instant."""
    await meter(tester)
    await plan(tester, "pro", 0, soft_quota("calls"))
    await plan(tester, "deaf", 0)
    assert await send(tester, {"meter": "calls", "quantity": "42", "occurredAt": "2026-05-10T00:00:00Z"}) == [
        "ACCEPTED"
    ]
    too_late = await subscription(tester, startAt="2026-05-11T00:00:00Z")
    deaf = await subscription(tester, "deaf", startAt="2026-05-01T00:00:00Z")
    first = await subscription(tester, startAt="2026-05-10T00:00:00Z")
    second = await subscription(tester, startAt="2026-05-01T00:00:00Z")
    assert [await total(tester, each) for each in (too_late, deaf, first, second)] == ["0", "0", "42", "0"]
    bills = [
        await tester.change("invoiceGenerate", {"subscriptionId": each}, "invoice { total { amount } }")
        for each in (too_late, deaf, first, second)
    ]
    assert [bill["invoice"]["total"]["amount"] for bill in bills] == [0, 0, 42, 0]


async def test_an_event_is_carried_by_what_covers_it_when_it_comes(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """By the subscription it names, else by the customer's first that counts the meter at that instant."""
    await meter(tester)
    await plan(tester, "pro", 0, soft_quota("calls"))
    other = await customer(tester, externalId="other-1")
    ended = await subscription(tester, startAt="2026-05-01T00:00:00Z")
    await tester.change(
        "subscriptionCancel",
        {"subscriptionId": ended, "timing": "AT", "at": "2026-05-10T00:00:00Z"},
        "subscription { id }",
    )
    first, second = await subscription(tester, startAt="2026-05-05T00:00:00Z"), await subscription(tester)
    others = await subscription(tester, customerId=other)
    await send(
        tester,
        {"meter": "calls", "occurredAt": "2026-05-09T23:59:59Z"},
        {"meter": "calls", "occurredAt": "2026-05-10T00:00:00Z"},
        {"meter": "calls", "subscriptionId": second},
        {"meter": "calls", "externalCustomerId": "other-1"},
        {"meter": "calls", "customerId": other, "occurredAt": "2026-05-19T00:00:00Z"},
    )
    found = await tester.data("{ usageEvents { nodes { eventId subscription { id } } } }")
    carried = {
        node["eventId"]: node["subscription"] and node["subscription"]["id"] for node in found["usageEvents"]["nodes"]
    }
    assert carried == {"event-0": ended, "event-1": first, "event-2": second, "event-3": others, "event-4": None}


async def test_properties_keep_their_types(tester: Caller) -> None:
    """Strings, numbers and booleans come back as they were sent."""
    await meter(tester)
    properties = {"text": "Grüße \U0001f40d", "number": 7, "fraction": 0.5, "yes": True, "no": False, "": "x"}
    del properties[""]
    await send(tester, {"meter": "calls", "properties": properties}, {"meter": "calls"})
    found = await tester.data("{ usageEvents { nodes { eventId properties } } }")
    kept = {node["eventId"]: node["properties"] for node in found["usageEvents"]["nodes"]}
    assert kept == {"event-0": properties, "event-1": {}}


async def test_the_bounds_move_with_the_tenants_clock(tester: Caller, administrator: asyncpg.Connection) -> None:
    """What is too old by a TEST organization's clock is told by that clock, not by ours."""
    await meter(tester)
    await set_clock(administrator, tester, "2031-01-01T00:00:00Z")
    assert await send(tester, {"meter": "calls", "occurredAt": "2026-05-20T00:00:00Z"}) == ["REJECTED"]
    assert await send(tester, {"meter": "calls", "occurredAt": "2030-12-31T00:00:00Z"}) == ["ACCEPTED"]
