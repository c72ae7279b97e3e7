"""How much work a document makes: statements that do not grow with its rows, one parse, one snapshot."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from graphql import parse

from app.api.execution import document as documents
from app.api.execution.cache import DocumentCache, DocumentCacheExtension
from app.api.execution.document import KnownDocument
from app.api.schema import schema
from app.api.tenancy import Context, Principal, Tenant
from app.domain.role import Role
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from tests.caller import Caller, Founder
from tests.conftest import CURSOR_SECRET, PEPPER
from tests.operations.steps import customer, instant, meter, plan, send, soft_quota, subscription

DASHBOARD = """query Dashboard($invoices: Int!) {
  organization { legalName timeZone metadata }
  viewer { role organization { id } }
  balances { amount currency formatted }
  subscriptions(first: 10) { totalCount nodes {
    status quantity customer { name } organization { id } currentPeriod { start end }
    plan { key version basePrice { amount } features { key included meter { key unit } price { model tiers { unitPrice }
      minimum { amount } } } } } }
  invoices(first: $invoices) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node {
    number status total { amount formatted } period { start end } organization { id }
    customer { name email balances { amount currency } }
    subscription { status plan { name } }
    lineItems { description amount { amount } explanation { used billable plan { key version } steps { description } } }
    ledgerEntries(first: 5) { totalCount nodes { type debit { amount } runningBalance { amount } customer { name }
      invoice { number } } } } } }
}"""

STATEMENTS = 22
"""organization, total balances, subscriptions (page, count), clock, subscriptions by id with their phases and
pauses, plans and features (twice each: for what is shown, and for the current periods), meters, invoices (page, count),
lines, entries (page, count), the entries' invoices, customers, balances: 22."""


@pytest.fixture(scope="module")
async def dashboard(founder: Founder) -> Caller:
    """Ten customers with a subscription each, and fifty finalized invoices with two lines."""
    caller = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))
    await meter(caller)
    for version in range(3):
        feature = soft_quota("calls", "10", "0.5")
        feature["price"]["minimum"] = version
        await plan(caller, "pro", 700, feature, interval="DAY")
        for number in range(4 if version == 0 else 3):
            customer_id = await customer(caller, f"Customer {version}-{number}")
            subscription_id = await subscription(caller, customerId=customer_id, startAt="2026-05-15T00:00:00Z")
            await send(caller, {"eventId": subscription_id, "meter": "calls", "subscriptionId": subscription_id})
            for day in range(15, 20):
                period = {"start": f"2026-05-{day}T00:00:00Z", "end": f"2026-05-{day + 1}T00:00:00Z"}
                made = await caller.change(
                    "invoiceGenerate", {"subscriptionId": subscription_id, "period": period}, "invoice { id }"
                )
                await caller.change("invoiceFinalize", {"invoiceId": made["invoice"]["id"]}, "invoice { id }")
    return caller


@dataclass(frozen=True)
class Executed:
    data: dict[str, Any]
    statements: int


def context_of(database: Database, caller: Caller) -> Context:
    """The context of a request of the organization's owner."""
    organization_id = caller.database.organization_id
    principal = Principal("API_KEY", UUID(int=7), "owner", Role.OWNER, organization_id)
    return Context(
        request_id="req_of_the_tests",
        database=database,
        cursor_secret=CURSOR_SECRET,
        api_key_pepper=PEPPER,
        given_tenant=Tenant(organization_id, principal),
    )


async def execute(database: Database, caller: Caller, document: str, **variables: Any) -> Executed:
    """Execute a document and count the statements of its snapshot."""
    context = context_of(database, caller)
    context.entered = True
    snapshot = await context.db.snapshot()
    result = await schema.execute(document, variable_values=variables, context_value=context)
    assert not result.errors
    # Rows of it may be spelled: it is there to be sent.
    return Executed(orjson.loads(orjson.dumps(result.data or {})), snapshot.statements)


async def test_a_dashboard_takes_the_same_statements_for_5_and_for_50_invoices(
    database: Database, dashboard: Caller
) -> None:
    """K3: each loader asks once for all its parents, so that the number depends on the document alone."""
    few = await execute(database, dashboard, DASHBOARD, invoices=5)
    many = await execute(database, dashboard, DASHBOARD, invoices=50)
    assert (len(few.data["invoices"]["edges"]), len(many.data["invoices"]["edges"])) == (5, 50)
    assert len(many.data["subscriptions"]["nodes"]) == 10
    lines = [line for edge in many.data["invoices"]["edges"] for line in edge["node"]["lineItems"]]
    assert len(lines) == 100
    assert all(line["explanation"]["plan"]["key"] == "pro" for line in lines)
    assert all(edge["node"]["ledgerEntries"]["totalCount"] == 1 for edge in many.data["invoices"]["edges"])
    assert (few.statements, many.statements) == (STATEMENTS, STATEMENTS)


