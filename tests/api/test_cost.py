"""What an operation costs: known before it runs, the same however it is answered, and never more than its budget."""

from typing import Any

import httpx
import pytest

from app.api.cost import PRICES
from app.api.execution.document import known
from app.api.schema import schema
from app.main import application
from app.settings import Settings
from tests.caller import Caller

BODY = "{ nodes { id } }"

# fmt: off
TABLE: list[tuple[str, dict[str, Any], int]] = [
    # document,                                                                              variables,          points
    ("{ viewer { name } }",                                                                  {},                     1),
    ("{ viewer { organization { id } } }",                                                   {},                     1),
    ("{ customer(id: 1) { id organization { id } } }",                                       {},                     2),
    ("{ customers { nodes { id } } }",                                                       {},                    21),
    ("{ customers { edges { node { id } cursor } pageInfo { endCursor } } }",                {},                    21),
    ("{ customers { nodes { id } edges { cursor } } }",                                      {},                    21),
    ("{ customers(first: 3) { nodes { id } totalCount } }",                                  {},                     9),
    ("{ customers(last: 3) { nodes { id } } }",                                              {},                     4),
    ("{ customers(first: null, last: 3) { nodes { id } } }",                                 {},                     4),
    ("{ customers(first: 1000) { nodes { id } } }",                                          {},                   101),
    ("{ customers(first: 2) { nodes { invoices(first: 3) { nodes { id } } } } }",            {},                    11),
    ("{ customers(first: 2) { nodes { balances { formatted } } } }",                         {},                     5),
    ("{ invoice(id: 1) { lineItems { id amount { formatted } } } }",                         {},                    11),
    ("query($n: Int) { customers(first: $n) { nodes { id } } }",                             {"n": 7},               8),
    ("query($n: Int) { customers(first: $n) { nodes { id } } }",                             {"n": None},           21),
    ("query($n: Int) { customers(first: $n) { nodes { id } } }",                             {},                    21),
    ("query($n: Int = 5) { customers(first: $n) { nodes { id } } }",                         {},                     6),
    ("query($n: Int) { customers(first: $n) { nodes { id } } }",                             {"n": "many"},         21),
    ("query($n: Int) { customers(first: $n) { nodes { invoices(first: $n) { nodes { id } } } } }", {"n": 4},        25),
    ("query($a: Boolean!) { customers @include(if: $a) { nodes { id } } }",                  {"a": False},           1),
    ("query($a: Boolean!) { customers @skip(if: $a) { nodes { id } } }",                     {"a": False},          21),
    ("query($a: Boolean!) { customers { ... @include(if: $a) { nodes { id } } } }",          {"a": False},           1),
    ("query($a: Boolean!) { customers(first: 1) { nodes { ...F @skip(if: $a) } } }"
     " fragment F on Customer { invoices(first: 1) { nodes { id } } }",                      {"a": False},           4),
    ("{ customers(first: 2) @skip(if: true) { nodes { id } } viewer { name } }",             {},                     1),
    # What fills the same place counts once; what is spread twice, too.
    ("{ customers(first: 2) { nodes { id } } customers(first: 2) { nodes { name } } }",      {},                     3),
    ("{ ...F ...F } fragment F on Query { customers(first: 2) { nodes { id } } }",           {},                     3),
    ("{ a: customers(first: 2) { nodes { id } } b: customers(first: 2) { nodes { id } } }",  {},                     6),
    # Of several types, the dearest.
    ("{ node(id: 1) { id ... on Customer { invoices(first: 4) { nodes { id } } }"
     " ... on Invoice { customer { id } } } }",                                              {},                     6),
    ("query($i: [ID!]!) { nodes(ids: $i) { id } }",                                          {"i": ["x"] * 9},       9),
    ('{ nodes(ids: ["x", "y"]) { ... on Invoice { customer { id } } } }',                    {},                     4),
    ("mutation($e: [UsageEventInput!]!) { usageRecord(input: { events: $e }) { accepted } }", {"e": [{}] * 95},     20),
    ("mutation($i: UsageRecordInput!) { usageRecord(input: $i) { accepted } }", {"i": {"events": [{}] * 1000}},    110),
    ("mutation($i: UsageRecordInput!) { usageRecord(input: $i) { accepted } }",              {"i": None},           11),
    ("mutation { billingRun(input: {}) { invoicesGenerated } }",                             {},                   100),
    # What is dearer than it looks.
    ("query($p: PeriodInput!) { usageConservation(period: $p) { holds } }",                  {},                   100),
    ('{ entitlement(feature: "x") { allowed plan { id } } }',                                {},                     6),
    ("{ entitlements { allowed plan { id } } }",                                             {},                    15),
    ("{ subscriptions(first: 2) { nodes { pendingAdjustments { total { formatted } } } } }", {},                    43),
    ("mutation($i: UsageReserveInput!) { usageReserve(input: $i) { entitlement { used } } }", {},                   25),
    ("mutation($i: UsageSettleInput!) { usageSettle(input: $i) { reservation { id } } }",    {},                    21),
    ("mutation($i: UsageReleaseInput!) { usageRelease(input: $i) { reservation { id } } }",  {},                    11),
    ("mutation($i: UsageCorrectInput!) { usageCorrect(input: $i) { event { id } } }",        {},                    31),
    ("{ __schema { types { name } } }",                                                      {},                   100),
]
# fmt: on


