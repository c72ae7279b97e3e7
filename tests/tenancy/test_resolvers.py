"""Every resolver runs inside a tenant, under a scope, over loaders that batch and are sure whose rows they give."""

import ast
import asyncio
import contextlib
import gc
import inspect
import random
import sys
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    execute,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
    parse,
    validate,
)

import app
from app.api.errors import TenantRequired
from app.api.ids import CUSTOMER, parsed, uuid_of
from app.api.loaders.api_key import ApiKeyLoader
from app.api.loaders.audit_record import AuditRecordLoader
from app.api.loaders.customer import CustomerLoader
from app.api.loaders.invoice import InvoiceLoader, LineLoader, LinesLoader
from app.api.loaders.ledger_entry import BalancesLoader, LedgerEntryLoader
from app.api.loaders.loader import CountUnder, ForeignRow, Loaders, PageUnder, TenantLoader
from app.api.loaders.member import MemberLoader
from app.api.loaders.meter import MeterByKeyLoader, MeterLoader
from app.api.loaders.organization import LegalDocumentLoader, OrganizationLoader
from app.api.loaders.plan import PlanFeaturesLoader, PlanLoader
from app.api.loaders.reservation import ReservationLoader
from app.api.loaders.subscription import (
    CurrentPeriodLoader,
    LifeLoader,
    PendingAdjustmentsLoader,
    SubscriptionLoader,
    UpcomingBillLoader,
)
from app.api.loaders.trusted_document import TrustedDocumentLoader
from app.api.loaders.usage_event import CorrectionsLoader, UsageEventLoader
from app.api.permission import Reads, Writes
from app.api.queries.node import NODES
from app.api.schema import Mutation, Query, schema
from app.api.tenancy import Context, Principal, Tenant
from app.domain.role import SCOPES, SCOPES_OF, Role
from app.store.connection import ConnectionPool
from app.store.customer import customers
from app.store.invoice import listing
from app.store.page import Listing, PageRequest, newest_first
from app.store.query import Query as Statement
from app.store.query import any_of, grouped, in_order_of, new_id
from app.store.roles import APP
from app.store.tenancy import Database, Transaction
from tests.caller import Caller, Founder
from tests.tenancy.records import Records, full_organization

APP_FOLDER = Path(app.__file__).parent
CORE = schema._schema
ROOTS = {"Query": CORE.query_type, "Mutation": CORE.mutation_type}


def literal(type_: Any) -> str:
    """A value of a type that a document may hold, with what is required and nothing else."""
    match type_:
        case GraphQLNonNull():
            return literal(type_.of_type)
        case GraphQLList():
            return f"[{literal(type_.of_type)}]"
        case GraphQLEnumType():
            return next(iter(type_.values))
        case GraphQLInputObjectType():
            needed = {name: field.type for name, field in type_.fields.items() if is_required_input_field(field)}
            return f"{{ {', '.join(f'{name}: {literal(inner)}' for name, inner in needed.items())} }}"
    return LITERALS[type_.name]


LITERALS = {
    "Boolean": "true",
    "CountryCode": '"DE"',
    "CurrencyCode": '"USD"',
    "DateTime": '"2026-05-20T00:00:00Z"',
    "Decimal": '"1"',
    "ID": '"nothing"',
    "Int": "1",
    "MinorUnits": "1",
    "String": '"nothing"',
    "TimeZone": '"UTC"',
}


def spelled(name: str, field: Any, below: str = "") -> str:
    """A field with what it needs."""
    needed = [f"{key}: {literal(arg.type)}" for key, arg in field.args.items() if is_required_argument(arg)]
    arguments = f"({', '.join(needed)})" if needed else ""
    leaf = is_leaf_type(get_named_type(field.type))
    return f"{name}{arguments}" if leaf else f"{name}{arguments} {{ {below or '__typename'} }}"