UPCOMING = """query($first: Int!) {
  subscriptions(first: $first) { nodes { upcomingInvoice { total { amount } } currentPeriod { end } } } }"""


async def test_upcoming_invoices_take_the_same_statements_for_5_and_for_50_subscriptions(
    database: Database, founder: Founder
) -> None:
    """K3: what each would be billed is counted and priced together; the clock, the subscriptions with their phases,
    pauses, plans and features are read once, for their periods too."""
    caller = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-20T00:00:00Z"))
    await meter(caller)
    await plan(caller, "pro", 3100, soft_quota("calls"))
    for number in range(50):
        subscription_id = await subscription(caller, startAt=f"2026-05-{number % 19 + 1:02}T00:00:00Z")
        await send(caller, {"eventId": subscription_id, "meter": "calls", "subscriptionId": subscription_id})
    few = await execute(database, caller, UPCOMING, first=5)
    many = await execute(database, caller, UPCOMING, first=50)
    totals = [node["upcomingInvoice"]["total"]["amount"] for node in many.data["subscriptions"]["nodes"]]
    assert (len(few.data["subscriptions"]["nodes"]), totals) == (5, [3101] * 50)
    assert (few.statements, many.statements) == (10, 10)


@pytest.mark.parametrize(
    ("document", "statements"),
    [
        ("{ __typename }", 0),
        ("{ viewer { name role scopes } }", 0),
        ("{ organization { legalName } }", 1),
        ("{ viewer { organization { id } } organization { id } }", 1),
        ("{ customers { nodes { id } } }", 1),
        ("{ customers { totalCount } }", 2),
        ("{ customers { nodes { organization { id } } } }", 2),
        ("{ customers(first: 100) { nodes { invoices(first: 1) { nodes { id } } } } }", 2),
        ("{ customers(first: 100) { nodes { invoices(first: 1) { totalCount } subscriptions { totalCount } } } }", 5),
        ("{ customers(first: 100) { nodes { balances { amount } } } }", 2),
        (
            "{ customers(first: 100) { nodes { a: balances { amount }"
            ' b: balances(asOf: "2026-05-20T00:00:00Z") { amount } } } }',
            3,
        ),
        ("{ invoices(first: 50) { nodes { lineItems { id } } } }", 2),
        ("{ subscriptions { nodes { plan { features { meter { key } } } } } }", 4),
        ("{ ledgerEntries(first: 50) { nodes { invoice { id } customer { id } } } }", 3),
        ("{ usageEvents { nodes { meter { id } subscription { id } customer { id } } } }", 4),
    ],
)
async def test_each_level_of_a_document_is_one_statement(
    database: Database, dashboard: Caller, document: str, statements: int
) -> None:
    """A list is one, its count another where it is asked for, each kind of record under it one more."""
    assert (await execute(database, dashboard, document)).statements == statements


async def test_the_same_record_is_loaded_once(database: Database, dashboard: Caller) -> None:
    """However often a document asks for an id, the loader asks the database once."""
    (node,) = (await dashboard.data("{ customers(first: 1) { nodes { id } } }"))["customers"]["nodes"]
    document = "query($id: ID!) { " + " ".join(f"c{n}: customer(id: $id) {{ name }}" for n in range(20)) + " }"
    found = await execute(database, dashboard, document, id=node["id"])
    assert found.statements == 1
    assert len(found.data) == 20


async def test_many_nodes_are_one_statement_a_kind(database: Database, dashboard: Caller) -> None:
    """A hundred ids of three kinds take three statements, and come back in their order."""
    read = "{ customers(first: 10) { nodes { id } } invoices(first: 50) { nodes { id } } plans { nodes { id } } }"
    listed = await dashboard.data(read)
    ids = [node["id"] for name in listed for node in listed[name]["nodes"]]
    found = await execute(database, dashboard, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids[::-1])
    assert [node["id"] for node in found.data["nodes"]] == ids[::-1]
    assert found.statements == 3


# ---------------------------------------------------------------- documents


