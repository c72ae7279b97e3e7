"""Three currencies, one without decimals and one with three."""

from tests.operations.steps import customer, meter, plan, send, soft_quota, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance

CURRENCIES = ("USD", "JPY", "KWD")

ASKED = """{ customers(first: 10) { nodes { currency balances { amount currency decimal formatted }
  invoices(first: 1) { nodes { total { amount decimal formatted } lineItems { amount { amount } } } } } }
  balances { amount currency } }"""


async def test_three_currencies_keep_to_themselves(company: Company) -> None:
    """M24: amounts are whole minor units of each currency, 2, 0 and 3 decimals; no sum mixes two."""
    caller = await company("2026-05-01T00:00:00Z", time_zone="Asia/Tokyo")
    await meter(caller)
    for code in CURRENCIES:
        await plan(caller, code.lower(), 9900, soft_quota("calls", unit_price="0.5"), currency=code)
        customer_id = await customer(caller, f"{code} Trading", currency=code, externalId=code)
        await subscription(caller, code.lower(), customerId=customer_id)
        event = {"eventId": code, "meter": "calls", "quantity": "3", "externalCustomerId": code}
        assert await send(caller, event) == ["ACCEPTED"]
    await advance(caller, "2026-06-02T00:00:00Z")
    found = await caller.data(ASKED)
    shown = {
        one["currency"]: one["invoices"]["nodes"][0]["total"]
        for one in found["customers"]["nodes"]
        if one["invoices"]["nodes"]
    }
    # 9900 and 3 x 0.5 minor units, 1.5, which is rounded once, away from zero.
    assert shown == {
        "USD": {"amount": 9902, "decimal": "99.02", "formatted": "$99.02"},
        "JPY": {"amount": 9902, "decimal": "9902", "formatted": "¥9,902"},
        "KWD": {"amount": 9902, "decimal": "9.902", "formatted": "KWD\N{NO-BREAK SPACE}9.902"},
    }
    assert sorted(money["currency"] for money in found["balances"]) == sorted(CURRENCIES)
    assert [money["amount"] for money in found["balances"]] == [9902] * 3
