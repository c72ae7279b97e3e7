"""The walk: every field, id, key, number and cursor of the schema, tried by an organization that it does not belong to.

What is to be tried is read from the schema, so that a new field, argument or input field fails here until the tables
below say how to call it with an organization's own records. Each place is then given the other organization's value
and ones that nobody has, and all the answers have to be the same, byte for byte.
"""

import base64
import copy
import dataclasses
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import httpx
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    build_schema,
    get_named_type,
    is_leaf_type,
    is_required_argument,
)
from pydantic import SecretStr

from app.api.ids import parsed, type_id
from app.api.queries.node import NODES
from app.api.schema import schema
from app.domain.role import SCOPES_OF, Role
from app.main import application
from app.settings import Settings
from app.store.connection import ConnectionPool
from app.store.query import new_id
from app.store.roles import APP
from app.store.tables import metadata
from app.store.tenancy import Database
from app.store.vault.vault import Vault
from tests.caller import Caller, Founder
from tests.tenancy.records import Records, child_of, full_organization

SCHEMA = build_schema(schema.as_str())
ROOTS = ("Query", "Mutation")
PERIOD = {"start": "2026-01-01T00:00:00Z", "end": "2036-01-01T00:00:00Z"}

Arguments = Callable[[Records], dict[str, Any]]


def nothing(_own: Records) -> dict[str, Any]:
    """Called without arguments."""
    return {}


def fresh() -> str:
    """An event id that was never sent."""
    return f"fresh-{secrets.token_hex(8)}"


FIELDS: dict[str, list[Arguments]] = {
    # Each field with references among its arguments, and each root field: how an organization calls it with what it
    # has. More than one way where references exclude each other.
    "Query.apiKeys": [nothing],
    "Query.trustedDocuments": [nothing],
    # No mutation takes an entry's id: of others, the caller's own denials would tell.
    "Query.auditRecords": [lambda own: {"filter": {"recordId": own.ledger_entry}}],
    "Query.balances": [nothing],
    "Query.customer": [lambda own: {"id": own.customer}, lambda own: {"externalId": own.external_id}],
    "Query.customers": [nothing],
    "Query.entitlement": [lambda own: {"feature": own.feature_key, "customerId": own.customer}],
    "Query.entitlements": [lambda own: {"customerId": own.customer}],
    "Query.invoice": [lambda own: {"id": own.finalized}, lambda own: {"number": own.number}],
    "Query.invoices": [
        lambda own: {"filter": {"customerId": own.customer}},
        lambda own: {"filter": {"subscriptionId": own.billed_subscription}},
        lambda own: {"filter": {"number": own.number}},
    ],
    "Query.ledgerEntries": [lambda own: {"filter": {"customerId": own.customer, "invoiceId": own.finalized}}],
    "Query.members": [nothing],
    "Query.meters": [nothing],
    "Query.node": [lambda own, name=name: {"id": own.nodes[name]} for name in sorted(Records.NODES)],
    "Query.nodes": [lambda own, name=name: {"ids": [own.nodes[name]]} for name in sorted(Records.NODES)],
    "Query.organization": [nothing],
    "Query.organizations": [nothing],
    "Query.plan": [lambda own: {"key": own.plan_key}, lambda own: {"key": own.plan_key, "version": 1}],
    "Query.plans": [nothing],
    "Query.subscription": [lambda own: {"id": own.subscription}],
    "Query.subscriptions": [
        lambda own: {"filter": {"planKey": own.plan_key}},
        lambda own: {"filter": {"customerId": own.customer}},
    ],
    "Query.usage": [
        lambda own: {"meter": own.meter_key, "period": PERIOD, "window": "TOTAL", "customerId": own.customer}
    ],
    "Query.usageEvents": [
        lambda own: {"filter": {"meter": own.meter_key}},
        lambda own: {"filter": {"customerId": own.customer}},
        lambda own: {"filter": {"subscriptionId": own.subscription}},
    ],
    "Query.unmatchedUsageEvents": [nothing],
    "Query.usageConservation": [lambda _own: {"period": PERIOD}],
    "Query.viewer": [nothing],
    "Customer.invoices": [
        lambda own: {"filter": {"customerId": own.customer}},
        lambda own: {"filter": {"subscriptionId": own.billed_subscription}},
        lambda own: {"filter": {"number": own.number}},
    ],
    "Customer.ledgerEntries": [lambda own: {"filter": {"customerId": own.customer, "invoiceId": own.finalized}}],
    "Customer.subscriptions": [lambda own: {"filter": {"planKey": own.plan_key, "customerId": own.customer}}],
    "Invoice.ledgerEntries": [nothing],
    "Organization.children": [nothing],
    "Subscription.invoices": [
        lambda own: {"filter": {"customerId": own.customer}},
        lambda own: {"filter": {"subscriptionId": own.billed_subscription}},
        lambda own: {"filter": {"number": own.billed_number}},
    ],
    "Subscription.usage": [lambda own: {"meter": own.meter_key, "window": "TOTAL"}],
    "Mutation.trustedDocumentRegister": [lambda _own: {"document": "{ viewer { name } }", "name": "Nobody"}],
    "Mutation.trustedDocumentRemove": [lambda own: {"trustedDocumentId": own.trusted_document}],
    "Mutation.apiKeyCreate": [lambda _own: {"name": "Nobody"}],
    "Mutation.apiKeyRevoke": [lambda own: {"apiKeyId": own.api_key}],
    "Mutation.apiKeyRotate": [lambda own: {"apiKeyId": own.api_key}],
    "Mutation.billingRun": [nothing],
    "Mutation.customerCreate": [lambda own: {"name": "Nobody", "externalId": own.external_id}],
    "Mutation.customerUpdate": [
        lambda own: {"customerId": own.customer, "name": "Nobody"},
        lambda own: {"customerId": own.default_customer, "externalId": own.external_id},
    ],
    "Mutation.invoiceDeleteDraft": [lambda own: {"invoiceId": own.draft}],
    "Mutation.invoiceFinalize": [lambda own: {"invoiceId": own.draft}],
    "Mutation.invoiceGenerate": [
        lambda own: {"subscriptionId": own.subscription},
        lambda own: {"customerId": own.customer},
    ],
    "Mutation.invoiceLineItemAdd": [lambda own: {"invoiceId": own.draft, "description": "Work", "unitPrice": "1"}],
    "Mutation.invoiceLineItemRemove": [lambda own: {"invoiceId": own.draft, "lineItemId": own.draft_line}],
    "Mutation.invoiceMarkPaid": [lambda own: {"invoiceId": own.finalized}],
    "Mutation.invoiceVoid": [lambda own: {"invoiceId": own.finalized}],
    "Mutation.ledgerAdjust": [
        lambda own: {
            "customerId": own.customer,
            "invoiceId": own.finalized,
            "amount": 1,
            "currency": "USD",
            "description": "Goodwill",
        }
    ],
    "Mutation.memberAdd": [lambda own: {"subject": own.subject, "role": "support"}],
    "Mutation.memberRemove": [lambda own: {"memberId": own.member}],
    "Mutation.meterCreate": [lambda own: {"key": own.meter_key, "name": "Calls", "aggregation": "SUM"}],
    "Mutation.organizationCreate": [lambda own: {"parentId": own.child, "legalName": "Nobody"}],
    "Mutation.organizationUpdate": [nothing],
    "Mutation.planArchive": [lambda own: {"planId": own.plan}],
    "Mutation.planCreate": [
        lambda own: {
            "key": own.plan_key,
            "name": "Plan",
            "currency": "USD",
            "basePrice": 1,
            "features": [
                {
                    "key": "calls",
                    "name": "Calls",
                    "type": "METERED",
                    "meter": own.meter_key,
                    "price": {"model": "PER_UNIT", "tiers": [{"unitPrice": "1"}]},
                }
            ],
        }
    ],
    "Mutation.planPublish": [lambda own: {"planId": own.draft_plan}],
    "Mutation.subscriptionCancel": [lambda own: {"subscriptionId": own.subscription}],
    "Mutation.subscriptionChangePlan": [
        lambda own: {"subscriptionId": own.subscription, "planKey": own.plan_key, "quantity": 2}
    ],
    "Mutation.subscriptionCreate": [lambda own: {"planKey": own.plan_key, "customerId": own.customer}],
    "Mutation.subscriptionPause": [lambda own: {"subscriptionId": own.subscription}],
    "Mutation.subscriptionResume": [lambda own: {"subscriptionId": own.paused_subscription}],
    "Mutation.testClockAdvance": [lambda _own: {"to": "2036-01-01T00:00:00Z"}],
    "Mutation.usageRelease": [lambda own: {"reservationId": own.reservation}],
    "Mutation.usageReserve": [lambda own: {"feature": own.feature_key, "customerId": own.customer, "quantity": "1"}],
    "Mutation.usageSettle": [lambda own: {"reservationId": own.reservation, "quantity": "1"}],
    "Mutation.usageCorrect": [
        lambda own: {"eventId": own.event_id, "source": own.source, "quantity": "3", "reason": "Retry"}
    ],
    "Mutation.usageRecord": [
        lambda own: {"events": [{"eventId": own.event_id, "source": own.source, "meter": "anything"}]},
        lambda own: {"events": [{"eventId": fresh(), "meter": own.meter_key, "customerId": own.customer}]},
        lambda own: {"events": [{"eventId": fresh(), "meter": own.meter_key, "subscriptionId": own.subscription}]},
        lambda own: {"events": [{"eventId": fresh(), "meter": own.meter_key, "externalCustomerId": own.external_id}]},
    ],
}

