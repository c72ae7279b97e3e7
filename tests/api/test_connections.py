"""Pages by keyset: every row once and in one order, forward and backward, over every list that the schema has."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from graphql import GraphQLField, GraphQLInputObjectType, GraphQLObjectType, get_named_type

from app.api.schema import schema
from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import (
    customer,
    draft,
    finalized,
    instant,
    meter,
    plan,
    send,
    set_clock,
    soft_quota,
    subscription,
)

TYPES = {
    name: type_
    for name, type_ in schema._schema.type_map.items()
    if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
}


def is_connection(field: GraphQLField) -> bool:
    return get_named_type(field.type).name.endswith("Connection")


RECORDS = ("Query", "auditRecords")
"""Whatever is done makes this list longer, far beyond one page: it is walked and filtered in test_audit.py."""

SPOTS = sorted(
    spot
    for name, type_ in TYPES.items()
    for field, made in type_.fields.items()
    if is_connection(made) and (spot := (name, field)) != RECORDS
)
"""Every list of the schema but that one: (type, field)."""

ORDERS = [
    (field, direction) for field in ("CREATED_AT", "FINALIZED_AT", "DUE_AT", "TOTAL") for direction in ("ASC", "DESC")
]


def orders_of(spot: tuple[str, str]) -> list[tuple[str, str] | None]:
    ordered = "orderBy" in TYPES[spot[0]].fields[spot[1]].args
    return [None, *ORDERS] if ordered else [None]


WALKS = [(spot, order) for spot in SPOTS for order in orders_of(spot)]

PAGE = """nodes {{ {id} }} edges {{ cursor node {{ {id} }} }} totalCount
pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}"""


def node_of(spot: tuple[str, str]) -> GraphQLObjectType:
    """The type of a list's rows."""
    return TYPES[
        get_named_type(TYPES[get_named_type(TYPES[spot[0]].fields[spot[1]].type).name].fields["nodes"].type).name
    ]


def id_of(spot: tuple[str, str]) -> str:
    """What tells a list's rows apart: an event that waits has no id of its own but its sender's."""
    return "id" if "id" in node_of(spot).fields else "id: eventId"


