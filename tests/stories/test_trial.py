"""A trial that converts, in arrears and in advance, and one that does not."""

from tests.operations.steps import meter, plan, send, soft_quota, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, status, told


async def test_a_trial_that_converts_bills_its_first_active_month_in_arrears(company: Company) -> None:
    """M18: the trial bills nothing, its usage neither; the base fee starts with the first ACTIVE period."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 2900, soft_quota("calls"), trialDays=14)
    subscription_id = await subscription(caller)
    assert await status(caller, subscription_id) == "TRIALING"
    assert await send(caller, {"meter": "calls", "quantity": "70"}) == ["ACCEPTED"]
    await advance(caller, "2026-05-15T00:00:00Z")
    assert await status(caller, subscription_id) == "ACTIVE"
    assert await invoices(caller) == []
    assert await send(caller, {"eventId": "paid", "meter": "calls", "quantity": "30"}) == ["ACCEPTED"]
    await advance(caller, "2026-06-15T00:00:00Z")
    assert told(await invoices(caller)) == [
        ("PERIOD", "2026-05-15 > 2026-06-15", [("BASE_FEE", 2900), ("USAGE", 30)]),
    ]


async def test_a_trial_that_converts_bills_its_first_month_in_advance(company: Company) -> None:
    """IN_ADVANCE the first base fee falls due as the trial ends, usage of that month a month later."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "pro", 2900, soft_quota("calls"), trialDays=14, timing="IN_ADVANCE")
    subscription_id = await subscription(caller)
    await advance(caller, "2026-05-20T00:00:00Z")
    assert told(await invoices(caller)) == [("PERIOD", "2026-05-15 > 2026-06-15", [("BASE_FEE", 2900)])]
    assert await send(caller, {"meter": "calls", "quantity": "30"}) == ["ACCEPTED"]
    await advance(caller, "2026-06-15T00:00:00Z")
    assert told(await invoices(caller, subscription_id))[1:] == [
        ("PERIOD", "2026-06-15 > 2026-07-15", [("BASE_FEE", 2900), ("USAGE", 30)]),
    ]


async def test_a_trial_that_ends_with_a_cancellation_costs_nothing(company: Company) -> None:
    """Cancelled for the period's end while TRIALING, it ends with the trial."""
    caller = await company("2026-05-01T00:00:00Z")
    await plan(caller, "pro", 2900, trialDays=14)
    subscription_id = await subscription(caller)
    cancelled = await caller.change(
        "subscriptionCancel", {"subscriptionId": subscription_id}, "subscription { cancelAt trialEnd }"
    )
    assert cancelled["subscription"] == {"cancelAt": "2026-05-15T00:00:00Z", "trialEnd": "2026-05-15T00:00:00Z"}
    await advance(caller, "2026-08-01T00:00:00Z")
    assert await status(caller, subscription_id) == "CANCELED"
    assert await invoices(caller) == []