PARENTS: dict[str, tuple[str, Callable[[Records], str]]] = {
    # How the parent of a nested field is reached.
    "Customer": ("customer(id: $parent)", lambda own: own.customer),
    "Invoice": ("invoice(id: $parent)", lambda own: own.finalized),
    "Organization": ("node(id: $parent)", lambda own: own.organization),
    "Subscription": ("subscription(id: $parent)", lambda own: own.billed_subscription),
}

KEYS = {
    # Strings that name a record.
    "Query.customer.externalId",
    "Query.entitlement.feature",
    "Query.invoice.number",
    "Query.plan.key",
    "Query.usage.meter",
    "Subscription.usage.meter",
    "InvoiceFilter.number",
    "PlanFeatureInput.meter",
    "SubscriptionChangePlanInput.planKey",
    "SubscriptionCreateInput.planKey",
    "SubscriptionFilter.planKey",
    "UsageCorrectInput.eventId",
    "UsageCorrectInput.source",
    "UsageEventFilter.meter",
    "UsageReserveInput.feature",
}

NEW_KEYS = {
    # Strings that a new record is to be named by, or may be: free in one organization whoever has them in another.
    "CustomerCreateInput.externalId",
    "CustomerUpdateInput.externalId",
    "MemberAddInput.subject",
    "MeterCreateInput.key",
    "PlanCreateInput.key",
    "UsageEventInput.eventId",
    "UsageEventInput.externalCustomerId",
    "UsageEventInput.meter",
    "UsageEventInput.source",
}

TEXTS = {
    # Strings that name nothing.
    "AddressInput.city",
    "AddressInput.line1",
    "AddressInput.line2",
    "AddressInput.postalCode",
    "AddressInput.region",
    "ApiKeyCreateInput.name",
    "TrustedDocumentRegisterInput.document",
    "TrustedDocumentRegisterInput.name",
    "ApiKeyCreateInput.role",
    "CustomerCreateInput.email",
    "AuditRecordFilter.action",
    "AuditRecordFilter.principal",
    "CustomerCreateInput.name",
    "CustomerUpdateInput.email",
    "CustomerUpdateInput.name",
    "InvoiceGenerateInput.notes",
    "InvoiceLineItemAddInput.description",
    "InvoiceMarkPaidInput.externalReference",
    "InvoiceVoidInput.reason",
    "LedgerAdjustInput.description",
    "LedgerAdjustInput.externalReference",
    "MemberAddInput.email",
    "MemberAddInput.role",
    "MeterCreateInput.name",
    "MeterCreateInput.property",
    "MeterCreateInput.unit",
    "Money.formatted.locale",
    "OrganizationCreateInput.doingBusinessAs",
    "OrganizationCreateInput.legalDocument",
    "OrganizationCreateInput.legalName",
    "OrganizationCreateInput.region",
    "OrganizationUpdateInput.doingBusinessAs",
    "OrganizationUpdateInput.legalDocument",
    "OrganizationUpdateInput.legalName",
    "PlanCreateInput.description",
    "PlanCreateInput.name",
    "PlanFeatureInput.key",
    "PlanFeatureInput.name",
    "Query.usage.groupBy",
    "Subscription.usage.groupBy",
    "SubscriptionCancelInput.reason",
    "UsageCorrectInput.reason",
}

