"""customer.create."""

from typing import Any

import pytest

from tests.caller import Caller
from tests.operations.steps import customer, refusal

SELECT = """customer { id name email externalId currency isDefault metadata createdAt updatedAt
address { line1 line2 city region postalCode country } }"""


async def test_a_customer_is_stored_as_it_was_given(owner: Caller) -> None:
    """What comes back from the mutation, from node and from the external id is one and the same record."""
    given = {
        "name": "Frobozz & Søn",
        "email": "kvitteringer@frobozz.example",
        "externalId": "frobozz-77",
        "currency": "DKK",
        "metadata": {"tier": "grue", "": ""} | {"colour": "ultraviolet"},
        "address": {"line1": "Zork Allé 1", "city": "Quux", "postalCode": "0007", "country": "DK"},
    }
    del given["metadata"][""]
    made = (await owner.change("customerCreate", given, SELECT))["customer"]
    assert made == {
        **given,
        "id": made["id"],
        "isDefault": False,
        "createdAt": made["createdAt"],
        "updatedAt": made["createdAt"],
        "address": {**given["address"], "line2": None, "region": None},
    }
    read = "{ byId: customer(id: $id) { ...F } byOwn: customer(externalId: $own) { ...F } node(id: $id) { ...F } }"
    fragment = " fragment F on Customer " + SELECT.removeprefix("customer ")
    found = await owner.data(f"query($id: ID!, $own: String!) {read}{fragment}", id=made["id"], own="frobozz-77")
    assert found == {"byId": made, "byOwn": made, "node": made}


@pytest.mark.parametrize(
    ("given", "field", "stored"),
    [
        ({"name": "  Plugh \n"}, "name", "Plugh"),
        ({"name": "e\u0301clair"}, "name", "\u00e9clair"),
        ({"name": "Plugh", "metadata": {}}, "metadata", {}),
        ({"name": "Plugh", "metadata": None}, "metadata", {}),
        ({"name": "Plugh"}, "currency", "USD"),
        ({"name": "Plugh", "currency": None}, "currency", "USD"),
        ({"name": "Plugh", "currency": "JPY"}, "currency", "JPY"),
        ({"name": "Plugh", "email": None}, "email", None),
    ],
)
async def test_what_is_left_out_or_untidy_is_put_right(
    owner: Caller, given: dict[str, Any], field: str, stored: Any
) -> None:
    """Texts lose white space around them and take normal form C; the organization's currency is the default."""
    made = await owner.change("customerCreate", given, SELECT)
    assert made["customer"][field] == stored


@pytest.mark.parametrize(
    ("given", "code", "path"),
    [
        ({"name": ""}, "INVALID", "name"),
        ({"name": " \t\n "}, "INVALID", "name"),
        ({"name": "x" * 201}, "INVALID", "name"),
        ({"name": "bell\x07"}, "INVALID", "name"),
        ({"email": "nobody"}, "INVALID", "email"),
        ({"email": "a b@c"}, "INVALID", "email"),
        ({"email": "@"}, "INVALID", "email"),
        ({"email": "x" * 65 + "@y.example"}, "INVALID", "email"),
        ({"externalId": ""}, "INVALID", "externalId"),
        ({"externalId": "x" * 256}, "INVALID", "externalId"),
        ({"externalId": "taken"}, "ALREADY_EXISTS", "externalId"),
        ({"externalId": " taken "}, "ALREADY_EXISTS", "externalId"),
        ({"address": {"country": "DK", "line1": ""}}, "INVALID", "line1"),
        ({"address": {"country": "DK", "postalCode": "x" * 201}}, "INVALID", "postalCode"),
        ({"metadata": {"k": "bell\x07"}}, "INVALID", "k"),
    ],
)
async def test_a_customer_that_breaks_a_rule_is_refused_where_it_does(
    owner: Caller, given: dict[str, Any], code: str, path: str
) -> None:
    """The refusal's path leads to the value that is wrong."""
    await customer(owner, externalId="taken")
    refused = await owner.attempt("customerCreate", {"name": "Plugh", **given}, "customer { id }")
    assert refused["customer"] is None
    assert refusal(refused) == (code, path)


async def test_two_organizations_may_know_a_customer_by_the_same_id(owner: Caller, stranger: Caller) -> None:
    """An external id is unique in its organization alone, so none learns of another's (M15)."""
    assert await customer(owner, externalId="shared-id") != await customer(stranger, externalId="shared-id")
