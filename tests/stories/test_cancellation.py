"""Cancellations: on day 7 of 31, at the period's end, on a day to come; in arrears and in advance."""

import pytest

from tests.operations.steps import meter, plan, send, soft_quota, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, statement, status, told


async def test_a_cancellation_on_day_7_of_31_is_6_55_and_usage_is_whole(company: Company) -> None:
    """E11: 29.00 x 7/31 is 6.55, and 950 calls stay 950; nothing more comes of it, however far the clock moves."""
    caller = await company("2026-05-13T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 2900, soft_quota("calls"))
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-20T00:00:00Z")
    assert await send(caller, {"meter": "calls", "quantity": "950", "occurredAt": "2026-05-19T12:00:00Z"}) == [
        "ACCEPTED"
    ]
    await caller.change("subscriptionCancel", {"subscriptionId": subscription_id, "timing": "NOW"}, "invoice { id }")
    await advance(caller, "2026-12-01T00:00:00Z")
    (invoice,) = await invoices(caller)
    assert told([invoice]) == [("CANCELLATION", "2026-05-13 > 2026-05-20", [("BASE_FEE", 655), ("USAGE", 950)])]
    assert invoice["notes"] == "Prorated: cancelled on 2026-05-20 (7 of 31 days)"
    assert await statement(caller) == [("CHARGE", 1605, 1605)]


async def test_a_cancellation_in_advance_credits_the_rest_of_what_was_paid(company: Company) -> None:
    """The fee of the whole month was billed as it began: the rest is credited, and stays as the customer's credit."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 3100, soft_quota("calls"), timing="IN_ADVANCE")
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-11T00:00:00Z")
    assert await send(caller, {"meter": "calls", "quantity": "60"}) == ["ACCEPTED"]
    await advance(caller, "2026-05-12T00:00:00Z")
    await caller.change("subscriptionCancel", {"subscriptionId": subscription_id, "timing": "NOW"}, "invoice { id }")
    await advance(caller, "2026-12-01T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 3100)]),
        ("CANCELLATION", "2026-05-01 > 2026-05-12", [("PRORATION", -2000), ("USAGE", 60)]),
    ]
    assert await statement(caller) == [("CHARGE", 3100, 3100), ("CREDIT", -1940, 1160)]


@pytest.mark.parametrize(
    ("timing", "at", "ends_at", "expected"),
    [
        ("PERIOD_END", None, "2026-06-01T00:00:00Z", [("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 3100)])]),
        (
            "AT",
            "2026-06-11T00:00:00Z",
            "2026-06-11T00:00:00Z",
            [
                ("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 3100)]),
                ("CANCELLATION", "2026-06-01 > 2026-06-11", [("BASE_FEE", 1033)]),
            ],
        ),
        (
            "AT",
            "2026-05-02T00:00:00Z",
            "2026-05-02T00:00:00Z",
            [("CANCELLATION", "2026-05-01 > 2026-05-02", [("BASE_FEE", 100)])],
        ),
    ],
)
async def test_a_cancellation_takes_effect_when_its_time_comes(
    company: Company, timing: str, at: str | None, ends_at: str, expected: list[object]
) -> None:
    """M19: the request prorates nothing; the end does, once, whether it lies ahead or behind."""
    caller = await company("2026-05-01T00:00:00Z")
    await plan(caller, "pro", 3100)
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-11T00:00:00Z")
    cancelled = await caller.change(
        "subscriptionCancel",
        {"subscriptionId": subscription_id, "timing": timing, "at": at},
        "subscription { cancelAt }",
    )
    assert cancelled["subscription"]["cancelAt"] == ends_at
    await advance(caller, "2026-09-01T00:00:00Z")
    assert await status(caller, subscription_id) == "CANCELED"
    assert told(await invoices(caller)) == expected