# An idempotency key is its principal's own: `tests/api/test_idempotency.py` shows that two organizations may share one.
TEXTS |= {
    f"{name}.idempotencyKey"
    for name, type_ in SCHEMA.type_map.items()
    if isinstance(type_, GraphQLInputObjectType) and "idempotencyKey" in type_.fields
}

CURSORS = {"after", "before"}

PLAIN_SCALARS = {
    "Boolean",
    "CountryCode",
    "CurrencyCode",
    "DateTime",
    "Decimal",
    "Int",
    "Metadata",
    "MinorUnits",
    "Properties",
    "TimeZone",
}


@dataclass(frozen=True)
class Place:
    """A place in the schema where a client names a record: `path` leads from the field's arguments to it."""

    field: str
    path: tuple[str | int, ...]
    is_new: bool = False

    def __str__(self) -> str:
        return ".".join(map(str, (self.field, *self.path)))


def fields_with_arguments() -> Iterator[tuple[str, GraphQLField]]:
    """Every field of every object type, by "Type.field"."""
    for name, type_ in SCHEMA.type_map.items():
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__"):
            for field_name, field in type_.fields.items():
                yield f"{name}.{field_name}", field


def places_in(field: str) -> Iterator[Place]:
    """Where a field's arguments name records; what the tables above do not know goes to UNDECIDED."""
    type_name, _, field_name = field.partition(".")
    for name, argument in SCHEMA.type_map[type_name].fields[field_name].args.items():
        if name not in CURSORS:
            # A mutation has one argument, its input: the tables say what is in it.
            yield from _places(field, () if type_name == "Mutation" else (name,), argument.type, f"{field}.{name}")


def _places(field: str, path: tuple[str | int, ...], type_: Any, spelled: str) -> Iterator[Place]:
    if isinstance(type_, GraphQLNonNull):
        yield from _places(field, path, type_.of_type, spelled)
    elif isinstance(type_, GraphQLList):
        yield from _places(field, (*path, 0), type_.of_type, spelled)
    elif isinstance(type_, GraphQLInputObjectType):
        for name, inner in type_.fields.items():
            yield from _places(field, (*path, name), inner.type, f"{type_.name}.{name}")
    elif type_.name == "ID" or spelled in KEYS or spelled in NEW_KEYS:
        yield Place(field, path, spelled in NEW_KEYS)
    elif not (spelled in TEXTS or isinstance(type_, GraphQLEnumType) or type_.name in PLAIN_SCALARS):
        UNDECIDED.append(spelled)


UNDECIDED: list[str] = []
PLACES = sorted((place for field, _ in fields_with_arguments() for place in places_in(field)), key=str)
LISTS = sorted(name for name, field in fields_with_arguments() if field.args.keys() >= CURSORS)


def test_every_root_field_is_in_the_table() -> None:
    """A new root field fails here until it is said how to call it."""
    roots = {name for name, _ in fields_with_arguments() if name.partition(".")[0] in ROOTS}
    assert {name for name in FIELDS if name.partition(".")[0] in ROOTS} == roots


def test_every_reference_is_in_the_table() -> None:
    """So does a new id, string, scalar or list anywhere below, and what the tables name is in the schema."""
    assert UNDECIDED == [], "do these name a record? put them into KEYS, NEW_KEYS, TEXTS or PLAIN_SCALARS"
    assert {place.field for place in PLACES} | set(LISTS) <= FIELDS.keys()
    assert FIELDS.keys() <= {name for name, _ in fields_with_arguments()}
    spelled = {f"{name}.{argument}" for name, field in fields_with_arguments() for argument in field.args}
    spelled |= {
        f"{name}.{field}"
        for name, type_ in SCHEMA.type_map.items()
        if isinstance(type_, GraphQLInputObjectType)
        for field in type_.fields
    }
    assert spelled >= KEYS | NEW_KEYS | TEXTS


def test_every_node_is_in_the_table() -> None:
    """Each type that `node` can find has a record to be looked for."""
    node = SCHEMA.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    assert {type_.name for type_ in SCHEMA.get_possible_types(node)} == set(Records.NODES)
    assert {parsed(f"{prefix}_{'0' * 26}")[0] for prefix in NODES} == set(NODES)
    assert len(NODES) == len(Records.NODES)


def test_there_is_no_subscription_to_walk() -> None:
    """Once there is one, it belongs into the walk."""
    assert SCHEMA.subscription_type is None


@dataclass
class World:
    """Two organizations that must not know of each other."""

    known: Records
    stranger: Records
    database: str
    strings: set[str]
    checksum: dict[str, str]


@pytest.fixture(scope="module")
async def world(founder: Founder, database: Database, owner_url: str) -> World:
    return await world_in(founder, database, owner_url)


async def world_in(founder: Founder, database: Database, owner_url: str) -> World:
    known = await full_organization(founder, database, "zyzzyva", amount=8_675_309, spare=2)
    stranger = await full_organization(founder, database, "quokka", amount=1_234)
    administrator = await asyncpg.connect(owner_url)
    try:
        return World(
            known,
            stranger,
            await administrator.fetchval("select current_database()"),
            strings=await strings_of(administrator, known),
            checksum=await checksum_of(administrator, known),
        )
    finally:
        await administrator.close()


def organizations_of(records: Records) -> list[UUID]:
    return [parsed(records.organization)[1], parsed(records.child)[1]]


async def strings_of(administrator: asyncpg.Connection, records: Records) -> set[str]:
    """What no answer to another organization may hold: its mark, its amount, and every id of its rows."""
    found = {records.mark, f"{records.amount}", f"{records.amount / 100:.2f}", f"{records.amount / 100:,.2f}"}
    for table in metadata.tables:
        for (row,) in await administrator.fetch(
            f"select to_jsonb(t) from {table} t where organization_id = any($1)", organizations_of(records)
        ):
            ids = [UUID(value) for value in json.loads(row).values() if isinstance(value, str) and _UUID.match(value)]
            found |= {form for id_ in ids for form in (str(id_), id_.hex, type_id("x", id_).removeprefix("x_"))}
    assert len(found) > 100
    return found


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