@dataclass(frozen=True)
class Library:
    """An organization with more than a page of everything, and a parent of each kind with many children."""

    caller: Caller
    parents: dict[str, str]

    async def page(
        self, spot: tuple[str, str], order: tuple[str, str] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        """A page of a list, as its connection gives it."""
        type_name, field = spot
        parts = [f"{name}: ${name}" for name in ("first", "after", "last", "before")]
        if order is not None:
            parts.append(f"orderBy: {{field: {order[0]}, direction: {order[1]}}}")
        listed = f"{field}({', '.join(parts)}) {{ {PAGE.format(id=id_of(spot))} }}"
        if type_name == "Query":
            selection = listed
        else:
            selection = f'node(id: "{self.parents[type_name]}") {{ ... on {type_name} {{ {listed} }} }}'
        document = f"query($first: Int, $after: String, $last: Int, $before: String) {{ {selection} }}"
        data = await self.caller.data(document, **arguments)
        return data[field] if type_name == "Query" else data["node"][field]


@pytest.fixture(scope="module")
async def library(founder: Founder, owner_url: str) -> Library:
    """Made at three instants, so that many rows share one; invoices in every state, a third of the totals equal."""
    caller = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-01T00:00:00Z"))
    administrator = await asyncpg.connect(owner_url)
    try:
        return await filled(caller, administrator)
    finally:
        await administrator.close()


async def filled(caller: Caller, administrator: asyncpg.Connection) -> Library:
    for n in range(16):
        await meter(caller, f"meter-{n}")
        await plan(caller, f"plan-{n % 4}", n, soft_quota("meter-0"), interval="DAY")
        await customer(caller, f"Customer {n}")
        await caller.change("organizationCreate", {"legalName": f"Child {n}"}, "organization { id }")
        await caller.change("apiKeyCreate", {"name": f"Key {n}"}, "apiKey { id }")
        await caller.change("memberAdd", {"subject": f"subject-{n}", "role": "support"}, "member { id }")
        trusted = {"document": f"{{ viewer {{ name }} }} # {n}"}
        await caller.change("trustedDocumentRegister", trusted, "trustedDocument { id }")
    subscriptions = [await subscription(caller, f"plan-{n % 4}") for n in range(16)]
    invoices = []
    for n in range(18):
        await set_clock(caller=caller, administrator=administrator, now=f"2026-05-{10 + n % 3}T00:00:00Z")
        make = finalized if n % 3 else draft
        invoices.append(await make(caller, 700 if n % 3 == n % 2 else n))
    for n, invoice_id in enumerate(invoices):
        if n % 6 in (3, 4):
            await caller.change("invoiceVoid", {"invoiceId": invoice_id}, "invoice { id }")
        if n % 6 == 5:
            await caller.change("invoiceMarkPaid", {"invoiceId": invoice_id}, "invoice { id }")
    for n in range(15):
        period = {"start": f"2026-05-{1 + n:02}T00:00:00Z", "end": f"2026-05-{2 + n:02}T00:00:00Z"}
        await caller.change("invoiceGenerate", {"subscriptionId": subscriptions[0], "period": period}, "invoice { id }")
    charged = await finalized(caller, 10_000)
    for n in range(15):
        adjustment = {"amount": -n - 1, "currency": "USD", "description": "x", "invoiceId": charged}
        await caller.change("ledgerAdjust", adjustment, "ledgerEntry { id }")
    at = [f"2026-05-{1 + n % 5:02}T00:00:00Z" for n in range(17)]
    await send(caller, *({"meter": f"meter-{n % 2}", "occurredAt": at[n], "quantity": str(n)} for n in range(17)))
    waiting = ({"eventId": f"{n}", "meter": "nobody-s", "occurredAt": at[n], "quantity": "1"} for n in range(17))
    assert await send(caller, *waiting) == ["UNMATCHED"] * 17
    default = (await caller.data("{ customers(last: 1) { nodes { id isDefault } } }"))["customers"]["nodes"][0]
    assert default["isDefault"]
    parents = {
        "Customer": default["id"],
        "Organization": caller.organization_id,
        "Subscription": subscriptions[0],
        "Invoice": charged,
    }
    return Library(caller, parents)


def rows(page: dict[str, Any]) -> list[str]:
    """The ids of a page, which its nodes and its edges agree on, as do its info and its cursors."""
    ids = [node["id"] for node in page["nodes"]]
    assert [edge["node"]["id"] for edge in page["edges"]] == ids
    cursors = [edge["cursor"] for edge in page["edges"]]
    assert len(set(cursors)) == len(cursors)
    info = page["pageInfo"]
    assert (info["startCursor"], info["endCursor"]) == ((cursors[0], cursors[-1]) if ids else (None, None))
    return ids


@pytest.mark.parametrize(("spot", "order"), WALKS)
async def test_pages_of_seven_give_every_row_once_in_the_order_of_one_page(
    library: Library, spot: tuple[str, str], order: tuple[str, str] | None
) -> None:
    """Forward and backward, whatever ties and missing instants there are; the flags tell where it ends."""
    whole = await library.page(spot, order, first=100)
    expected = rows(whole)
    assert len(expected) > 14, "too few rows for three pages"
    assert len(set(expected)) == len(expected) == whole["totalCount"]
    assert (whole["pageInfo"]["hasNextPage"], whole["pageInfo"]["hasPreviousPage"]) == (False, False)
    assert rows(await library.page(spot, order, last=100)) == expected
    assert rows(await library.page(spot, order)) == expected[:20]
    forward, after = [], None
    while True:
        page = await library.page(spot, order, first=7, after=after)
        forward += rows(page)
        assert page["totalCount"] == len(expected)
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["hasNextPage"] is (len(forward) < len(expected))
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert forward == expected
    backward, before = [], None
    while True:
        page = await library.page(spot, order, last=7, before=before)
        backward = rows(page) + backward
        assert page["pageInfo"]["hasNextPage"] is (before is not None)
        assert page["pageInfo"]["hasPreviousPage"] is (len(backward) < len(expected))
        if not page["pageInfo"]["hasPreviousPage"]:
            break
        before = page["pageInfo"]["startCursor"]
    assert backward == expected


@pytest.mark.parametrize("spot", SPOTS)
async def test_any_rows_cursor_goes_on_from_there(library: Library, spot: tuple[str, str]) -> None:
    """After the last row, and before the first, there is nothing, and that is no error."""
    whole = await library.page(spot, first=100)
    ids, cursors = rows(whole), [edge["cursor"] for edge in whole["edges"]]
    assert rows(await library.page(spot, first=3, after=cursors[4])) == ids[5:8]
    assert rows(await library.page(spot, last=3, before=cursors[4])) == ids[1:4]
    for arguments in ({"first": 3, "after": cursors[-1]}, {"last": 3, "before": cursors[0]}):
        page = await library.page(spot, **arguments)
        assert rows(page) == []
        assert page["totalCount"] == len(ids)


@pytest.mark.parametrize(("field", "direction"), ORDERS)
async def test_invoices_come_in_the_order_that_is_asked_for(library: Library, field: str, direction: str) -> None:
    """By the value, what is missing as the earliest, then by id; DESC is ASC read backward."""
    name = {"CREATED_AT": "createdAt", "FINALIZED_AT": "finalizedAt", "DUE_AT": "dueAt", "TOTAL": "total"}[field]
    read = f"""{{ invoices(first: 100, orderBy: {{field: {field}, direction: {direction}}}) {{ nodes {{
    id value: {name}{" { amount }" if field == "TOTAL" else ""} }} }} }}"""
    found = (await library.caller.data(read))["invoices"]["nodes"]
    keys = [(row["value"]["amount"] if field == "TOTAL" else row["value"] or "", row["id"]) for row in found]
    assert keys == sorted(keys, reverse=direction == "DESC")
    assert len({key[0] for key in keys}) < len(keys), "no ties to break"


async def test_other_lists_have_the_newest_first(library: Library) -> None:
    """By the instant of making (of happening, for events), then by id; a statement's last entry comes first."""
    for spot in SPOTS:
        node = node_of(spot)
        if "id" not in node.fields:
            continue
        instants = "occurredAt" if node.name == "UsageEvent" else "createdAt"
        ids = rows(await library.page(spot, first=100))
        read = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {node.name} {{ {instants} }} }} }}"
        found = (await library.caller.data(read, ids=ids))["nodes"]
        values = [row[instants] for row in found]
        assert values == sorted(values, reverse=True), spot


