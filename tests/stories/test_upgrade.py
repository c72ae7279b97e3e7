"""An upgrade in the middle of a month, with each proration behaviour, in arrears and in advance."""

from typing import Any

import pytest

from tests.caller import Caller
from tests.operations.steps import meter, plan, send, soft_quota, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, told

MAY, JUNE, JULY = "2026-05-01 > 2026-06-01", "2026-06-01 > 2026-07-01", "2026-07-01 > 2026-08-01"
FIRST_TEN, REST = "2026-05-01 > 2026-05-11", "2026-05-11 > 2026-06-01"

# 3100 and 9300 a month of 31 days are 100 and 300 a day: ten days of the old plan, 21 of the new one.
IN_ARREARS: dict[str, list[Any]] = {
    "PRORATE_NOW": [
        ("PLAN_CHANGE", FIRST_TEN, [("PRORATION", 1000)]),
        ("PERIOD", MAY, [("BASE_FEE", 6300), ("USAGE", 5), ("USAGE", 14)]),
        ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 0)]),
    ],
    "PRORATE_NEXT": [
        ("PERIOD", MAY, [("PRORATION", 1000), ("BASE_FEE", 6300), ("USAGE", 5), ("USAGE", 14)]),
        ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 0)]),
    ],
    "NONE": [
        ("PERIOD", MAY, [("BASE_FEE", 3100), ("USAGE", 5), ("USAGE", 14)]),
        ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 0)]),
    ],
    "RESET_PERIOD": [
        ("PLAN_CHANGE", FIRST_TEN, [("BASE_FEE", 1000), ("USAGE", 5)]),
        ("PERIOD", "2026-05-11 > 2026-06-11", [("BASE_FEE", 9300), ("USAGE", 14)]),
    ],
}
IN_ADVANCE: dict[str, list[Any]] = {
    "PRORATE_NOW": [
        ("PERIOD", MAY, [("BASE_FEE", 3100)]),
        ("PLAN_CHANGE", REST, [("PRORATION", -2100), ("PRORATION", 6300)]),
        ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 5), ("USAGE", 14)]),
        ("PERIOD", JULY, [("BASE_FEE", 9300), ("USAGE", 0)]),
    ],
    "PRORATE_NEXT": [
        ("PERIOD", MAY, [("BASE_FEE", 3100)]),
        ("PERIOD", JUNE, [("BASE_FEE", 9300), ("PRORATION", -2100), ("PRORATION", 6300), ("USAGE", 5), ("USAGE", 14)]),
        ("PERIOD", JULY, [("BASE_FEE", 9300), ("USAGE", 0)]),
    ],
    "NONE": [
        ("PERIOD", MAY, [("BASE_FEE", 3100)]),
        ("PERIOD", JUNE, [("BASE_FEE", 9300), ("USAGE", 5), ("USAGE", 14)]),
        ("PERIOD", JULY, [("BASE_FEE", 9300), ("USAGE", 0)]),
    ],
    "RESET_PERIOD": [
        ("PERIOD", MAY, [("BASE_FEE", 3100)]),
        ("PLAN_CHANGE", "2026-05-11 > 2026-06-11", [("BASE_FEE", 9300), ("PRORATION", -2100), ("USAGE", 5)]),
        ("PERIOD", "2026-06-11 > 2026-07-11", [("BASE_FEE", 9300), ("USAGE", 14)]),
    ],
}


async def upgraded(company: Company, timing: str, proration: str) -> tuple[Caller, str | None]:
    """From Basic to Pro on 11 May, with 5 calls before and 7 (at 2 each) after; until the end of June."""
    caller = await company("2026-05-01T00:00:00Z")
    await meter(caller)
    await plan(caller, "basic", 3100, soft_quota("calls", unit_price="1"), timing=timing)
    await plan(caller, "pro", 9300, soft_quota("calls", unit_price="2"), timing=timing)
    subscription_id = await subscription(caller, "basic")
    await advance(caller, "2026-05-10T00:00:00Z")
    assert await send(caller, {"eventId": "before", "meter": "calls", "quantity": "5"}) == ["ACCEPTED"]
    await advance(caller, "2026-05-11T00:00:00Z")
    change = {"subscriptionId": subscription_id, "planKey": "pro", "proration": proration}
    changed = await caller.change("subscriptionChangePlan", change, "subscription { plan { key } } invoice { number }")
    assert changed["subscription"] == {"plan": {"key": "pro"}}
    assert await send(caller, {"eventId": "after", "meter": "calls", "quantity": "7"}) == ["ACCEPTED"]
    await advance(caller, "2026-07-01T00:00:00Z")
    return caller, changed["invoice"] and changed["invoice"]["number"]


@pytest.mark.parametrize(("proration", "expected"), IN_ARREARS.items())
async def test_an_upgrade_in_arrears(company: Company, proration: str, expected: list[Any]) -> None:
    """No second is charged twice or not at all, and usage belongs to the plan that was in force when it occurred."""
    caller, at_once = await upgraded(company, "IN_ARREARS", proration)
    assert told(await invoices(caller)) == expected
    assert (at_once == "INV-2026-0001") is (proration in ("PRORATE_NOW", "RESET_PERIOD"))


@pytest.mark.parametrize(("proration", "expected"), IN_ADVANCE.items())
async def test_an_upgrade_in_advance(company: Company, proration: str, expected: list[Any]) -> None:
    """The rest of the old fee is credited and the rest of the new one charged, now, on the next invoice, or never."""
    caller, at_once = await upgraded(company, "IN_ADVANCE", proration)
    assert told(await invoices(caller)) == expected
    assert (at_once == "INV-2026-0002") is (proration in ("PRORATE_NOW", "RESET_PERIOD"))
