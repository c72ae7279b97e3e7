"""subscription.cancel: now, at the period's end, at an instant."""

import asyncio
from typing import Any

import asyncpg
import pytest

from app.store.tenancy import Database
from tests.caller import Caller
from tests.operations.steps import codes, meter, plan, refusal, send, set_clock, soft_quota, subscription

INVOICE = """invoice { status number reason notes period { start end } total { amount }
lineItems { kind quantity amount { amount } explanation { used billable exact } } }"""
STATE = "subscription { status version cancelRequestedAt cancelAt endedAt currentPeriod { start end } }"


async def started(caller: Caller, administrator: asyncpg.Connection, base_price: int = 2900, **more: Any) -> str:
    """A subscription since 13 May with 950 calls at 1 on it; by the clock it is the 20th."""
    await meter(caller)
    await plan(caller, "pro", base_price, soft_quota("calls"))
    await set_clock(administrator, caller, "2026-05-13T00:00:00Z")
    subscription_id = await subscription(caller, **more)
    assert await send(caller, {"meter": "calls", "quantity": "950"}) == ["ACCEPTED"]
    await set_clock(administrator, caller, "2026-05-20T00:00:00Z")
    return subscription_id


async def cancel(caller: Caller, subscription_id: str, select: str = STATE, **how: Any) -> dict[str, Any]:
    return await caller.attempt("subscriptionCancel", {"subscriptionId": subscription_id, **how}, select)


@pytest.mark.parametrize(
    ("base_price", "part"),
    [
        (2900, 655),  # E11, M5
        (9900, 2235),  # M5: a factor of 0.226 would give 2237
        (29000, 6548),
        (290000, 65484),
        (478800, 108116),  # M5: a factor of 0.226 would give 108209
        (0, 0),
    ],
)
async def test_a_cancellation_on_day_7_of_31_prorates_the_fee_and_bills_usage_whole(
    tester: Caller, administrator: asyncpg.Connection, base_price: int, part: int
) -> None:
    """E11: the fee is the exact 7/31, the 950 calls stay 950 (215 would be wrong), and the note says why (M5)."""
    subscription_id = await started(tester, administrator, base_price)
    payload = await cancel(tester, subscription_id, STATE + INVOICE, timing="NOW", reason="grue")
    invoice = payload["invoice"]
    assert invoice["notes"] == "Prorated: cancelled on 2026-05-20 (7 of 31 days)"
    assert invoice["period"] == {"start": "2026-05-13T00:00:00Z", "end": "2026-05-20T00:00:00Z"}
    assert [(line["kind"], line["amount"]["amount"]) for line in invoice["lineItems"]] == [
        ("BASE_FEE", part),
        ("USAGE", 950),
    ]
    assert invoice["lineItems"][1]["explanation"] == {"used": "950", "billable": "950", "exact": "950"}
    assert (invoice["status"], invoice["number"], invoice["reason"]) == ("FINALIZED", "INV-2026-0001", "CANCELLATION")
    assert payload["subscription"] == {
        "status": "CANCELED",
        "version": 2,
        "cancelRequestedAt": "2026-05-20T00:00:00Z",
        "cancelAt": "2026-05-20T00:00:00Z",
        "endedAt": "2026-05-20T00:00:00Z",
        "currentPeriod": {"start": "2026-05-13T00:00:00Z", "end": "2026-05-20T00:00:00Z"},
    }


