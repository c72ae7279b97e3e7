"""Dry runs answer what the mutation would and store nothing; what is refused or fails stores nothing either."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type, is_required_argument

from app.api.schema import schema
from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import (
    codes,
    customer,
    draft,
    finalized,
    fingerprint,
    instant,
    meter,
    plan,
    reserved,
    send,
    soft_quota,
    subscription,
)

MUTATIONS = schema._schema.mutation_type.fields
"""Every mutation of the schema."""


@dataclass(frozen=True)
class World:
    """What inputs refer to."""

    caller: Caller
    customer: str
    draft_plan: str
    active_plan: str
    subscription: str
    paused: str
    draft: str
    line: str
    finalized: str
    held: str
    api_key: str
    member: str
    trusted: str


Inputs = Callable[[World], dict[str, Any]]

INPUTS: dict[str, Inputs] = {
    "apiKeyCreate": lambda _: {"name": "Nightly", "role": "ingest"},
    "apiKeyRotate": lambda w: {"apiKeyId": w.api_key, "overlapSeconds": 0},
    "apiKeyRevoke": lambda w: {"apiKeyId": w.api_key},
    "memberAdd": lambda _: {"subject": "auth0|new", "email": "new@example.com", "role": "admin"},
    "memberRemove": lambda w: {"memberId": w.member},
    "trustedDocumentRegister": lambda _: {"document": "{ viewer { name } }", "name": "Who"},
    "trustedDocumentRemove": lambda w: {"trustedDocumentId": w.trusted},
    "organizationCreate": lambda _: {"legalName": "Child AG", "mode": "TEST", "testClock": "2026-01-02T03:04:05Z"},
    "organizationUpdate": lambda _: {"legalName": "Renamed Inc", "timeZone": "Asia/Tokyo", "metadata": {"k": "v"}},
    "customerCreate": lambda _: {"name": "Frobozz", "externalId": "waited-for", "address": {"country": "DK"}},
    "customerUpdate": lambda w: {"customerId": w.customer, "name": "Renamed", "externalId": "waited-for"},
    "meterCreate": lambda _: {"key": "later", "name": "Later", "aggregation": "UNIQUE", "property": "user"},
    "planCreate": lambda _: {
        "key": "pro",
        "name": "Next",
        "currency": "USD",
        "basePrice": 7,
        "features": [soft_quota("calls", "10", "0.7")],
    },
    "planPublish": lambda w: {"planId": w.draft_plan},
    "planArchive": lambda w: {"planId": w.active_plan},
    "subscriptionCreate": lambda w: {"planKey": "pro", "customerId": w.customer, "quantity": 3},
    "subscriptionChangePlan": lambda w: {
        "subscriptionId": w.subscription,
        "planKey": "pro",
        "quantity": 5,
        "proration": "PRORATE_NOW",
    },
    "subscriptionPause": lambda w: {"subscriptionId": w.subscription, "resumesAt": "2026-06-01T00:00:00Z"},
    "subscriptionResume": lambda w: {"subscriptionId": w.paused},
    "subscriptionCancel": lambda w: {"subscriptionId": w.subscription, "timing": "NOW", "reason": "grue"},
    "billingRun": lambda _: {"until": "2026-05-14T00:00:00Z"},
    "testClockAdvance": lambda _: {"to": "2026-08-01T00:00:00Z"},
    "usageRecord": lambda _: {
        "events": [
            {"eventId": "new", "meter": "calls", "quantity": "7"},
            {"eventId": "waits", "meter": "nothing-yet"},
            {"eventId": "bad", "meter": "calls", "quantity": "-1"},
            {"eventId": "event-0", "meter": "calls"},
        ]
    },
    "usageReserve": lambda _: {"feature": "calls", "quantity": "7", "ttlSeconds": 30},
    "usageSettle": lambda w: {"reservationId": w.held, "quantity": "5", "properties": {"zone": "frob"}},
    "usageRelease": lambda w: {"reservationId": w.held},
    "usageCorrect": lambda _: {"eventId": "event-0", "quantity": "2", "reason": "grue"},
    "invoiceGenerate": lambda w: {"subscriptionId": w.subscription, "notes": "Danke"},
    "invoiceLineItemAdd": lambda w: {"invoiceId": w.draft, "description": "More", "unitPrice": "0.5", "quantity": "3"},
    "invoiceLineItemRemove": lambda w: {"invoiceId": w.draft, "lineItemId": w.line},
    "invoiceDeleteDraft": lambda w: {"invoiceId": w.draft},
    "invoiceFinalize": lambda w: {"invoiceId": w.draft},
    "invoiceMarkPaid": lambda w: {"invoiceId": w.finalized, "amount": 1000, "externalReference": "wire-7"},
    "invoiceVoid": lambda w: {"invoiceId": w.finalized, "reason": "grue"},
    "ledgerAdjust": lambda w: {"amount": -7, "currency": "USD", "description": "x", "customerId": w.customer},
}
"""An input of each mutation that is not refused."""

REFUSED: dict[str, Inputs] = {
    "apiKeyCreate": lambda _: {"name": "Nightly", "role": "emperor"},
    "apiKeyRotate": lambda w: {"apiKeyId": w.api_key, "overlapSeconds": -1},
    "apiKeyRevoke": lambda w: {"apiKeyId": w.member},
    "memberAdd": lambda _: {"subject": "auth0|taken", "role": "support"},
    "memberRemove": lambda w: {"memberId": w.api_key},
    "trustedDocumentRegister": lambda _: {"document": "{ viewer { nonsense } }"},
    "trustedDocumentRemove": lambda w: {"trustedDocumentId": w.member},
    "organizationCreate": lambda _: {"legalName": " "},
    "organizationUpdate": lambda _: {"timeZone": "Asia/Tokyo", "legalName": None},
    "customerCreate": lambda _: {"name": "Frobozz", "externalId": "taken"},
    "customerUpdate": lambda w: {"customerId": w.customer, "name": "Renamed", "externalId": "taken"},
    "meterCreate": lambda _: {"key": "calls", "name": "Again", "aggregation": "SUM"},
    "planCreate": lambda _: {"key": "pro", "name": "Next", "currency": "USD", "basePrice": -1},
    "planPublish": lambda w: {"planId": w.active_plan},
    "planArchive": lambda w: {"planId": w.draft_plan},
    "subscriptionCreate": lambda w: {"planKey": "pro", "customerId": w.customer, "quantity": 0},
    "subscriptionChangePlan": lambda w: {"subscriptionId": w.subscription, "planKey": "pro"},
    "subscriptionPause": lambda w: {"subscriptionId": w.subscription, "resumesAt": "2026-05-20T00:00:00Z"},
    "subscriptionResume": lambda w: {"subscriptionId": w.subscription},
    "subscriptionCancel": lambda w: {"subscriptionId": w.subscription, "timing": "NOW", "expectedVersion": 7},
    "billingRun": lambda _: {"until": "2026-05-20T00:00:01Z"},
    "testClockAdvance": lambda _: {"to": "2026-05-20T00:00:00Z"},
    "usageRecord": lambda _: {"events": [{"eventId": f"e-{n}", "meter": "calls"} for n in range(1001)]},
    "usageReserve": lambda _: {"feature": "calls", "quantity": "7", "ttlSeconds": 0},
    "usageSettle": lambda w: {"reservationId": w.held, "quantity": "-5"},
    "usageRelease": lambda w: {"reservationId": w.subscription},
    "usageCorrect": lambda _: {"eventId": "event-0", "quantity": "-1", "reason": "grue"},
    "invoiceGenerate": lambda w: {"subscriptionId": w.subscription, "customerId": w.customer},
    "invoiceLineItemAdd": lambda w: {"invoiceId": w.finalized, "description": "More", "unitPrice": "1"},
    "invoiceLineItemRemove": lambda w: {"invoiceId": w.finalized, "lineItemId": w.line},
    "invoiceDeleteDraft": lambda w: {"invoiceId": w.finalized},
    "invoiceFinalize": lambda w: {"invoiceId": w.finalized},
    "invoiceMarkPaid": lambda w: {"invoiceId": w.draft},
    "invoiceVoid": lambda w: {"invoiceId": w.finalized, "expectedVersion": 7},
    "ledgerAdjust": lambda _: {"amount": 0, "currency": "USD", "description": "x"},
}
"""An input of each mutation that the rules refuse."""


def test_every_mutation_is_tried() -> None:
    """A new mutation fails here until it has its inputs."""
    assert set(INPUTS) == set(REFUSED) == set(MUTATIONS)


@pytest.fixture
async def world(founder: Founder) -> World:
    """A TEST organization, whose clock stands still, with something for each mutation to change."""
    tester = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))
    await meter(tester)
    active = await plan(tester, "pro", 3100, soft_quota("calls"))
    new = {"key": "pro", "name": "Draft", "currency": "USD", "basePrice": 1}
    draft_plan = (await tester.change("planCreate", new, "plan { id }"))["plan"]["id"]
    customer_id = await customer(tester)
    await customer(tester, externalId="taken")
    subscription_id = await subscription(tester, startAt="2026-05-13T00:00:00Z")
    paused_id = await subscription(tester, startAt="2026-04-13T00:00:00Z")
    await tester.change("subscriptionPause", {"subscriptionId": paused_id}, "subscription { id }")
    await send(tester, {"meter": "calls"}, {"meter": "later"}, {"meter": "calls", "externalCustomerId": "waited-for"})
    draft_id = await draft(tester, 700)
    read = "query($id: ID!) { invoice(id: $id) { lineItems { id } } }"
    key = (await tester.change("apiKeyCreate", {"name": "Key"}, "apiKey { id }"))["apiKey"]["id"]
    member = {"subject": "auth0|taken", "role": "billing"}
    member_id = (await tester.change("memberAdd", member, "member { id }"))["member"]["id"]
    document = {"document": "{ viewer { name } } # trusted"}
    trusted = (await tester.change("trustedDocumentRegister", document, "trustedDocument { id }"))["trustedDocument"][
        "id"
    ]
    line_id = (await tester.data(read, id=draft_id))["invoice"]["lineItems"][0]["id"]
    return World(
        tester,
        customer_id,
        draft_plan,
        active,
        subscription_id,
        paused_id,
        draft_id,
        line_id,
        await finalized(tester, 777),
        await reserved(tester, "6", ttlSeconds=86_400),
        key,
        member_id,
        trusted,
    )


def everything(type_: GraphQLObjectType, depth: int = 2) -> str:
    """A selection of all that a type has, so deep, lists of its children too."""
    parts = []
    for name, field in type_.fields.items():
        named = get_named_type(field.type)
        if any(is_required_argument(argument) for argument in field.args.values()) or name == "organization":
            continue
        if isinstance(named, GraphQLInterfaceType):
            continue
        if not isinstance(named, GraphQLObjectType):
            parts.append(name)
        elif depth or not named.name.endswith(("Connection", "Subscription", "Customer", "Invoice", "Plan")):
            parts.append(f"{name} {{ {everything(named, max(depth - 1, 0))} }}")
    return " ".join(parts) or "__typename"


def document(field: str) -> str:
    payload = get_named_type(MUTATIONS[field].type)
    assert isinstance(payload, GraphQLObjectType)
    kind = MUTATIONS[field].args["input"].type
    return f"mutation($input: {kind}) {{ {field}(input: $input) {{ {everything(payload)} }} }}"


def without_real_time(value: Any) -> Any:
    """An answer without the instants of keys and members, which have no other clock."""
    match value:
        case {"role": _, "createdAt": _}:
            return {name: content for name, content in value.items() if not name.endswith("At")}
        case dict():
            return {name: without_real_time(content) for name, content in value.items()}
        case list():
            return [without_real_time(content) for content in value]
        case _:
            return value


def settled(answer: dict[str, Any]) -> str:
    """An answer without what is made anew each time: ids, cursors, secrets, and the real time by which keys live."""
    text = json.dumps(without_real_time(answer), sort_keys=True)
    text = re.sub(r'"secret": (null|"tg_test_[a-z2-7_]{65}")', '"secret": "SECRET"', text)
    text = re.sub(r"\btg_test_[a-z2-7]{12}\b", "PREFIX", text)
    text = re.sub(r"\b[a-z]{3}_[0-9a-z]{26}\b", "ID", text)
    return re.sub(r'"(cursor|startCursor|endCursor)": "[^"]*"', r'"\1": "CURSOR"', text)


@pytest.mark.parametrize("field", sorted(INPUTS))
async def test_a_dry_run_answers_what_the_mutation_then_does_and_stores_nothing(
    world: World, administrator: asyncpg.Connection, field: str
) -> None:
    """Twice dry, then for good: three answers alike, ids aside; not a row differs before the last."""
    given = INPUTS[field](world)
    before = await fingerprint(administrator, world.caller)
    dry = [await world.caller.data(document(field), input={**given, "dryRun": True}) for _ in range(2)]
    assert codes(dry[0][field]) == []
    assert await fingerprint(administrator, world.caller) == before
    real = await world.caller.data(document(field), input={**given, "dryRun": False})
    assert settled(dry[0]) == settled(dry[1]) == settled(real)
    after = await fingerprint(administrator, world.caller)
    assert after != before


@pytest.mark.parametrize("field", sorted(REFUSED))
async def test_what_is_refused_stores_nothing_dry_or_not(
    world: World, administrator: asyncpg.Connection, field: str
) -> None:
    """The refusal is the same, no record comes with it, and not a row differs."""
    given = REFUSED[field](world)
    before = await fingerprint(administrator, world.caller)
    dry, real = [
        (await world.caller.data(document(field), input={**given, "dryRun": dry}))[field] for dry in (True, False)
    ]
    assert dry == real
    assert len(codes(real)) == 1
    records = {name: value for name, value in real.items() if name not in ("userErrors", "results")}
    assert not any(records.values()), records
    assert await fingerprint(administrator, world.caller) == before


async def test_a_dry_run_burns_no_number(world: World) -> None:
    """It shows the number that is next; the mutation then has that very one."""
    select = "invoice { number }"
    dry = await world.caller.change("invoiceFinalize", {"invoiceId": world.draft, "dryRun": True}, select)
    real = await world.caller.change("invoiceFinalize", {"invoiceId": world.draft}, select)
    assert dry == real
    assert real["invoice"] == {"number": "INV-2026-0002"}


@pytest.mark.parametrize(
    ("field", "select"),
    [
        ("customerCreate", "customer { id ledgerEntries(first: 0) { totalCount } }"),
        (
            "customerCreate",
            'customer { id balances { formatted(locale: "xx_XX") } invoices(after: "x") { totalCount } }',
        ),
        ("customerUpdate", "customer { name subscriptions(last: 101) { totalCount } }"),
        ("subscriptionCreate", 'subscription { id usage(meter: "unknown") { total } }'),
        ("invoiceFinalize", 'invoice { number total { formatted(locale: "xx_XX") } }'),
        ("invoiceFinalize", "invoice { number ledgerEntries(first: 1, last: 1) { totalCount } }"),
        ("ledgerAdjust", "ledgerEntry { id customer { invoices(first: -1) { totalCount } } }"),
    ],
)
async def test_a_mutation_whose_payload_cannot_be_read_is_not_stored(
    world: World, administrator: asyncpg.Connection, field: str, select: str
) -> None:
    """Whoever gets an error may send the same again: nothing of the first attempt stayed, no number was burnt."""
    before = await fingerprint(administrator, world.caller)
    kind = MUTATIONS[field].args["input"].type
    text = f"mutation($input: {kind}) {{ {field}(input: $input) {{ {select} userErrors {{ code }} }} }}"
    answer = await world.caller.ask(text, input=INPUTS[field](world))
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["path"][0] == field
    assert await fingerprint(administrator, world.caller) == before


TWO = """mutation($a: CustomerCreateInput!, $b: CustomerCreateInput!) {
a: customerCreate(input: $a) { customer { name } userErrors { code } }
b: customerCreate(input: $b) { customer { name } userErrors { code } } }"""


async def names(caller: Caller) -> list[str]:
    found = await caller.data("{ customers(first: 100) { nodes { name } } }")
    return sorted(node["name"] for node in found["customers"]["nodes"])


@pytest.mark.parametrize(
    ("a", "b", "stored"),
    [
        ({}, {}, ["a", "b"]),
        ({"dryRun": True}, {}, ["b"]),
        ({}, {"dryRun": True}, ["a"]),
        ({"email": "nobody"}, {}, ["b"]),
        ({}, {"email": "nobody"}, ["a"]),
        ({"externalId": "same"}, {"externalId": "same"}, ["a"]),
        ({"externalId": "same", "dryRun": True}, {"externalId": "same"}, ["b"]),
    ],
)
async def test_two_mutations_in_a_document_stand_each_for_itself(
    owner: Caller, a: dict[str, Any], b: dict[str, Any], stored: list[str]
) -> None:
    """One after the other, each in its own transaction: what the first stored the second sees; what it undid, not."""
    answer = await owner.data(TWO, a={"name": "a", **a}, b={"name": "b", **b})
    dry = {name for name, given in (("a", a), ("b", b)) if given.get("dryRun")}
    assert {name for name in answer if answer[name]["customer"]} == {*stored, *dry}
    assert await names(owner) == sorted(["Xyzzy Corp", *stored])


async def test_the_second_mutation_sees_what_the_first_stored(world: World, administrator: asyncpg.Connection) -> None:
    """Add a line, finalize, pay: one document, three transactions, in that order."""
    text = f"""mutation {{
    add: invoiceLineItemAdd(input: {{invoiceId: "{world.draft}", description: "x", unitPrice: "7"}})
      {{ invoice {{ total {{ amount }} }} }}
    finalize: invoiceFinalize(input: {{invoiceId: "{world.draft}"}}) {{ invoice {{ status amountDue {{ amount }} }} }}
    pay: invoiceMarkPaid(input: {{invoiceId: "{world.draft}"}}) {{ invoice {{ status }} }} }}"""
    assert await world.caller.data(text) == {
        "add": {"invoice": {"total": {"amount": 707}}},
        "finalize": {"invoice": {"status": "FINALIZED", "amountDue": {"amount": 707}}},
        "pay": {"invoice": {"status": "PAID"}},
    }
    transactions = await administrator.fetchval(
        "select count(distinct xmin::text) from audit_records where organization_id = $1 and record_id ="
        " (select record_id from audit_records where organization_id = $1 order by id desc limit 1)",
        world.caller.database.organization_id,
    )
    assert transactions >= 3


async def test_what_fails_in_the_second_leaves_the_first(world: World) -> None:
    """A payload that cannot be read ends the document; what was stored before it stays, what comes after is not run."""
    text = """mutation {
    a: customerCreate(input: {name: "first"}) { customer { id } }
    b: customerCreate(input: {name: "second"}) { customer { id invoices(first: 0) { totalCount } } }
    c: customerCreate(input: {name: "third"}) { customer { id } } }"""
    answer = await world.caller.ask(text)
    assert answer["data"] is None
    assert [error["path"][0] for error in answer["errors"]] == ["b"]
    found = await names(world.caller)
    assert ("first" in found, "second" in found, "third" in found) == (True, False, False)