async def checksum_of(administrator: asyncpg.Connection, records: Records) -> dict[str, str]:
    """A fingerprint of all that an organization and its child have, by table; not of when keys were used."""
    return {
        table: await administrator.fetchval(
            "select count(*) || ':' || md5(string_agg(row::text, e'\\n' order by row::text)) from ("
            f" select to_jsonb(t) - 'last_used_at' as row from {table} t where organization_id = any($1)) as rows",
            organizations_of(records),
        )
        for table in metadata.tables
    }


def selection(type_: Any, depth: int) -> str:
    """All that a type has, to a depth; amounts, periods and the pages of a list count as none."""
    named = get_named_type(type_)
    if is_leaf_type(named):
        return ""
    if isinstance(named, GraphQLInterfaceType):
        possible = SCHEMA.get_possible_types(named)
        seen: dict[str, set[str]] = {}
        for inner in possible:
            for name, field in inner.fields.items():
                seen.setdefault(name, set()).add(str(field.type))
        # Fields of one name and two types do not go together: those have a name of their own for each type.
        torn = {name for name, types in seen.items() if len(types) > 1}
        parts = [f"... on {inner.name} {{ {' '.join(_parts(inner, 0, torn))} }}" for inner in possible]
        return f"{{ __typename {' '.join(parts)} }}"
    return f"{{ __typename {' '.join(_parts(named, depth))} }}"


def _parts(named: Any, depth: int, torn: Collection[str] = ()) -> Iterator[str]:
    for name, field in named.fields.items():
        inner = get_named_type(field.type)
        is_page = inner.name.endswith("Connection")
        is_free = is_leaf_type(inner) or inner.name in FREE or named.name.endswith("Connection") or is_page
        if not any(map(is_required_argument, field.args.values())) and (is_free or depth) and (depth or not is_page):
            alias = f"{named.name}_{name}: " if name in torn else ""
            yield f"{alias}{name} {selection(inner, depth if is_free and not is_page else depth - 1)}"


FREE = {"Address", "Money", "PageInfo", "Period"}

SELECTIONS = {
    name: selection(field.type, 2 if name.startswith("Mutation.") else 1)
    for name, field in fields_with_arguments()
    if name in FIELDS
}


async def call(caller: Caller, field: str, arguments: dict[str, Any], parent: str | None = None) -> str:
    """The answer's bytes: for a query those of both roads. The request's id is the same in all."""
    type_name, _, name = field.partition(".")
    definitions = SCHEMA.type_map[type_name].fields[name].args
    given = {"input": arguments} if type_name == "Mutation" else arguments
    declared = [f"${key}: {definitions[key].type}" for key in given]
    passed = ", ".join(f"{key}: ${key}" for key in given)
    body = f"{name}{f'({passed})' if passed else ''} {SELECTIONS[field]}"
    if type_name not in ROOTS:
        declared.append("$parent: ID!")
        body = f"{PARENTS[type_name][0]} {{ ... on {type_name} {{ {body} }} }}"
    variables = ", ".join(declared)
    keyword = "mutation" if type_name == "Mutation" else "query"
    document = f"{keyword} Walk{f'({variables})' if variables else ''} {{ {body} }}"
    values = given | ({} if parent is None else {"parent": parent})
    sent = {"query": document, "variables": values}
    if type_name == "Mutation":
        return await _posted(caller, sent)
    return await _posted_by_both(caller, sent)


async def _posted(caller: Caller, sent: dict[str, Any]) -> str:
    return (await caller.post(sent, headers={"x-request-id": "walk"})).text


async def _posted_by_both(caller: Caller, sent: dict[str, Any]) -> str:
    """The answer with the planner, which is that without it. Asked again where it changed meanwhile, as a key's use."""
    for _ in range(3):
        answers = [await _posted(each, sent) for each in (caller, *caller.by_stock())]
        if len(set(answers)) == 1:
            break
    assert len(set(answers)) == 1, answers
    return answers[0]


async def call_own(records: Records, field: str, arguments: dict[str, Any]) -> str:
    """The answer to an organization's owner; a nested field under a parent of its own."""
    parent = PARENTS.get(field.partition(".")[0])
    return await call(records.owner, field, arguments, None if parent is None else parent[1](records))


def value_at(arguments: Any, path: tuple[str | int, ...]) -> Any:
    """What is at a place; None where the arguments do not reach it."""
    for step in path:
        try:
            arguments = arguments[step]
        except (KeyError, IndexError):
            return None
    return arguments


def with_value(arguments: dict[str, Any], path: tuple[str | int, ...], value: str) -> dict[str, Any]:
    """The arguments with something else at a place."""
    changed: Any = copy.deepcopy(arguments)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


def unknown_like(value: str, mark: str) -> str:
    """A value of the same form that nobody has."""
    if TYPE_ID.fullmatch(value):
        return type_id(value.partition("_")[0], new_id())
    if mark in value:
        return value.replace(mark, "".join(secrets.choice("abcdefgh") for _ in mark))
    assert NUMBER.fullmatch(value), value
    return value[:-4] + "9876"


def unfit_for(value: str, known: Records) -> list[str]:
    """Instead of an id: malformed ones, other types' ids, and the same UUID as another type's id."""
    prefix, suffix = value.split("_")
    foreign = known.customer if prefix != "cus" else known.meter
    return [
        "",
        "nonsense",
        value[:-1],
        value.upper(),
        str(parsed(value)[1]),
        f"{prefix}_{'z' * 26}",
        foreign,
        f"{foreign.partition('_')[0]}_{suffix}",
    ]


def unfit_at_length_for(value: str, known: Records) -> list[str]:
    """All that one may think of."""
    prefix, suffix = value.split("_")
    malformed = ["_", value + "0", suffix, f"{prefix}_", f"_{suffix}", f" {value}", f"{value}\n", "🦔", "x" * 5_000]
    malformed += [f"{prefix}_{'0' * 26}", f"{prefix}-{suffix}", f"{prefix}_{suffix}_{suffix}", parsed(value)[1].hex]
    foreign = [id_ for id_ in known.nodes.values() if not id_.startswith(f"{prefix}_")]
    others = [f"{other}_{suffix}" for other in sorted({*NODES, "xxx"} - {prefix})]
    return [*unfit_for(value, known), *malformed, *foreign, *others]


