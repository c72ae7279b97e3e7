"""Documents that are made to be expensive: each is refused by a bound that it names, or costs nothing to answer."""

import pytest
from graphql import get_introspection_query

from tests.api.bombs import BOMBS, CIRCLE, nested
from tests.caller import Caller

NEWER = {"accept": "application/graphql-response+json"}


@pytest.mark.parametrize("name", BOMBS)
async def test_a_bomb_is_refused(owner: Caller, name: str) -> None:
    """With one error, its code and 400; nothing of it is executed."""
    answer = await owner.post({"query": BOMBS[name]}, headers=NEWER)
    errors = answer.json()["errors"]
    code = "BAD_USER_INPUT" if name == CIRCLE else "QUERY_TOO_COMPLEX"
    assert (answer.status_code, {error["extensions"]["code"] for error in errors}) == (400, {code})
    assert "data" not in answer.json()


async def test_a_bomb_of_variables_is_refused(owner: Caller) -> None:
    """However they are nested, and however many there are."""
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    for variables, status in [
        ({"ids": ["x"] * 2_000}, 200),  # the field itself says that 100 is the most
        ({"ids": ["x"] * 2_001}, 400),
        ({"ids": {"a": [[[[[{}]]]]] * 5_000}}, 400),
        ({f"v{number}": number for number in range(8_000)} | {"ids": None}, 400),
    ]:
        answer = await owner.post({"query": query, "variables": variables}, headers=NEWER)
        (error,) = answer.json()["errors"]
        assert (answer.status_code, error["extensions"]["code"]) == (status, "BAD_USER_INPUT")


FINE = {
    "depth": nested(10),
    "nested fragments": "{ ...F0 }"
    + "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(49))
    + "fragment F49 on Query { viewer { name } }",
    "a component's fragments": "{ customers(first: 1) { nodes { "
    + " ".join(f"...F{n}" for n in range(40))
    + " } } }"
    + "".join(f"fragment F{n} on Customer {{ id name organization {{ id }} }}" for n in range(40)),
    "introspection": get_introspection_query(),
}


@pytest.mark.parametrize("name", FINE)
async def test_what_clients_really_send_is_answered(owner: Caller, name: str) -> None:
    """Relay's nesting, components that each bring a fragment, the query of every tool."""
    assert "errors" not in await owner.ask(FINE[name])