async def test_pages_are_stable_while_rows_are_added(tester_of_pages: Caller) -> None:
    """What was there when the walk began comes once and in order, wherever new rows go meanwhile."""
    caller = tester_of_pages
    for order in (None, ("CREATED_AT", "ASC"), ("TOTAL", "ASC"), ("DUE_AT", "DESC")):
        library = Library(caller, {})
        spot = ("Query", "invoices")
        there = rows(await library.page(spot, order, first=100))
        walked: list[str] = []
        after = None
        for _ in range(30):
            page = await library.page(spot, order, first=7, after=after)
            walked += rows(page)
            if not page["pageInfo"]["hasNextPage"]:
                break
            after = page["pageInfo"]["endCursor"]
            await finalized(caller, 7)
        assert len(set(walked)) == len(walked)
        assert [id_ for id_ in walked if id_ in set(there)] == there


@pytest.fixture
async def tester_of_pages(owner: Caller) -> Caller:
    for n in range(20):
        await finalized(owner, n)
    return owner


async def test_a_page_under_many_parents_is_each_parents_own(library: Library) -> None:
    """One statement for all of them; each parent's page begins at its own first row and counts its own."""
    read = """{ customers(first: 100) { nodes { isDefault
    subscriptions(first: 3) { totalCount nodes { customer { isDefault } } pageInfo { hasNextPage } }
    invoices(last: 2) { totalCount nodes { customer { isDefault } } }
    ledgerEntries(first: 2) { totalCount nodes { customer { isDefault } } } } } }"""
    for node in (await library.caller.data(read))["customers"]["nodes"]:
        for name, most in (("subscriptions", 3), ("invoices", 2), ("ledgerEntries", 2)):
            listed = node[name]
            assert len(listed["nodes"]) == min(most, listed["totalCount"])
            assert (listed["totalCount"] > 0) is node["isDefault"]
            assert all(row["customer"]["isDefault"] is node["isDefault"] for row in listed["nodes"])