def documents() -> dict[str, str]:
    """For every field of every object type and interface, a document that reaches it by the shortest way."""
    wraps: dict[str, Callable[[str], str]] = {}
    found: dict[str, str] = {}
    queue: deque[Any] = deque()
    for keyword, root in (("query", ROOTS["Query"]), ("mutation", ROOTS["Mutation"])):
        wraps[root.name] = lambda below, keyword=keyword: f"{keyword} {{ {below} }}"
        queue.append(root)
    while queue:
        type_ = queue.popleft()
        wrap = wraps[type_.name]
        for name, field in type_.fields.items():
            found[f"{type_.name}.{name}"] = wrap(spelled(name, field))
            inner = get_named_type(field.type)
            if isinstance(inner, GraphQLObjectType | GraphQLInterfaceType) and inner.name not in wraps:
                wraps[inner.name] = lambda below, wrap=wrap, name=name, field=field: wrap(spelled(name, field, below))
                queue.append(inner)
        if isinstance(type_, GraphQLInterfaceType):
            for inner in CORE.get_possible_types(type_):
                if inner.name not in wraps:
                    wraps[inner.name] = lambda below, wrap=wrap, name=inner.name: wrap(f"... on {name} {{ {below} }}")
                    queue.append(inner)
    return found


DOCUMENTS = documents()
ROOT_FIELDS = [f"{name}.{field}" for name, root in ROOTS.items() for field in root.fields]


@contextlib.contextmanager
def spied(watched: Callable[[CodeType], bool]) -> Iterator[list[FrameType]]:
    """The calls, made meanwhile in this thread, of the functions whose code is watched; nothing is replaced."""
    frames: dict[int, FrameType] = {}

    def note(frame: FrameType, event: str, _argument: object) -> None:
        # A coroutine's frame is entered again whenever it goes on: it is one call all the same.
        if event == "call" and watched(frame.f_code):
            frames[id(frame)] = frame

    calls: list[FrameType] = []
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)
        calls += frames.values()


RESOLVING = tuple(
    str(APP_FOLDER / room)
    for room in ("api/queries", "api/mutations", "api/types", "api/loaders", "operations", "store")
)


def resolves(code: CodeType) -> bool:
    """Whether it is code of a resolver, or below one."""
    return code.co_filename.startswith(RESOLVING)


def context_of(database: Database, tenant: Tenant | None) -> Context:
    return Context(
        request_id="test", database=database, cursor_secret="secret" * 8, api_key_pepper="pepper", given_tenant=tenant
    )


def tenant_of(organization_id: str, role: Role = Role.OWNER) -> Tenant:
    home = parsed(organization_id)[1]
    return Tenant(home, Principal("API_KEY", new_id(), "test", role, home))