TYPE_ID = re.compile(r"[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}")
NUMBER = re.compile(r"INV-[0-9]{4}-[0-9]{4}")
FRESH = re.compile(r"fresh-[0-9a-f]{16}")
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z")


def leveled(answer: str, sent: str) -> str:
    """The answer without what has to differ where something new is made: its ids, its instants, what was sent."""
    answer = answer.replace(json.dumps(sent, ensure_ascii=False)[1:-1], "<sent>")
    return FRESH.sub("<fresh>", INSTANT.sub("<instant>", TYPE_ID.sub("<id>", answer)))


def assert_tells_nothing(answer: str, strings: set[str], sent: str = "") -> None:
    """The answer holds nothing of the other organization, but for what the caller itself sent."""
    heard = answer.replace(sent, "") if sent else answer
    assert sorted(string for string in strings if string in heard) == []


class Example(Records):
    """Records whose every value says so, to find out where the tables put them."""

    def __init__(self) -> None:
        for each in dataclasses.fields(Records):
            setattr(self, each.name, f"example {each.name}")

    @property
    def organization(self) -> str:
        return "example organization"


def ways(place: Place) -> Iterator[Arguments]:
    """How to call a place's field so that the place is filled with a record of the caller's."""
    for arguments in FIELDS[place.field]:
        if str(value_at(arguments(Example()), place.path)).startswith("example "):
            yield arguments


class TestReferences:
    """One place at a time holds what is the other organization's; all else is the caller's own."""

    @pytest.mark.parametrize("place", PLACES, ids=str)
    def test_is_covered(self, place: Place) -> None:
        """The tables fill it with a record of the caller's."""
        assert list(ways(place)), f"no way in FIELDS[{place.field!r}] fills {place} with the caller's own"

    @pytest.mark.parametrize("place", [place for place in PLACES if not place.is_new], ids=str)
    async def test_a_foreign_one_is_like_an_unknown_one(self, world: World, place: Place) -> None:
        """Byte for byte; so are malformed ids and other types' ids. To its owner it is none of these (A3)."""
        for way in ways(place):
            foreign = value_at(way(world.known), place.path)
            unknown = unknown_like(foreign, world.known.mark)
            alternatives = [unknown]
            if TYPE_ID.fullmatch(foreign):
                suffix = value_at(way(world.stranger), place.path).partition("_")[2]
                # The caller's own record, but by an id of another type: that is none of its ids.
                alternatives += [*unfit_for(foreign, world.known), f"xyz_{suffix}"]
            if place.field == "Query.auditRecords":
                # It takes an id of any type: by another record's it finds where the caller tried that one.
                alternatives.remove(world.known.customer)
            own = way(world.stranger) | in_earnest(place)
            answer = await call_own(world.stranger, place.field, with_value(own, place.path, foreign))
            assert_tells_nothing(answer, world.strings, foreign)
            for alternative in alternatives:
                other = await call_own(world.stranger, place.field, with_value(own, place.path, alternative))
                assert other == answer, alternative
            # The probe is worth something only where the value means something to those who may know it.
            mine = way(world.known) | rehearsed(place)
            seen = await call_own(world.known, place.field, mine)
            assert '"errors"' not in seen
            unseen = await call_own(world.known, place.field, with_value(mine, place.path, unknown))
            assert leveled(seen, foreign) != leveled(unseen, unknown)
            if place.field.startswith("Mutation."):
                own |= rehearsed(place)
                for value in (foreign, unknown):
                    assert await call_own(world.stranger, place.field, with_value(own, place.path, value)) == answer

    @pytest.mark.parametrize("name", sorted(Records.NODES))
    async def test_no_form_of_an_id_is_answered(self, world: World, name: str) -> None:
        """`node` and `nodes` take any id, so they get whatever looks like one of that type."""
        foreign = world.known.nodes[name]
        values = [foreign, *unfit_at_length_for(foreign, world.known)]
        together = await call_own(world.stranger, "Query.nodes", {"ids": values})
        assert json.loads(together)["data"] == {"nodes": [None] * len(values)}
        answers = {await call_own(world.stranger, "Query.node", {"id": value}) for value in values[:4]}
        (answer,) = answers
        assert json.loads(answer)["data"] == {"node": None}

    @pytest.mark.parametrize("place", [place for place in PLACES if place.is_new], ids=str)
    async def test_a_key_that_is_taken_elsewhere_is_free(self, world: World, place: Place) -> None:
        """Where something new gets a key, one that another organization has is as good as any; here it is not (M15)."""
        for way in ways(place):
            foreign = value_at(way(world.known), place.path)
            unknown = unknown_like(foreign, world.known.mark)
            answers = []
            for value in (foreign, unknown):
                own = with_value(way(world.stranger) | rehearsed(place), place.path, value)
                answer = await call_own(world.stranger, place.field, own)
                assert_tells_nothing(answer, world.strings, value)
                answers.append(leveled(answer, value))
            assert '"errors"' not in answers[0]
            assert '"userErrors":[]' in answers[0]
            assert answers[1] == answers[0]
            mine = await call_own(world.known, place.field, way(world.known) | rehearsed(place))
            mine = leveled(mine, foreign).replace(world.known.mark, world.stranger.mark)
            assert mine != leveled(answers[0], world.stranger.mark)

    async def test_a_key_that_is_taken_elsewhere_is_taken_here_too(self, world: World, owner: Caller) -> None:
        """In earnest: both organizations have a record of that key then, and each sees its own."""
        known = world.known
        await owner.change("customerCreate", {"name": "Mine", "externalId": known.external_id}, "customer { id }")
        meter = {"key": known.meter_key, "name": "Mine", "aggregation": "COUNT"}
        await owner.change("meterCreate", meter, "meter { id }")
        await owner.change("meterCreate", meter | {"key": f"{known.mark}-later"}, "meter { id }")
        plan = {"key": known.plan_key, "name": "Mine", "currency": "USD", "basePrice": 1}
        await owner.change("planCreate", plan, "plan { id }")
        events = [
            {"eventId": f"{known.mark}-{number}", "source": known.source, "meter": known.meter_key}
            | {"externalCustomerId": known.external_id}
            for number in range(5)
        ]
        counted = await owner.change("usageRecord", {"events": events}, "accepted duplicates unmatched rejected")
        assert counted == {"accepted": 5, "duplicates": 0, "unmatched": 0, "rejected": 0, "userErrors": []}
        ask = """
            query($external: String!, $plan: String!, $meter: String!, $period: PeriodInput!) {
              customer(externalId: $external) { name }
              plan(key: $plan) { name version }
              usage(meter: $meter, period: $period, window: TOTAL) { meter { name } total }
            }
        """
        keys = {"external": known.external_id, "plan": known.plan_key, "meter": known.meter_key, "period": PERIOD}
        assert await owner.data(ask, **keys) == {
            "customer": {"name": "Mine"},
            "plan": {"name": "Mine", "version": 1},
            "usage": {"meter": {"name": "Mine"}, "total": "5"},
        }
        assert await known.owner.data(ask, **keys) == {
            "customer": {"name": f"{known.mark} Customer"},
            "plan": {"name": f"{known.mark} Plan", "version": 2},
            "usage": {"meter": {"name": f"{known.mark} Calls"}, "total": "21"},
        }

    @pytest.mark.parametrize("field", sorted(FIELDS))
    async def test_with_all_that_is_the_others(self, world: World, field: str, founder: Founder) -> None:
        """Everything at once is foreign, the nested field's parent too: nothing is told, and nothing goes wrong."""
        caller = await founder.organization()
        parent = PARENTS.get(field.partition(".")[0])
        for way in FIELDS[field]:
            foreign = way(world.known)
            sent = json.dumps(foreign)
            answer = await call(caller, field, foreign, None if parent is None else parent[1](world.known))
            assert_tells_nothing(answer, {string for string in world.strings if string not in sent})
            assert "INTERNAL" not in answer

    @pytest.mark.parametrize("field", sorted(name for name in FIELDS if not name.startswith("Mutation.")))
    async def test_with_the_callers_own(self, world: World, field: str) -> None:
        """Everybody sees what is theirs, and nothing of the other's beside it (A5)."""
        for way in FIELDS[field]:
            theirs = await call_own(world.known, field, way(world.known))
            own = await call_own(world.stranger, field, way(world.stranger))
            assert '"errors"' not in theirs + own
            assert own != theirs
            assert_tells_nothing(own, world.strings)
            assert field in ONLY_FIGURES or any(string in theirs for string in world.strings)