# ---------------------------------------------------------------- filters

SELECT = {
    "invoices": """id status paymentState number customer { id } subscription { id } finalizedAt total { amount }""",
    "subscriptions": "id status plan { key } customer { id }",
    "ledgerEntries": "id type customer { id } invoice { id } effectiveAt",
    "usageEvents": "id meter { key } customer { id } subscription { id } occurredAt",
    "plans": "id status",
}
SPAN = {"start": "2026-05-11T00:00:00Z", "end": "2026-05-12T00:00:00Z"}
EARLY = {"start": "2026-05-02T00:00:00Z", "end": "2026-05-04T00:00:00Z"}


def within(value: str | None, span: dict[str, str]) -> bool:
    return value is not None and span["start"] <= value < span["end"]


Row = dict[str, Any]
FILTERS: list[tuple[str, dict[str, Any], Callable[[Row, dict[str, str]], bool]]] = [
    ("invoices", {"status": ["DRAFT"]}, lambda row, _ids: row["status"] == "DRAFT"),
    ("invoices", {"status": ["PAID", "VOID"]}, lambda row, _ids: row["status"] in ("PAID", "VOID")),
    ("invoices", {"status": []}, lambda _row, _ids: False),
    ("invoices", {"status": None}, lambda _row, _ids: True),
    ("invoices", {"paymentState": ["PAID"]}, lambda row, _ids: row["paymentState"] == "PAID"),
    ("invoices", {"customerId": "$Customer"}, lambda row, ids: row["customer"]["id"] == ids["Customer"]),
    ("invoices", {"customerId": "cus_01h455vb4pex5vsknk084sn02q"}, lambda _row, _ids: False),
    ("invoices", {"subscriptionId": "$Subscription"}, lambda row, _ids: row["subscription"] is not None),
    ("invoices", {"number": "INV-2026-0003"}, lambda row, _ids: row["number"] == "INV-2026-0003"),
    ("invoices", {"number": "INV-2026"}, lambda _row, _ids: False),
    ("invoices", {"finalizedAt": SPAN}, lambda row, _ids: within(row["finalizedAt"], SPAN)),
    ("invoices", {"minTotal": 700}, lambda row, _ids: row["total"]["amount"] >= 700),
    ("invoices", {"maxTotal": 4}, lambda row, _ids: row["total"]["amount"] <= 4),
    (
        "invoices",
        {"minTotal": 4, "maxTotal": 700, "status": ["FINALIZED"]},
        lambda row, _ids: 4 <= row["total"]["amount"] <= 700 and row["status"] == "FINALIZED",
    ),
    ("subscriptions", {"status": ["ACTIVE"]}, lambda _row, _ids: True),
    ("subscriptions", {"status": ["CANCELED"]}, lambda _row, _ids: False),
    ("subscriptions", {"planKey": "plan-2"}, lambda row, _ids: row["plan"]["key"] == "plan-2"),
    ("subscriptions", {"planKey": "plan"}, lambda _row, _ids: False),
    ("subscriptions", {"customerId": "$Customer"}, lambda _row, _ids: True),
    ("ledgerEntries", {"type": ["CHARGE", "CREDIT"]}, lambda row, _ids: row["type"] in ("CHARGE", "CREDIT")),
    ("ledgerEntries", {"customerId": "$Customer"}, lambda _row, _ids: True),
    ("ledgerEntries", {"invoiceId": "$Invoice"}, lambda row, ids: row["invoice"]["id"] == ids["Invoice"]),
    ("ledgerEntries", {"effectiveAt": SPAN}, lambda row, _ids: within(row["effectiveAt"], SPAN)),
    ("usageEvents", {"meter": "meter-1"}, lambda row, _ids: row["meter"]["key"] == "meter-1"),
    ("usageEvents", {"meter": "none"}, lambda _row, _ids: False),
    ("usageEvents", {"customerId": "$Customer"}, lambda _row, _ids: True),
    (
        "usageEvents",
        {"subscriptionId": "$Subscription"},
        lambda row, ids: row["subscription"] is not None and row["subscription"]["id"] == ids["Subscription"],
    ),
    ("usageEvents", {"occurredAt": EARLY}, lambda row, _ids: within(row["occurredAt"], EARLY)),
]