class TestTenantRequired:
    """K2: nothing runs without a tenant."""

    def test_the_documents_reach_every_field(self) -> None:
        """Of every type that the schema has; each is valid by itself."""
        fields = {
            f"{name}.{field}"
            for name, type_ in CORE.type_map.items()
            if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
            for field in type_.fields
        }
        assert fields <= DOCUMENTS.keys()
        assert len(fields) > 200
        for document in DOCUMENTS.values():
            assert validate(CORE, parse(document)) == []

    async def test_no_field_is_reached_without_a_tenant(self) -> None:
        """Each document ends in TenantRequired, and not one line of a resolver, loader, operation or query runs."""
        database = Database(ConnectionPool("postgresql://nowhere.invalid/none", size=1))
        introspection = {"__schema": "{ __schema { types { name } } }", "__type": '{ __type(name: "Query") { name } }'}
        for name, document in {**DOCUMENTS, **introspection, "__typename": "{ __typename }"}.items():
            with spied(resolves) as calls:
                result = await schema.execute(document, context_value=context_of(database, None))
            assert result.data is None, name
            assert [type(error.original_error) for error in result.errors or []] == [TenantRequired], name
            assert [frame.f_code.co_qualname for frame in calls] == [], name

    async def test_with_a_tenant_the_spy_sees_the_resolver(self, owner: Caller, database: Database) -> None:
        """What the test before does not see would be seen."""
        with spied(resolves) as calls:
            context = context_of(database, tenant_of(owner.organization_id))
            result = await schema.execute("{ viewer { name organization { legalName } } }", context_value=context)
        assert result.errors is None
        names = {frame.f_code.co_qualname for frame in calls}
        assert {"OrganizationQueries.viewer", "Viewer.name", "OrganizationLoader.load_batch"} <= names

    @pytest.mark.parametrize("field", ROOT_FIELDS)
    async def test_a_root_field_itself_requires_one(self, field: str, owner: Caller, database: Database) -> None:
        """Executed past the extension, by graphql-core alone: without a tenant, and with one that was never entered."""
        for tenant in (None, tenant_of(owner.organization_id)):
            with spied(resolves) as calls:
                running = execute(CORE, parse(DOCUMENTS[field]), context_value=context_of(database, tenant))
                result = await running if inspect.isawaitable(running) else running
            assert [type(error.original_error) for error in result.errors or []] == [TenantRequired]
            ran = {frame.f_code.co_qualname for frame in calls}
            assert not ran & {
                f"{type_.__name__}.{_python_name(field)}" for type_ in (*Query.__mro__, *Mutation.__mro__)
            }

    async def test_the_context_gives_nothing_without_one(self, owner: Caller, database: Database) -> None:
        """Neither tenant, nor actor, nor database, nor what drafts may be seen; also after the operation ended."""
        ended = context_of(database, tenant_of(owner.organization_id))
        assert (await schema.execute("{ viewer { name } }", context_value=ended)).errors is None
        for context in (context_of(database, None), context_of(database, tenant_of(owner.organization_id)), ended):
            for attribute in ("tenant", "sees_drafts", "actor", "db"):
                if attribute not in vars(context):
                    with pytest.raises(TenantRequired):
                        getattr(context, attribute)

    def test_no_extension_resolves_asynchronously(self) -> None:
        """An asynchronous `resolve` would make a coroutine of every plain attribute in an answer."""
        for extension in schema.extensions:
            kind = extension if inspect.isclass(extension) else type(extension)
            assert not inspect.iscoroutinefunction(kind.resolve)
            assert not inspect.isasyncgenfunction(kind.resolve)