def rehearsed(place: Place) -> dict[str, Any]:
    """A mutation's input, so that nothing is stored."""
    return {"dryRun": True} if place.field.startswith("Mutation.") else {}


def in_earnest(place: Place) -> dict[str, Any]:
    """A mutation's input, so that what is not refused is stored."""
    return {"dryRun": False} if place.field.startswith("Mutation.") else {}


ONLY_FIGURES = ("Query.balances", "Query.usageConservation")
"""Fields whose answers hold no text of their organization."""


class TestCursors:
    """A cursor belongs to its organization, its list, its filter and its order."""

    @pytest.mark.parametrize("field", LISTS)
    @pytest.mark.parametrize(
        ("size", "edge", "place"), [("first", "endCursor", "after"), ("last", "startCursor", "before")]
    )
    async def test_a_foreign_one_is_like_a_random_one(
        self, world: World, field: str, size: str, edge: str, place: str
    ) -> None:
        """BAD_USER_INPUT, byte for byte, also for one of another list; the caller's own is taken."""
        for way in FIELDS[field][:1]:
            foreign = cursor_in(await call_own(world.known, field, way(world.known) | {size: 1}), field, edge)
            own_arguments = way(world.stranger) | {size: 1}
            own = cursor_in(await call_own(world.stranger, field, own_arguments), field, edge)
            other_list = "Query.meters" if field != "Query.meters" else "Query.plans"
            elsewhere = cursor_in(await call_own(world.stranger, other_list, {size: 1}), other_list, edge)
            content = base64.urlsafe_b64decode(own + "=" * (-len(own) % 4))
            flipped = base64.urlsafe_b64encode(bytes([content[0] ^ 1]) + content[1:]).decode().rstrip("=")
            spoilt = [
                secrets.token_urlsafe(len(content)),
                flipped,
                own[:-2],
                own + own,
                elsewhere,
                "",
                "🦔",
                "A" * 5_000,
            ]
            answer = await call_own(world.stranger, field, own_arguments | {place: foreign})
            assert [error["extensions"]["code"] for error in json.loads(answer)["errors"]] == ["BAD_USER_INPUT"]
            assert_tells_nothing(answer, world.strings)
            for cursor in spoilt:
                assert await call_own(world.stranger, field, own_arguments | {place: cursor}) == answer, cursor
            assert '"errors"' not in await call_own(world.stranger, field, own_arguments | {place: own})

    async def test_one_of_another_filter_or_order_is_refused(self, world: World) -> None:
        """So that nobody walks from one list into another."""
        lists: list[dict[str, Any]] = [
            {},
            {"filter": {"customerId": world.stranger.customer}},
            {"filter": {"status": "DRAFT"}},
            {"filter": {"number": world.stranger.number}},
            {"filter": {"minTotal": 1}},
            {"orderBy": {"field": "TOTAL"}},
            {"orderBy": {"field": "TOTAL", "direction": "ASC"}},
            {"orderBy": {"direction": "ASC"}},
        ]
        for one in lists:
            answer = await call_own(world.stranger, "Query.invoices", one | {"first": 1})
            cursor = cursor_in(answer, "Query.invoices", "endCursor")
            for other in lists:
                answer = await call_own(world.stranger, "Query.invoices", other | {"first": 1, "after": cursor})
                assert ('"errors"' in answer) == (other is not one), (one, other)

    async def test_one_does_not_follow_its_owner_into_a_child(self, world: World) -> None:
        """The same credential inside another organization is another list."""
        owner = world.stranger.owner
        cursor = cursor_in(await call(owner, "Query.customers", {"first": 1}), "Query.customers", "endCursor")
        answer = await call(entered(owner, world.stranger.child), "Query.customers", {"first": 1, "after": cursor})
        assert "The cursor does not belong to this list." in answer


