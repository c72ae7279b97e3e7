"""A query's plan answers what graphql-core answers, to the byte, errors included."""

from collections import Counter
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.errors import formatted
from app.api.schema import schema
from app.api.tenancy import Context, Planning, Principal, Tenant
from app.domain.role import Role
from app.store.tenancy import Database
from tests.api.documents import Documents, Generated
from tests.caller import Founder
from tests.conftest import CURSOR_SECRET
from tests.tenancy.records import Records, full_organization

NO_HEALTH_CHECK = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
ROLES = [*[Role.OWNER] * 6, Role.SUPPORT, Role.INGEST]

PLANNINGS: Counter[Planning | None] = Counter()
"""How the documents of this module were answered; most are to be planned, or little would be proved."""


@pytest.fixture(scope="session")
async def records(founder: Founder, database: Database) -> Records:
    """An organization with rows in every table."""
    return await full_organization(founder, database, "Planned", amount=4200, spare=2)


def words_of(records: Records) -> dict[str, list[Any]]:
    """Values that find something, and some that find nothing or are refused."""
    ids = [
        *records.nodes.values(),
        records.draft,
        records.paused_subscription,
        "inv_01h455vb4pex5vsknk084sn02q",
        "xyzzy",
    ]
    instants = ["2020-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2100-01-01T00:00:00Z"]
    return {
        "ID": ids,
        "Int": [1, 2, 3],
        "first": [1, 2, 3, 4, 5, 100, 0],
        "last": [1, 2, 3, 4, 5],
        "String": ["Planned", "xyzzy", ""],
        "after": ["bm9wZQ"],
        "before": ["bm9wZQ"],
        "key": [records.plan_key, "xyzzy"],
        "planKey": [records.plan_key, "xyzzy"],
        "meter": [records.meter_key, "xyzzy"],
        "number": [records.number, "INV-2020-0001"],
        "externalId": [records.external_id, "xyzzy"],
        "locale": ["en_US", "de_DE", "fr_FR", "tlh"],
        "groupBy": ["region", "model"],
        "Boolean": [True, False],
        "DateTime": instants,
        "start": instants[:1],
        "end": instants[1:],
        "MinorUnits": [0, 4200, -1],
        "Decimal": ["1"],
    }


def context_of(database: Database, records: Records, role: Role, *, planner: bool) -> Context:
    """A request's context inside the organization."""
    home = records.owner.database.organization_id
    tenant = Tenant(home, Principal("API_KEY", UUID(int=7), "planner", role, home))
    return Context(
        request_id="req_of_the_tests",
        database=database,
        cursor_secret=CURSOR_SECRET,
        given_tenant=tenant,
        planner=planner,
    )


async def answered(context: Context, document: Generated) -> bytes:
    """The answer as it goes out."""
    result = await schema.execute(document.text, variable_values=document.variables, context_value=context)
    errors = [] if not result.errors else sorted(formatted(result.errors, "req"), key=orjson.dumps)
    return orjson.dumps({"data": result.data, "errors": errors}, option=orjson.OPT_INDENT_2)


@pytest.mark.parametrize("part", range(6))
@settings(max_examples=200, deadline=None, suppress_health_check=NO_HEALTH_CHECK, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32))
async def test_a_plan_answers_what_graphql_core_answers(
    database: Database, records: Records, part: int, seed: int
) -> None:
    """1,200 documents over the whole schema, by owners and by those who may see little: the same bytes, twice."""
    random = Random(f"{part} {seed}")
    document = Documents(schema._schema, words_of(records), random).make()
    role = random.choice(ROLES)
    expected = await answered(context_of(database, records, role, planner=False), document)
    for _ in range(2 if random.random() < 0.1 else 1):
        planned = context_of(database, records, role, planner=True)
        found = await answered(planned, document)
        # Where several fields fail, graphql-core tells the first that comes; a repeated answer is its own.
        raced = planned.planning is Planning.REPEATED and orjson.loads(expected)["errors"]
        assert raced or found == expected, document.text
        PLANNINGS[planned.planning] += 1


def test_most_documents_were_planned() -> None:
    """Documents that fail while they execute are repeated; few are declined."""
    total = sum(PLANNINGS.values())
    assert PLANNINGS[Planning.PLANNED] > 0.4 * total, PLANNINGS
    assert PLANNINGS[Planning.DECLINED] < 0.05 * total, PLANNINGS