@pytest.mark.parametrize(("document", "variables", "points"), TABLE)
def test_what_an_operation_costs(document: str, variables: dict[str, Any], points: int) -> None:
    """A record is a point, a value nothing; pages multiply; the table says what is dearer."""
    operation = known(schema._schema, document).operations[None]
    assert operation.cost.of(variables) == points


def test_each_operation_of_a_document_has_its_own_cost() -> None:
    """By its name; without a name only where it is the only one."""
    document = known(schema._schema, "query A { viewer { name } } query B { customers { nodes { id } } }")
    assert {name: operation.cost.of(None) for name, operation in document.operations.items()} == {"A": 1, "B": 21}


def test_every_price_is_of_a_field_that_there_is() -> None:
    """So that a field that is renamed does not lose its price; what it is due for is one of its arguments."""
    for coordinate, price in PRICES.items():
        type_name, _, field_name = coordinate.partition(".")
        field = schema._schema.get_field(schema._schema.get_type(type_name), field_name)
        assert field is not None, coordinate
        assert not price.each or price.each[0] in field.args, coordinate


@pytest.mark.parametrize("planner", [True, False])
async def test_an_answer_says_what_it_cost(settings: Settings, owner: Caller, planner: bool) -> None:
    """Planned or not, done or failed; the budget beside it."""
    one = application(settings.model_copy(update={"planner": planner}))
    async with one.router.lifespan_context(one):
        transport = httpx.ASGITransport(app=one)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
            for query, points in [
                ("{ customers(first: 3) { nodes { id } totalCount } }", 9),
                ("{ customers(first: 0) { totalCount } }", 6),
                ('mutation { customerCreate(input: {name: "x", dryRun: true}) { customer { id } } }', 11),
            ]:
                headers = {"authorization": f"Bearer {owner.api_key}"}
                answer = await client.post("/graphql", json={"query": query}, headers=headers)
                assert answer.json()["extensions"] == {"cost": {"requested": points, "budget": 10_000}}


async def test_beyond_the_budget_nothing_is_executed(owner: Caller) -> None:
    """The refusal says both figures, and the variables decide."""
    query = "query($n: Int!) { customers(first: $n) { nodes { invoices(first: $n) { nodes { customer { id } } } } } }"
    answer = await owner.ask(query, n=100)
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert "20,201" in error["message"]
    assert "10,000" in error["message"]
    assert answer["extensions"] == {"cost": {"requested": 20_201, "budget": 10_000}}
    assert "data" not in answer
    assert "errors" not in await owner.ask(query, n=50)