def cursor_in(answer: str, field: str, edge: str) -> str:
    """The page's cursor at that edge."""
    (found,) = json.loads(answer)["data"].values()
    page = found if field.startswith("Query.") else found[field.partition(".")[2]]
    assert page["pageInfo"][edge] is not None
    return page["pageInfo"][edge]


def entered(caller: Caller, organization: str) -> Caller:
    """The caller, inside another organization."""
    return dataclasses.replace(caller, headers={"x-organization-id": organization})


@dataclass
class Family:
    """A parent and its child, each with its owner's key."""

    parent: Caller
    child: Caller


@pytest.fixture(scope="module")
async def family(founder: Founder, database: Database) -> Family:
    parent = await founder.organization("Parent Ltd")
    child = await child_of(founder, database, parent, "Child Ltd")
    await child.change("customerCreate", {"name": "Grandcustomer"}, "customer { id }")
    return Family(parent, child)


WHO = "{ viewer { organization { id } } }"


async def knock(caller: Caller, organization: str) -> tuple[int, str, str]:
    """The answer to who would enter an organization: status, code, bytes."""
    answer = await caller.post(
        {"query": WHO}, headers={"x-organization-id": organization.encode(), "x-request-id": "walk"}
    )
    errors = answer.json().get("errors", [{"extensions": {"code": ""}}])
    return answer.status_code, errors[0]["extensions"]["code"], answer.text


class TestEntering:
    """X-Organization-ID narrows; it opens nothing that the credential does not open (M21)."""

    async def test_a_foreign_organization_is_like_an_unknown_one(self, world: World) -> None:
        """And like a malformed one: the same FORBIDDEN."""
        refused = await knock(world.stranger.owner, type_id("org", new_id()))
        assert refused[:2] == (403, "FORBIDDEN")
        for value in [
            world.known.organization,
            world.known.child,
            *unfit_at_length_for(world.known.organization, world.known),
            *unfit_for(world.stranger.organization, world.stranger),
            f"{world.stranger.organization},{world.known.organization}",
        ]:
            assert await knock(world.stranger.owner, value) == refused, value

    async def test_naming_it_twice_is_refused(self, world: World) -> None:
        """Two headers are no way to be checked by the one and served by the other."""
        headers = [
            ("authorization", f"Bearer {world.stranger.owner.api_key}"),
            ("x-organization-id", world.stranger.organization),
            ("x-organization-id", world.known.organization),
        ]
        for given in (headers, [headers[0], headers[2], headers[1]]):
            answer = await world.stranger.owner.http.post("/graphql", json={"query": WHO}, headers=given)
            assert_tells_nothing(answer.text, world.strings)

    async def test_without_a_credential_no_organization_is_known(self, world: World) -> None:
        """The header alone is worth nothing."""
        answers = set()
        for value in (world.known.organization, type_id("org", new_id()), "nonsense"):
            answer = await world.known.owner.http.post(
                "/graphql", json={"query": WHO}, headers={"x-organization-id": value, "x-request-id": "walk"}
            )
            answers.add((answer.status_code, answer.text))
        assert len(answers) == 1
        assert "UNAUTHENTICATED" in answers.pop()[1]

    @pytest.mark.parametrize("role", list(Role))
    async def test_only_some_roles_enter_a_child(self, family: Family, founder: Founder, role: Role) -> None:
        """Those that hold organization:enter; to others a child is like an unknown organization."""
        colleague = await founder.colleague(family.parent, role)
        unknown = await knock(colleague, type_id("org", new_id()))
        child = await knock(colleague, family.child.organization_id)
        assert unknown[:2] == (403, "FORBIDDEN")
        if "organization:enter" in SCOPES_OF[role]:
            assert child[0] == 200
            assert family.child.organization_id in child[2]
        else:
            assert child == unknown
        assert (await knock(colleague, family.parent.organization_id))[0] == 200

    @pytest.mark.parametrize("role", [role for role in Role if "organization:enter" not in SCOPES_OF[role]])
    async def test_who_cannot_enter_does_not_see(self, family: Family, founder: Founder, role: Role) -> None:
        """Without organization:enter, `organizations`, `children` and `node` show the credential's own alone."""
        colleague = await founder.colleague(family.parent, role)
        own, child = family.parent.organization_id, family.child.organization_id
        seen = await colleague.data(
            "{ viewer { organization { id parent { id } children { totalCount nodes { id } } } } }"
        )
        nobody = {"totalCount": 0, "nodes": []}
        assert seen["viewer"]["organization"] == {"id": own, "parent": None, "children": nobody}
        if "organization:read" in SCOPES_OF[role]:
            assert await colleague.data(FAMILY, id=child) == {
                "organizations": {"totalCount": 1, "nodes": [{"id": own}]},
                "organization": {"parent": None, "children": nobody},
                "node": None,
                "nodes": [None],
            }

    async def test_who_can_enter_sees(self, family: Family) -> None:
        """The parent's owner finds its child by each of these, which shows that they would tell."""
        own, child = family.parent.organization_id, family.child.organization_id
        seen = await family.parent.data(FAMILY, id=child)
        assert {node["id"] for node in seen["organizations"]["nodes"]} >= {own, child}
        assert child in {node["id"] for node in seen["organization"]["children"]["nodes"]}
        assert (seen["node"], seen["nodes"]) == ({"id": child}, [{"id": child}])
        inside = await entered(family.parent, child).data(FAMILY, id=own)
        assert inside["organization"]["parent"] == inside["node"] == {"id": own}

    async def test_a_child_does_not_see_its_parent(self, family: Family) -> None:
        """Not through `parent`, not through `organizations`, not through `node`."""
        assert await family.child.data(FAMILY, id=family.parent.organization_id) == {
            "organizations": {"totalCount": 1, "nodes": [{"id": family.child.organization_id}]},
            "organization": {"parent": None, "children": {"totalCount": 0, "nodes": []}},
            "node": None,
            "nodes": [None],
        }

    async def test_a_child_enters_nobody_above_or_beside_it(
        self, family: Family, founder: Founder, database: Database
    ) -> None:
        """One enters downwards alone, at any depth."""
        sibling = await child_of(founder, database, family.parent, "Sibling Ltd")
        grandchild = await child_of(founder, database, sibling, "Grandchild Ltd")
        refused = await knock(family.child, type_id("org", new_id()))
        assert refused[:2] == (403, "FORBIDDEN")
        for caller, others in (
            (family.child, (family.parent, sibling, grandchild)),
            (sibling, (family.parent, family.child)),
            (grandchild, (family.parent, family.child, sibling)),
        ):
            assert (await knock(caller, caller.organization_id))[0] == 200
            for other in others:
                assert await knock(caller, other.organization_id) == refused
        for caller in (family.parent, sibling):
            assert (await knock(caller, grandchild.organization_id))[0] == 200

    @pytest.mark.parametrize("field", sorted(name for name in FIELDS if name.partition(".")[0] in ROOTS))
    async def test_inside_a_child_the_parents_records_are_foreign(
        self, world: World, field: str, owner_url: str
    ) -> None:
        """A parent's owner who entered a child finds none of the parent's records there, and changes none (A5)."""
        parent = world.stranger
        inside = entered(parent.owner, parent.child)
        administrator = await asyncpg.connect(owner_url)
        try:
            parents_own = dataclasses.replace(parent, child=parent.organization)
            hidden = await strings_of(administrator, parents_own)
            hidden -= {parent.mark, *forms_of(parent.organization), *forms_of(parent.child)}
            # Who acted inside the child is told there, by its credential.
            hidden -= {form for form in hidden if form in parent.principal}
            before = await checksum_of(administrator, parents_own)
            for way in FIELDS[field]:
                answer = await call(inside, field, way(parent))
                sent = json.dumps(way(parent))
                assert_tells_nothing(answer, {string for string in hidden if string not in sent})
            assert await checksum_of(administrator, parents_own) == before
        finally:
            await administrator.close()

    async def test_outside_a_child_its_records_are_foreign(self, family: Family) -> None:
        """Being a parent gives no sight of a child's rows: one enters."""
        ask = "query($id: ID!) { customers { nodes { id name } } node(id: $id) { id } customer(id: $id) { id } }"
        found = (await family.child.data("{ customers { nodes { id name } } }"))["customers"]["nodes"]
        (grandcustomer,) = [node["id"] for node in found if node["name"] == "Grandcustomer"]
        outside = await family.parent.data(ask, id=grandcustomer)
        assert grandcustomer not in json.dumps(outside)
        assert "Grandcustomer" not in json.dumps(outside)
        assert (outside["node"], outside["customer"]) == (None, None)
        inside = await entered(family.parent, family.child.organization_id).data(ask, id=grandcustomer)
        assert inside["node"] == {"id": grandcustomer}
        assert inside["customers"]["nodes"] == found