@pytest.mark.parametrize(("field", "given", "keeps"), FILTERS)
async def test_a_filter_keeps_what_meets_it_and_counts_it(
    library: Library, field: str, given: dict[str, Any], keeps: Callable[[Row, dict[str, str]], bool]
) -> None:
    """The rows, their order and totalCount are those of the whole list that meet all conditions."""
    filter_type = TYPES["Query"].fields[field].args["filter"].type
    read = (
        f"query($f: {filter_type}) {{ {field}(first: 100, filter: $f) {{ totalCount nodes {{ {SELECT[field]} }} }} }}"
    )
    meant = {
        name: library.parents[value[1:]] if isinstance(value, str) and value.startswith("$") else value
        for name, value in given.items()
    }
    everything = (await library.caller.data(read, f=None))[field]["nodes"]
    found = (await library.caller.data(read, f=meant))[field]
    expected = [row for row in everything if keeps(row, library.parents)]
    assert found == {"totalCount": len(expected), "nodes": expected}


def test_every_filter_is_tried() -> None:
    """Each condition of each filter that the schema has stands in the table above."""
    tried = {(field, name) for field, given, _ in FILTERS for name in given}
    there = set()
    for field, made in TYPES["Query"].fields.items():
        if is_connection(made) and "filter" in made.args:
            filter_type = get_named_type(made.args["filter"].type)
            assert isinstance(filter_type, GraphQLInputObjectType)
            there |= {(field, name) for name in filter_type.fields}
    there -= {(field, name) for field, name in there if ("Query", field) == RECORDS}
    assert there <= tried, there - tried


async def test_plans_are_listed_by_status(library: Library) -> None:
    """ACTIVE are all of them; none is a DRAFT; an empty list of statuses is met by none."""
    read = "query($s: [PlanStatus!]) { plans(first: 100, status: $s) { totalCount nodes { status } } }"
    for status, count in [(None, 16), (["ACTIVE"], 16), (["DRAFT", "ARCHIVED"], 0), ([], 0)]:
        found = (await library.caller.data(read, s=status))["plans"]
        assert found["totalCount"] == len(found["nodes"]) == count


async def test_a_walk_under_a_filter_stays_under_it(library: Library) -> None:
    """Cursors go on inside the filtered list."""
    read = """query($after: String) { invoices(first: 2, after: $after, filter: {status: [FINALIZED, PAID]},
    orderBy: {field: TOTAL, direction: ASC}) { totalCount nodes { id status } pageInfo { hasNextPage endCursor } } }"""
    found, after, total = [], None, 0
    while True:
        page = (await library.caller.data(read, after=after))["invoices"]
        found += page["nodes"]
        total = page["totalCount"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert len({row["id"] for row in found}) == len(found) == total > 4
    assert {row["status"] for row in found} == {"FINALIZED", "PAID"}