def _python_name(field: str) -> str:
    """`Query.ledgerEntries` -> `ledger_entries`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field.partition(".")[2])


def rules_of(field: str) -> list[Reads | Writes]:
    """The permissions on a root field."""
    type_name, _, name = field.partition(".")
    definition = ROOTS[type_name].fields[name].extensions["strawberry-definition"]
    return [extension for extension in definition.extensions if isinstance(extension, Reads | Writes)]


def scope_of(field: str) -> str:
    (rule,) = rules_of(field)
    return rule.scope


NOUNS = sorted((folder.name for folder in (APP_FOLDER / "operations").iterdir() if folder.is_dir()), key=len)


class TestScopes:
    """One scope for each root field, and one pair of words from the schema to the audit record."""

    @pytest.mark.parametrize("field", ROOT_FIELDS)
    def test_every_root_field_names_one(self, field: str) -> None:
        """Queries read, mutations write, and the scope is one that a role can hold."""
        (rule,) = rules_of(field)
        assert type(rule) is (Writes if field.startswith("Mutation.") else Reads)
        assert rule.scope in SCOPES
        assert (rule.scope.partition(":")[2] == "read") == field.startswith("Query.")

    def test_every_scope_is_asked_for(self) -> None:
        """A scope that nothing asks for grants nothing; these three are asked for inside."""
        asked = {scope_of(field) for field in ROOT_FIELDS} | {scope for scope, _ in NODES.values()}
        assert SCOPES - asked == {"organization:enter", "organization:sensitive", "invoice:draft"}

    @pytest.mark.parametrize("field", [field for field in ROOT_FIELDS if field.startswith("Mutation.")])
    def test_a_mutation_bears_the_name_of_its_operation(self, field: str) -> None:
        """invoiceMarkPaid -> invoice:mark_paid -> operations/invoice/mark_paid.py -> audit action invoice.mark_paid."""
        words = _python_name(field)
        noun = [noun for noun in NOUNS if words.startswith(f"{noun}_")][-1]
        verb = words.removeprefix(f"{noun}_")
        assert scope_of(field) == f"{noun}:{verb}"
        operation = APP_FOLDER / "operations" / noun / f"{verb}.py"
        assert operation.is_file()
        module = ast.parse(operation.read_text())
        constants = {
            target.id: each.value
            for each in module.body
            if isinstance(each, ast.Assign | ast.AnnAssign)
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if isinstance(target, ast.Name)
        }
        recorded = {
            constants.get(call.args[1].id) if isinstance(call.args[1], ast.Name) else call.args[1]
            for call in ast.walk(module)
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "record"
        }
        assert f"{noun}.{verb}" in {each.value for each in recorded if isinstance(each, ast.Constant)}

    def test_every_node_names_the_scope_of_its_list(self) -> None:
        """`node` is no way around the scope of the field that shows the same records."""
        assert {scope for scope, _ in NODES.values()} <= {scope_of(field) for field in ROOT_FIELDS}


@pytest.fixture(scope="module")
async def company(founder: Founder) -> Caller:
    """The owner of an organization for colleagues of every role."""
    return await founder.organization()


class TestRoles:
    """What a role does not hold is denied, and the denial is recorded."""

    @pytest.mark.parametrize("role", list(Role))
    async def test_a_role_may_what_its_scopes_say(
        self, company: Caller, founder: Founder, role: Role, administrator: asyncpg.Connection
    ) -> None:
        """Each root field through HTTP: FORBIDDEN exactly where the scope is not held, and audited there (M39).

        With the planner, and queries without it too.
        """
        colleague = await founder.colleague(company, role)
        (by_stock,) = colleague.by_stock()
        denied = {}
        asked = [(field, colleague, "") for field in ROOT_FIELDS]
        asked += [(field, by_stock, "-stock") for field in ROOT_FIELDS if field.startswith("Query.")]
        for field, caller, road in asked:
            request_id = f"{role}-{field}{road}"
            answer = await caller.post({"query": DOCUMENTS[field]}, headers={"x-request-id": request_id})
            errors = answer.json().get("errors", [])
            codes = [error["extensions"]["code"] for error in errors]
            if scope_of(field) in SCOPES_OF[role]:
                assert "FORBIDDEN" not in codes, field
                assert "INTERNAL" not in codes, field
            else:
                assert codes == ["FORBIDDEN"], field
                assert answer.json()["data"] in (None, {field.partition(".")[2]: None})
                assert errors[0]["path"] == [field.partition(".")[2]]
                denied[request_id] = scope_of(field)
        recorded = await administrator.fetch(
            "select request_id, action, reason, principal_kind, principal from audit_records"
            " where organization_id = $1 and outcome = 'DENIED' and request_id like $2 and reason like 'lacks %'",
            parsed(company.organization_id)[1],
            f"{role}-%",
        )
        assert {row["request_id"]: row["action"] for row in recorded} == {
            request_id: scope.replace(":", ".") for request_id, scope in denied.items()
        }
        assert len(recorded) == len(denied)
        for row in recorded:
            assert denied[row["request_id"]] in row["reason"]
            assert row["principal_kind"] == "API_KEY"
            assert row["principal"].startswith(f"{role} (")

    async def test_several_fields_at_once(self, company: Caller, founder: Founder) -> None:
        """A field that is denied does not keep the others from being denied, nor lets them through."""
        colleague = await founder.colleague(company, Role.INGEST)
        answer = await colleague.ask("{ viewer { name } a: customers { totalCount } b: invoices { totalCount } }")
        assert {error["extensions"]["code"] for error in answer["errors"]} == {"FORBIDDEN"}
        assert answer["data"] is None

    async def test_a_denied_mutation_stores_nothing(
        self, company: Caller, founder: Founder, administrator: asyncpg.Connection
    ) -> None:
        """Nothing but the record of the denial."""
        colleague = await founder.colleague(company, Role.SUPPORT)
        answer = await colleague.ask('mutation { customerCreate(input: { name: "Denied" }) { customer { id } } }')
        assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        assert await administrator.fetchval("select count(*) from customers where name = 'Denied'") == 0


@pytest.fixture(scope="module")
async def records(founder: Founder, database: Database) -> Records:
    return await full_organization(founder, database, "numbat", amount=4_321)


@pytest.fixture
async def context(records: Records, database: Database) -> AsyncIterator[Context]:
    """The context of a request inside the organization, as resolvers are given it."""
    made = context_of(database, tenant_of(records.organization))
    made.entered = True
    yield made
    await made.abandon()


async def many(records: Records, query: str) -> list[str]:
    """All ids of a list, and of records made for it until there are several."""
    found = await records.owner.data(f"{{ {query} {{ nodes {{ id }} }} }}")
    return [node["id"] for node in found[query]["nodes"]]


Keys = Callable[[Records], Any]


def ids_of(query: str) -> Keys:
    async def keys(records: Records) -> list[UUID]:
        return [parsed(id_)[1] for id_ in await many(records, query)]

    return keys


async def line_ids(records: Records) -> list[UUID]:
    found = await records.owner.data("{ invoices { nodes { lineItems { id } } } }")
    return [parsed(line["id"])[1] for invoice in found["invoices"]["nodes"] for line in invoice["lineItems"]]


async def meter_keys(records: Records) -> list[str]:
    found = await records.owner.data("{ meters { nodes { key } } }")
    return [node["key"] for node in found["meters"]["nodes"]]


async def organization_ids(records: Records) -> list[UUID]:
    return [parsed(records.organization)[1], parsed(records.child)[1]]


async def reservation_ids(records: Records) -> list[UUID]:
    hold = {"feature": records.feature_key, "customerId": records.customer, "quantity": "1"}
    made = [await records.owner.change("usageReserve", hold, "reservation { id }") for _ in range(2)]
    return [parsed(id_)[1] for id_ in (records.reservation, *(each["reservation"]["id"] for each in made))]


async def own_organization_id(records: Records) -> list[UUID]:
    return [parsed(records.organization)[1]]


LOADERS: dict[type[TenantLoader[Any, Any]], tuple[Keys, tuple[Any, ...]]] = {
    # Each loader, its keys, and the variant of it.
    AuditRecordLoader: (ids_of("auditRecords"), ()),
    BalancesLoader: (ids_of("customers"), (None, None)),
    CorrectionsLoader: (ids_of("usageEvents"), ()),
    CurrentPeriodLoader: (ids_of("subscriptions"), ()),
    CustomerLoader: (ids_of("customers"), ()),
    InvoiceLoader: (ids_of("invoices"), ()),
    LegalDocumentLoader: (own_organization_id, ()),
    LifeLoader: (ids_of("subscriptions"), ()),
    LedgerEntryLoader: (ids_of("ledgerEntries"), ()),
    LineLoader: (line_ids, ()),
    LinesLoader: (ids_of("invoices"), ()),
    MeterByKeyLoader: (meter_keys, ()),
    ApiKeyLoader: (ids_of("apiKeys"), ()),
    TrustedDocumentLoader: (ids_of("trustedDocuments"), ()),
    MemberLoader: (ids_of("members"), ()),
    MeterLoader: (ids_of("meters"), ()),
    OrganizationLoader: (organization_ids, ()),
    PlanFeaturesLoader: (ids_of("plans"), ()),
    PlanLoader: (ids_of("plans"), ()),
    ReservationLoader: (reservation_ids, ()),
    SubscriptionLoader: (ids_of("subscriptions"), ()),
    UpcomingBillLoader: (ids_of("subscriptions"), ()),
    PendingAdjustmentsLoader: (ids_of("subscriptions"), ()),
    UsageEventLoader: (ids_of("usageEvents"), ()),
}

STATEMENTS = {CurrentPeriodLoader: 6, LifeLoader: 6, PendingAdjustmentsLoader: 8, UpcomingBillLoader: 9}
"""How many statements a loader takes, where it is not one: the clock, subscriptions, phases, pauses, plans, features;
then what invoices account for, meters, and the quantities (one for each aggregation among the meters); or where usage
changed, and what invoices account for there."""


def all_loaders(kind: type[Any] = TenantLoader) -> set[type[Any]]:
    """Every loader of the program."""
    below = {each for each in kind.__subclasses__() if each.__module__.startswith("app.")}
    return below.union(*(all_loaders(each) for each in below))


def living_loaders() -> list[Any]:
    """The loaders of every request that something still holds on to."""
    gc.collect()
    return [each for each in gc.get_objects() if issubclass(type(each), TenantLoader | Loaders)]


def is_statement(code: CodeType) -> bool:
    return code in (Transaction.fetch.__code__, Transaction.execute.__code__)


class TestLoaders:
    """K3: batched, in order, for one request, inside one organization."""

    def test_every_loader_is_in_the_table(self) -> None:
        """A new loader fails here until it is said what its keys are."""
        assert all_loaders() == {*LOADERS, PageUnder, CountUnder}

    def test_only_organizations_cross_tenants(self) -> None:
        """That one loader gives what the credential may enter; all others check whose rows they give."""
        assert {loader for loader in all_loaders() if loader.crosses_tenants} == {OrganizationLoader}

    @pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
    async def test_many_keys_are_one_statement(
        self, loader: type[TenantLoader[Any, Any]], records: Records, context: Context
    ) -> None:
        """However many parents ask, and however often; the answers are in the order of the keys."""
        source, variant = LOADERS[loader]
        keys = await source(records)
        expected = {key: await Loaders(context).get(loader, *variant).load(key) for key in keys}
        assert None not in expected.values()
        unknown = new_id() if isinstance(keys[0], UUID) else "nobody's"
        asked = [*keys, *keys] if loader in STATEMENTS else [*keys, unknown, *keys]
        random.Random(4711).shuffle(asked)
        tx = await context.db.snapshot()
        context.forget_loaded()
        before = tx.statements
        answers = await asyncio.gather(*(context.loaders.get(loader, *variant).load(key) for key in asked))
        assert tx.statements - before == STATEMENTS.get(loader, 1)
        assert answers[: len(asked)] == [expected.get(key, answers[asked.index(key)]) for key in asked]
        assert all(not answer for key, answer in zip(asked, answers, strict=True) if key == unknown)
        await context.loaders.get(loader, *variant).load(keys[0])
        assert tx.statements - before == STATEMENTS.get(loader, 1)

    async def test_pages_and_counts_under_many_parents(self, records: Records, context: Context) -> None:
        """A statement for the pages, a statement for the counts; each parent gets its own."""
        parents = [parsed(id_)[1] for id_ in await many(records, "customers")]
        request = PageRequest(limit=3, filters={"with_drafts": True})
        tx = await context.db.snapshot()
        context.forget_loaded()
        before = tx.statements
        pages = await context.loaders.page_under(listing, "customer", request).load_many(parents)
        counts = await context.loaders.count_under(listing, "customer", request.filters).load_many(parents)
        assert tx.statements - before == 2
        for parent, page, count in zip(parents, pages, counts, strict=True):
            assert {row.customer_id for row in page.rows} <= {parent}
            assert len(page.rows) == min(3, count)
        assert sum(counts) > 3

    async def test_a_document_takes_as_many_statements_for_ten_as_for_one(
        self, records: Records, database: Database
    ) -> None:
        """The whole way, from a list through everything that hangs below its rows."""
        document = """
            query($first: Int) {
              invoices(first: $first) {
                nodes {
                  customer { name balances { amount } subscriptions(first: 2) { nodes { plan { name } } totalCount } }
                  subscription { status currentPeriod { end } plan { features { meter { name } price { model } } } }
                  lineItems { explanation { plan { name } } }
                  ledgerEntries(first: 5) { nodes { customer { name } invoice { number } } totalCount }
                  organization { legalName parent { id } }
                }
                totalCount
              }
            }
        """
        taken = {}
        for first in (1, 2, 10):
            context = context_of(database, tenant_of(records.organization))
            with spied(is_statement) as calls:
                result = await schema.execute(document, variable_values={"first": first}, context_value=context)
            assert result.errors is None
            # The process notes uses of keys meanwhile, now and then, in transactions of its own.
            taken[first] = sum(call.f_locals["self"].actor == context.actor for call in calls)
            assert len(result.data["invoices"]["nodes"]) == min(first, result.data["invoices"]["totalCount"])
        assert taken[2] == taken[10]
        # The newest invoice has no subscription: nothing is asked below one.
        assert 0 < taken[1] <= taken[10] <= 25

    async def test_it_is_gone_with_its_request(
        self, records: Records, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing keeps it, nor what it loaded: not even a circle, for the collector to find."""
        made: list[weakref.ref[TenantLoader[Any, Any]]] = []
        init = TenantLoader.__init__

        def remembered(self: TenantLoader[Any, Any], context: Context) -> None:
            made.append(weakref.ref(self))
            init(self, context)

        monkeypatch.setattr(TenantLoader, "__init__", remembered)
        context = context_of(database, tenant_of(records.organization))
        document = "{ invoices { nodes { customer { name } lineItems { id } ledgerEntries { totalCount } } } }"
        gc.collect()
        gc.disable()
        try:
            result = await schema.execute(document, context_value=context)
            assert result.errors is None
            await asyncio.sleep(0)
            assert len(made) >= 4
            assert [reference() for reference in made] == [None] * len(made)
        finally:
            gc.enable()

    async def test_one_who_waits_may_be_cancelled_without_the_others(self, records: Records, context: Context) -> None:
        """A field that failed takes its siblings with it; the value still comes to whoever else asked for it."""
        loader = context.loaders.get(CustomerLoader)
        key = uuid_of(CUSTOMER, records.customer)
        first, second = loader.load(key), loader.load(key)
        first.cancel()
        assert (await second).id == key
        assert (await loader.load(key)).id == key

    async def test_none_is_left_by_requests_over_http(self, records: Records) -> None:
        """Answered, refused, or failed."""
        before = living_loaders()
        for document in (
            "{ invoices { nodes { customer { name } } } }",
            '{ invoices { nodes { customer { name invoices(after: "nonsense") { totalCount } } } } }',
            'mutation { customerUpdate(input: { customerId: "nothing" }) { userErrors { code } } }',
        ):
            await records.owner.ask(document)
        assert [each for each in living_loaders() if not any(each is other for other in before)] == []

    async def test_one_request_never_answers_another(
        self, records: Records, stranger: Caller, database: Database, context: Context
    ) -> None:
        """What one organization's loader holds, another's does not find."""
        key = parsed(records.customer)[1]
        assert (await context.loaders.get(CustomerLoader).load(key)).name == "numbat Customer"
        other = context_of(database, tenant_of(stranger.organization_id))
        other.entered = True
        try:
            assert await other.loaders.get(CustomerLoader).load(key) is None
        finally:
            await other.abandon()

    async def test_a_mutation_field_starts_afresh(self, owner: Caller) -> None:
        """The second field of a document sees what the first one wrote, not what was loaded before."""
        made = await owner.change("customerCreate", {"name": "First"}, "customer { id }")
        id_ = made["customer"]["id"]
        seen = await owner.data(
            """
            mutation($id: ID!) {
              a: customerUpdate(input: { customerId: $id, name: "Second" }) { customer { name } }
              b: customerUpdate(input: { customerId: $id, email: "b@example.com" }) { customer { name email } }
              c: customerUpdate(input: { customerId: $id, name: "Third" }) { customer { name email } }
            }
            """,
            id=id_,
        )
        assert [seen[field]["customer"]["name"] for field in "abc"] == ["Second", "Second", "Third"]