FAMILY = """
    query($id: ID!) {
      organizations { totalCount nodes { id } }
      organization { parent { id } children { totalCount nodes { id } } }
      node(id: $id) { id }
      nodes(ids: [$id]) { id }
    }
"""


def forms_of(id_: str) -> set[str]:
    """An id as strings_of spells it."""
    uuid = parsed(id_)[1]
    return {str(uuid), uuid.hex, id_.partition("_")[2]}


class TestAfterwards:
    """What all these calls left behind."""

    async def test_nothing_of_the_others_was_touched(self, world: World, administrator: asyncpg.Connection) -> None:
        """Every row of every table of the organization and its child is what it was before."""
        assert await checksum_of(administrator, world.known) == world.checksum


class Server(Protocol):
    """A PostgreSQL server."""

    def url(self, database: str, user: str | None = None) -> str: ...


@pytest.fixture(scope="module")
async def unwalled(server: Server, clone: Callable[[], str], settings: Settings) -> AsyncIterator[World]:
    """The two organizations in a database of their own, from which row security is taken while the program runs."""
    name = clone()
    url = server.url(name, APP)
    served = application(settings.model_copy(update={"database_url": SecretStr(url)}))
    pool = ConnectionPool(url, size=2)
    await pool.open()
    transport = httpx.ASGITransport(app=served)
    async with (
        served.router.lifespan_context(served),
        httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as http,
    ):
        vault = Vault(settings.master_keys)
        founder = Founder(Database(pool, vault=vault), http, settings.api_key_pepper.get_secret_value())
        made = await world_in(founder, Database(pool, vault=vault), server.url(name))
        administrator = await asyncpg.connect(server.url(name))
        for table in metadata.tables:
            await administrator.execute(f"alter table {table} disable row level security")
        await administrator.close()
        yield made
    await pool.close()


class TestWithoutRowSecurity:
    """The other belt alone: every statement names its organization in its own words (C8)."""

    @pytest.mark.parametrize("field", sorted(name for name in FIELDS if not name.startswith("Mutation.")))
    async def test_nothing_is_told(self, unwalled: World, field: str) -> None:
        """Not with the caller's own values, and not with the other's."""
        parent = PARENTS.get(field.partition(".")[0])
        for way in FIELDS[field]:
            own = await call_own(unwalled.stranger, field, way(unwalled.stranger))
            assert '"errors"' not in own
            assert_tells_nothing(own, unwalled.strings)
            foreign = way(unwalled.known)
            of = None if parent is None else parent[1](unwalled.known)
            answer = await call(unwalled.stranger.owner, field, foreign, of)
            # A loader that finds a foreign row says so; here it is not to find any.
            assert "INTERNAL" not in answer
            sent = json.dumps(foreign)
            assert_tells_nothing(answer, {string for string in unwalled.strings if string not in sent})

    async def test_nothing_is_touched(self, unwalled: World, server: Server) -> None:
        """By no mutation, with all that is the other's."""
        for field in sorted(name for name in FIELDS if name.startswith("Mutation.")):
            for way in FIELDS[field]:
                answer = await call_own(unwalled.stranger, field, way(unwalled.known))
                assert "INTERNAL" not in answer
                sent = json.dumps(way(unwalled.known))
                hidden = {string for string in unwalled.strings - {unwalled.known.mark} if string not in sent}
                assert_tells_nothing(answer, hidden)
        administrator = await asyncpg.connect(server.url(unwalled.database))
        try:
            assert await checksum_of(administrator, unwalled.known) == unwalled.checksum
        finally:
            await administrator.close()
