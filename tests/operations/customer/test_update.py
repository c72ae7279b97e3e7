"""customer.update."""

from typing import Any

import pytest

from tests.caller import Caller
from tests.operations.steps import customer, refusal, set_clock

BEFORE = {
    "name": "Before Ltd",
    "email": "before@plugh.example",
    "externalId": "before-1",
    "address": {"line1": "1 Grue St", "line2": None, "city": None, "region": None, "postalCode": None, "country": "GB"},
    "metadata": {"k": "before"},
}
SELECT = "customer { name email externalId metadata address { line1 line2 city region postalCode country } }"


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ({}, {}),
        ({"name": "After"}, {"name": "After"}),
        ({"email": "after@plugh.example"}, {"email": "after@plugh.example"}),
        ({"email": None}, {"email": None}),
        ({"externalId": "after-1"}, {"externalId": "after-1"}),
        ({"externalId": "before-1"}, {}),
        ({"externalId": None}, {"externalId": None}),
        ({"address": None}, {"address": None}),
        ({"metadata": {"other": "1"}}, {"metadata": {"other": "1"}}),
        ({"metadata": None}, {"metadata": {}}),
    ],
)
async def test_null_takes_away_and_what_is_left_out_stays(
    owner: Caller, change: dict[str, Any], after: dict[str, Any]
) -> None:
    """Each field that is named changes, and no other does."""
    customer_id = await customer(owner, **BEFORE)
    updated = await owner.change("customerUpdate", {"customerId": customer_id, **change}, SELECT)
    assert updated["customer"] == BEFORE | after


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"name": None}, "INVALID", "name"),
        ({"name": " "}, "INVALID", "name"),
        ({"email": "nobody"}, "INVALID", "email"),
        ({"externalId": "taken"}, "ALREADY_EXISTS", "externalId"),
        ({"customerId": "cus_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "customerId"),
        ({"customerId": "inv_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "customerId"),
        ({"customerId": "xyzzy"}, "NOT_FOUND", "customerId"),
        ({"customerId": ""}, "NOT_FOUND", "customerId"),
    ],
)
async def test_a_change_that_breaks_a_rule_changes_nothing(
    owner: Caller, change: dict[str, Any], code: str, path: str
) -> None:
    """A refused update leaves the customer as it was."""
    await customer(owner, externalId="taken")
    customer_id = await customer(owner, **BEFORE)
    refused = await owner.attempt("customerUpdate", {"customerId": customer_id, **change}, "customer { id }")
    assert refusal(refused) == (code, path)
    kept = await owner.data(
        f"query($id: ID!) {{ {SELECT.replace('customer', 'customer(id: $id)', 1)} }}", id=customer_id
    )
    assert kept["customer"] == BEFORE


async def test_the_instant_of_a_change_is_the_tenants(tester: Caller, administrator: Any) -> None:
    """A TEST organization's clock, and no other, says when a customer was made and changed."""
    customer_id = await customer(tester)
    await set_clock(administrator, tester, "2026-06-07T08:09:10.5Z")
    changed = await tester.change(
        "customerUpdate", {"customerId": customer_id, "name": "Later"}, "customer { createdAt updatedAt }"
    )
    assert changed["customer"] == {"createdAt": "2026-05-20T00:00:00Z", "updatedAt": "2026-06-07T08:09:10.500000Z"}