WHY = "the tests tear the other belt"

UNFILTERED = Statement(
    sa.select(*customers.columns).where(customers.c.id == any_of("ids")), customers.row_of, unfiltered_because=WHY
)
UNFILTERED_LISTING = Listing(
    customers,
    base=sa.select(*customers.columns),
    orders=newest_first(customers),
    parents={"customer": customers.c.id},
    unfiltered_because=WHY,
)


class CarelessLoader(TenantLoader[UUID, Any]):
    """Loads a row without naming the organization."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Any]:
        return in_order_of(keys, await tx.fetch(UNFILTERED, ids=list(keys)), lambda row: row.id)


class CarelessListLoader(TenantLoader[UUID, Any]):
    """Loads lists of rows without naming the organization."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Any]:
        return grouped(keys, await tx.fetch(UNFILTERED, ids=list(keys)), lambda row: row.id)


@dataclass
class Breach:
    """A database of its own with two organizations in it, each with a customer, and a context inside the first."""

    administrator: asyncpg.Connection
    context: Context
    own: UUID
    foreign: UUID

    async def load(self, how: str, key: UUID) -> list[Any]:
        """What a loader that does not filter gives for a customer's id."""
        loaders = Loaders(self.context)
        match how:
            case "a row":
                found = await loaders.get(CarelessLoader).load(key)
                return [] if found is None else [found]
            case "a list":
                return await loaders.get(CarelessListLoader).load(key)
            case _:
                return (await loaders.page_under(UNFILTERED_LISTING, "customer", PageRequest(limit=3)).load(key)).rows


