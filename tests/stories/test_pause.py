"""A pause stops the base fee for its part of a period and leaves usage billable."""

from tests.operations.steps import codes, meter, plan, send, soft_quota, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, status, told


async def test_a_pause_in_arrears(company: Company) -> None:
    """Paused from 11 May to 21 June: ten days of May, ten of June, and all usage."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 3100, soft_quota("calls"))
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-11T00:00:00Z")
    paused = await caller.change(
        "subscriptionPause",
        {"subscriptionId": subscription_id, "resumesAt": "2026-06-21T00:00:00Z"},
        "subscription { status pausedAt resumesAt version }",
    )
    assert paused["subscription"] == {
        "status": "PAUSED",
        "pausedAt": "2026-05-11T00:00:00Z",
        "resumesAt": "2026-06-21T00:00:00Z",
        "version": 2,
    }
    assert codes(await caller.attempt("subscriptionPause", {"subscriptionId": subscription_id}, "__typename")) == [
        "INVALID_STATE"
    ]
    assert await send(caller, {"meter": "calls", "quantity": "44"}) == ["ACCEPTED"]
    await advance(caller, "2026-06-21T00:00:00Z")
    assert await status(caller, subscription_id) == "ACTIVE"
    await advance(caller, "2026-08-01T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 1000), ("USAGE", 44)]),
        ("PERIOD", "2026-06-01 > 2026-07-01", [("BASE_FEE", 1033), ("USAGE", 0)]),
        ("PERIOD", "2026-07-01 > 2026-08-01", [("BASE_FEE", 3100), ("USAGE", 0)]),
    ]


async def test_a_pause_in_advance_is_settled_on_the_next_invoice(company: Company) -> None:
    """Paused from 11 May until it is resumed on 16 June: the rest of May is credited on 1 June, which charges nothing;
    the rest of June is charged on 1 July."""
    caller = await company("2026-05-01T00:00:00Z")
    await plan(caller, "pro", 3100, timing="IN_ADVANCE")
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-11T00:00:00Z")
    await caller.change("subscriptionPause", {"subscriptionId": subscription_id}, "subscription { status }")
    await advance(caller, "2026-06-16T00:00:00Z")
    resumed = await caller.change(
        "subscriptionResume", {"subscriptionId": subscription_id}, "subscription { status pausedAt resumesAt }"
    )
    assert resumed["subscription"] == {"status": "ACTIVE", "pausedAt": None, "resumesAt": None}
    await advance(caller, "2026-07-01T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-01 > 2026-06-01", [("BASE_FEE", 3100)]),
        ("PERIOD", "2026-06-01 > 2026-07-01", [("PRORATION", -2100)]),
        ("PERIOD", "2026-07-01 > 2026-08-01", [("BASE_FEE", 3100), ("PRORATION", 1550)]),
    ]


async def test_a_month_that_was_paused_whole_gives_no_invoice(company: Company) -> None:
    """Without a fee and without metered features there is nothing to ask for."""
    caller = await company("2026-05-01T00:00:00Z")
    await plan(caller, "pro", 3100)
    subscription_id = await subscription(caller)
    await caller.change("subscriptionPause", {"subscriptionId": subscription_id}, "subscription { status }")
    await advance(caller, "2026-08-01T00:00:00Z")
    assert await invoices(caller) == []
    assert await status(caller, subscription_id) == "PAUSED"