async def test_a_document_that_comes_again_is_not_parsed_or_validated_again(
    owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted at graphql-core's doors: once each for a hundred requests, whatever their variables."""
    calls = {"parse": 0, "validate_document": 0}

    def counted(name: str) -> Any:
        door = getattr(documents, name)

        def count(*arguments: Any, **options: Any) -> Any:
            calls[name] += 1
            return door(*arguments, **options)

        return count

    for name in calls:
        monkeypatch.setattr(documents, name, counted(name))
    document = "query Counted($first: Int) { customers(first: $first) { nodes { id } } }"
    for number in range(1, 101):
        assert len((await owner.data(document, first=number))["customers"]["nodes"]) == 1
    assert calls == {"parse": 1, "validate_document": 1}
    for _ in range(3):
        await owner.ask("{ invalidInThisTest }")
    assert calls == {"parse": 4, "validate_document": 4}


async def test_only_valid_documents_are_kept(owner: Caller) -> None:
    """Whoever sends nonsense fills nothing."""
    kept = DocumentCacheExtension.cache
    await owner.data("{ viewer { name } }")
    before = len(kept)
    for number in range(50):
        await owner.ask(f"{{ invalid{number} }}")
        await owner.ask(f"{{ viewer {{ name }} # {number}")
    assert len(kept) == before
    assert kept.get(schema._schema, "{ invalid7 }") is None


def test_the_cache_lets_go_of_what_was_not_used_for_longest() -> None:
    """Its bound is in bytes; what is asked for stays; what alone passes the bound is not kept."""
    texts = [f"{{ viewer {{ name }} }} # {number:04}" for number in range(100)]
    size = len(texts[0]) * 40
    kept = DocumentCache(bytes_max=10 * size)
    known = KnownDocument(parse("{ a }"), (), size)
    for text in texts:
        kept.put(schema._schema, text, known)
        kept.put(schema._schema, text, known)
        assert kept.get(schema._schema, texts[0]) is known
    assert len(kept) == 10
    assert [text for text in texts if kept.get(schema._schema, text)] == [texts[0], *texts[-9:]]
    kept.put(schema._schema, "#", KnownDocument(parse("{ a }"), (), 10 * size + 1))
    assert len(kept) == 10
    assert kept.get(object(), texts[0]) is None  # type: ignore[arg-type]


# ---------------------------------------------------------------- one snapshot


async def test_all_reads_of_a_query_see_one_snapshot(
    owner: Caller, administrator: asyncpg.Connection, owner_url: str
) -> None:
    """A customer that comes between two of its resolvers is in neither; the next query sees it."""
    await meter(owner)
    document = """{ before: customers { totalCount nodes { name } }
    held: meters { nodes { name organization { legalName } } }
    after: customers { totalCount nodes { name } } }"""
    async with administrator.transaction():
        await administrator.execute("lock table meters in access exclusive mode")
        asking = asyncio.create_task(owner.data(document))
        await until_somebody_waits(owner_url)
        await customer(owner, "Came between")
        assert not asking.done()
    found = await asking
    assert found["before"] == found["after"] == {"totalCount": 1, "nodes": [{"name": "Xyzzy Corp"}]}
    assert found["held"]["nodes"][0]["organization"] == {"legalName": "Xyzzy Corp"}
    later = await owner.data(document)
    assert later["before"]["totalCount"] == later["after"]["totalCount"] == 2


async def until_somebody_waits(url: str) -> None:
    watcher = await asyncpg.connect(url)
    try:
        for _ in range(200):
            waiting = await watcher.fetchval(
                "select count(*) from pg_locks where not granted and relation = 'meters'::regclass"
            )
            if waiting:
                return
            await asyncio.sleep(0.02)
    finally:
        await watcher.close()
    raise AssertionError("nobody waits for the lock")


async def test_a_failing_field_leaves_no_connection_behind(owner: Caller, database: Database) -> None:
    """What other resolvers still do when a field fails comes to nothing: fifty such queries later all is free."""
    broken = """{ customers { nodes { id organization { legalName } invoices { totalCount } } }
    fails: customers(first: 0) { totalCount } plans { nodes { id features { key } } } ledgerEntries { totalCount } }"""
    for _ in range(50):
        answer = await owner.ask(broken)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    answers = await asyncio.gather(*(owner.ask("{ customers { totalCount } }") for _ in range(20)))
    assert all("errors" not in answer for answer in answers)