async def test_a_cancellation_for_the_periods_end_bills_nothing_now(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """Until then it is ACTIVE; from then on it is CANCELED and ended, by the clock alone (M19)."""
    subscription_id = await started(tester, administrator)
    payload = await cancel(tester, subscription_id, STATE + INVOICE)
    assert payload["invoice"] is None
    assert payload["subscription"] == {
        "status": "ACTIVE",
        "version": 2,
        "cancelRequestedAt": "2026-05-20T00:00:00Z",
        "cancelAt": "2026-06-13T00:00:00Z",
        "endedAt": None,
        "currentPeriod": {"start": "2026-05-13T00:00:00Z", "end": "2026-06-13T00:00:00Z"},
    }
    read = f"query($id: ID!) {{ {STATE.replace('subscription', 'subscription(id: $id)', 1)} }}"
    for now, status, ended in [
        ("2026-06-12T23:59:59.999999Z", "ACTIVE", None),
        ("2026-06-13T00:00:00Z", "CANCELED", "2026-06-13T00:00:00Z"),
        ("2027-01-01T00:00:00Z", "CANCELED", "2026-06-13T00:00:00Z"),
    ]:
        await set_clock(administrator, tester, now)
        found = (await tester.data(read, id=subscription_id))["subscription"]
        assert (found["status"], found["endedAt"]) == (status, ended)
        assert found["currentPeriod"] == {"start": "2026-05-13T00:00:00Z", "end": "2026-06-13T00:00:00Z"}
    assert codes(await cancel(tester, subscription_id)) == ["INVALID_STATE"]


@pytest.mark.parametrize(
    ("at", "status", "billed"),
    [
        ("2026-05-15T12:00:00Z", "CANCELED", 234),  # 2900 x 2.5/31 = 233.87; the usage of the 13th is 950 more
        ("2026-05-13T00:00:00Z", "CANCELED", None),  # nothing was lived
        ("2026-05-20T00:00:00Z", "CANCELED", 655),
        ("2026-05-25T00:00:00Z", "ACTIVE", None),
        ("2030-01-01T00:00:00Z", "ACTIVE", None),
    ],
)
async def test_a_cancellation_at_an_instant_bills_at_once_only_what_is_past(
    tester: Caller, administrator: asyncpg.Connection, at: str, status: str, billed: int | None
) -> None:
    """AT may lie in the current period's past or in the future."""
    subscription_id = await started(tester, administrator)
    payload = await cancel(tester, subscription_id, STATE + INVOICE, timing="AT", at=at)
    assert (payload["subscription"]["status"], payload["subscription"]["cancelAt"]) == (status, at)
    amounts = payload["invoice"] and [line["amount"]["amount"] for line in payload["invoice"]["lineItems"]]
    assert amounts == (None if billed is None else [billed, 950])


@pytest.mark.parametrize(
    ("how", "code", "path"),
    [
        ({"timing": "AT"}, "INVALID", "at"),
        ({"timing": "AT", "at": None}, "INVALID", "at"),
        ({"timing": "NOW", "at": "2026-05-25T00:00:00Z"}, "INVALID", "at"),
        ({"timing": "PERIOD_END", "at": "2026-05-25T00:00:00Z"}, "INVALID", "at"),
        ({"timing": "AT", "at": "2026-05-12T23:59:59Z"}, "INVALID", "at"),
        ({"timing": "NOW", "expectedVersion": 2}, "VERSION_CONFLICT", "expectedVersion"),
        ({"timing": "NOW", "expectedVersion": 0}, "VERSION_CONFLICT", "expectedVersion"),
        ({"timing": "NOW", "reason": "x" * 2001}, "INVALID", "reason"),
        ({"timing": "NOW", "subscriptionId": "sub_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "subscriptionId"),
        ({"timing": "NOW", "subscriptionId": "xyzzy"}, "NOT_FOUND", "subscriptionId"),
    ],
)
async def test_a_cancellation_that_breaks_a_rule_changes_nothing(
    tester: Caller, administrator: asyncpg.Connection, how: dict[str, Any], code: str, path: str
) -> None:
    """Refused, the subscription runs on at its version."""
    subscription_id = await started(tester, administrator)
    assert refusal(await cancel(tester, subscription_id, **how)) == (code, path)
    read = "query($id: ID!) { subscription(id: $id) { status version cancelAt } }"
    found = await tester.data(read, id=subscription_id)
    assert found["subscription"] == {"status": "ACTIVE", "version": 1, "cancelAt": None}


async def test_a_pending_cancellation_may_be_moved_and_a_past_one_may_not(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """PERIOD_END, then NOW, then never again: once CANCELED it stays so, and is billed once."""
    subscription_id = await started(tester, administrator)
    assert codes(await cancel(tester, subscription_id)) == []
    now = await cancel(tester, subscription_id, STATE + INVOICE, timing="NOW", expectedVersion=2)
    assert (now["subscription"]["version"], now["invoice"]["number"]) == (3, "INV-2026-0001")
    for timing in ("NOW", "PERIOD_END"):
        assert refusal(await cancel(tester, subscription_id, timing=timing)) == ("INVALID_STATE", "subscriptionId")
    assert (await tester.data("{ invoices { totalCount } }"))["invoices"]["totalCount"] == 1


async def test_ten_who_cancel_at_once_cancel_and_bill_once(tester: Caller, administrator: asyncpg.Connection) -> None:
    """One is answered with the invoice, nine that it is CANCELED already."""
    subscription_id = await started(tester, administrator)
    answers = await asyncio.gather(*(cancel(tester, subscription_id, INVOICE, timing="NOW") for _ in range(10)))
    assert sorted(codes(answer) for answer in answers) == [[]] + [["INVALID_STATE"]] * 9
    listed = await tester.data("{ invoices { nodes { number } } ledgerEntries { totalCount } }")
    assert listed == {"invoices": {"nodes": [{"number": "INV-2026-0001"}]}, "ledgerEntries": {"totalCount": 1}}


@pytest.mark.parametrize(("settle", "refused"), [(None, True), ("invoiceVoid", False), ("invoiceDeleteDraft", False)])
async def test_a_draft_of_the_period_is_settled_before_a_cancellation(
    tester: Caller, administrator: asyncpg.Connection, settle: str | None, refused: bool
) -> None:
    """A draft would bill the whole period: it is voided or deleted first, then the part is billed."""
    subscription_id = await started(tester, administrator)
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    if settle is not None:
        await tester.change(settle, {"invoiceId": made["invoice"]["id"]}, "__typename")
    payload = await cancel(tester, subscription_id, INVOICE, timing="NOW")
    assert codes(payload) == (["INVALID_STATE"] if refused else [])
    assert (payload["invoice"] is None) is refused


async def test_what_was_invoiced_beyond_the_end_is_credited(tester: Caller, administrator: asyncpg.Connection) -> None:
    """Cancelled after its invoice was finalized, the rest of the fee is credited; usage is not billed twice."""
    subscription_id = await started(tester, administrator)
    made = await tester.change("invoiceGenerate", {"subscriptionId": subscription_id}, "invoice { id }")
    await tester.change("invoiceFinalize", {"invoiceId": made["invoice"]["id"]}, "invoice { id }")
    payload = await cancel(tester, subscription_id, STATE + INVOICE, timing="NOW")
    assert payload["subscription"]["status"] == "CANCELED"
    assert payload["invoice"]["total"] == {"amount": 655 - 2900}
    assert [(line["kind"], line["amount"]["amount"]) for line in payload["invoice"]["lineItems"]] == [
        ("PRORATION", 655 - 2900)
    ]


async def test_one_that_never_began_ends_without_an_invoice(tester: Caller, database: Database) -> None:
    """Cancelled NOW before its start, it never lives and nothing is billed."""
    await plan(tester)
    subscription_id = await subscription(tester, startAt="2026-07-01T00:00:00Z")
    payload = await cancel(tester, subscription_id, STATE + INVOICE, timing="NOW")
    assert payload["invoice"] is None
    assert payload["subscription"]["cancelAt"] == "2026-07-01T00:00:00Z"