class Server(Protocol):
    """A PostgreSQL server."""

    def url(self, database: str, user: str | None = None) -> str: ...


class TestForeignRow:
    """The last belt: where both others tear, the loader notices."""

    @pytest.fixture
    async def breach(self, server: Server, clone: Callable[[], str], http: Any) -> AsyncIterator[Breach]:
        name = clone()
        pool = ConnectionPool(server.url(name, APP), size=2)
        await pool.open()
        administrator = await asyncpg.connect(server.url(name))
        founder = Founder(Database(pool), http, "pepper" * 8)
        own, foreign = [parsed((await founder.organization()).organization_id)[1] for _ in range(2)]
        context = context_of(Database(pool), Tenant(own, Principal("API_KEY", new_id(), "test", Role.OWNER, own)))
        context.entered = True
        customer = "select id from customers where organization_id = $1"
        yield Breach(
            administrator,
            context,
            await administrator.fetchval(customer, own),
            await administrator.fetchval(customer, foreign),
        )
        await context.abandon()
        await administrator.close()
        await pool.close()

    @pytest.mark.parametrize("how", ["a row", "a list", "a page"])
    async def test_a_foreign_row_is_not_given(self, breach: Breach, how: str) -> None:
        """Row security hides it from a query without filter; without row security the loader raises ForeignRow."""
        assert [row.id for row in await breach.load(how, breach.own)] == [breach.own]
        assert await breach.load(how, breach.foreign) == []
        await breach.context.abandon()
        await breach.administrator.execute("alter table customers disable row level security")
        assert [row.id for row in await breach.load(how, breach.own)] == [breach.own]
        with pytest.raises(ForeignRow):
            await breach.load(how, breach.foreign)
