"""A query's plan answers what graphql-core answers, to the byte, errors included: over the whole schema."""

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.schema import schema
from app.api.tenancy import Context, Planning, Principal, Tenant
from app.domain.role import Role
from app.store.api_key import api_keys, note_use
from app.store.tenancy import Database
from tests.api.execution.chance import Chance
from tests.api.execution.damage import Damage
from tests.api.execution.documents import Documents
from tests.api.execution.effort import examples
from tests.api.execution.memory import remember_statements
from tests.api.execution.roads import Roads
from tests.caller import Founder
from tests.conftest import CURSOR_SECRET, PEPPER
from tests.tenancy.records import Records, full_organization

pytestmark = pytest.mark.filterwarnings(
    # graphql-core leaves what a failed field's siblings were about to do.
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

ROLES = [*[Role.OWNER] * 14, Role.SUPPORT, Role.INGEST]
PLANNINGS: Counter[Planning | None] = Counter()
DAMAGED: Counter[Planning | None] = Counter()
SPELLED: set[str] = set()


@pytest.fixture(scope="session")
async def records(founder: Founder, database: Database) -> Records:
    """An organization with rows in every table."""
    made = await full_organization(founder, database, "Planned", amount=4200, spare=2)
    async with made.owner.database.write() as tx:
        # So that the server, which notes it a little later, has nothing to change any more.
        await note_use(tx, [key.id for key in await tx.fetch(api_keys.where())])
    return made


def words_of(records: Records) -> dict[str, list[Any]]:
    """Values that find something, and a few that find nothing or are refused."""
    ids = [*records.nodes.values(), records.draft, records.paused_subscription]
    instants = ["2026-05-01T00:00:00Z", "2026-07-01T00:00:00Z", "2100-01-01T00:00:00Z"]
    return {
        "ID": [*ids, "inv_01h455vb4pex5vsknk084sn02q", "xyzzy"],
        "Int": [1, 2, 3],
        "first": [*range(1, 15), 100, 0],
        "last": [1, 2, 3, 4, 5],
        "String": ["Planned", "xyzzy", ""],
        "after": ["bm9wZQ"],
        "before": ["bm9wZQ"],
        "key": [records.plan_key, "xyzzy"],
        "planKey": [records.plan_key, "xyzzy"],
        "meter": [*[records.meter_key] * 5, "xyzzy"],
        "number": [records.number, "INV-2020-0001"],
        "externalId": [records.external_id, "xyzzy"],
        "locale": ["en_US", "de_DE", "fr_FR", "tlh"],
        "groupBy": ["region", "model"],
        "Boolean": [True, False],
        "DateTime": instants,
        "start": instants[:1],
        "end": [instants[1]] * 15 + [instants[2]],
        "window": ["MONTH", "DAY", "TOTAL", "MINUTE"],
        "MinorUnits": [0, 4200, -1],
        "Decimal": ["1"],
    }


class Unrecorded(Context):
    """A request whose looks and denials are seen rather than recorded: records are among what is asked for."""

    async def leave(self) -> None:
        if self.acts:
            self.seen = sorted(map(repr, self.acts))
            self.acts.clear()
        await super().leave()


RoadsOf = Callable[[Role, Counter[Planning | None]], Roads]


@pytest.fixture
def roads(database: Database, records: Records, monkeypatch: pytest.MonkeyPatch) -> RoadsOf:
    """The roads inside the organization, for a credential of a role."""
    remember_statements(monkeypatch)
    home = records.owner.database.organization_id

    def roads_of(role: Role, plannings: Counter[Planning | None]) -> Roads:
        tenant = Tenant(home, Principal("API_KEY", UUID(int=7), "planner", role, home))

        async def context(planner: bool) -> Context:
            made = Unrecorded(
                request_id="req_of_the_tests",
                database=database,
                cursor_secret=CURSOR_SECRET,
                api_key_pepper=PEPPER,
                given_tenant=tenant,
                planner=planner,
            )
            # With the snapshot open and statements remembered, what fails first fails first each time.
            made.entered = True
            await made.db.snapshot()
            return made

        return Roads(schema, context, plannings)

    return roads_of


@examples(2_000)
@given(content=st.binary(min_size=128, max_size=128))
async def test_a_plan_answers_what_graphql_core_answers(roads: RoadsOf, records: Records, content: bytes) -> None:
    """2,000 documents over the whole schema, by owners and by those who may see little: the same bytes."""
    documents = Documents(schema._schema, words_of(records), Chance(content))
    role = ROLES[content[-1] % len(ROLES)]
    both = roads(role, PLANNINGS)
    difference = await both.difference(documents.make(), documents.again())
    SPELLED.update(both.spelled)
    assert difference is None, difference
    assert both.needless == [], "a plan read too little, or knows too little"


def test_most_documents_were_planned() -> None:
    """Documents that fail while they execute are repeated; few are declined."""
    total = sum(PLANNINGS.values())
    assert PLANNINGS[Planning.PLANNED] > 0.5 * total, PLANNINGS
    assert PLANNINGS[Planning.DECLINED] < 0.05 * total, PLANNINGS


def test_rows_of_many_were_spelled() -> None:
    """By PostgreSQL, in lists of which a document asks for nothing but columns."""
    assert len(SPELLED) > 0.05 * sum(PLANNINGS.values()), len(SPELLED)


@pytest.fixture
def damage(monkeypatch: pytest.MonkeyPatch) -> Damage:
    """Every loader of the schema and every page, damaged for one test."""
    return Damage(monkeypatch)


@examples(400)
@given(content=st.binary(min_size=128, max_size=128))
async def test_a_plan_fails_as_graphql_core_fails(
    roads: RoadsOf, records: Records, damage: Damage, content: bytes
) -> None:
    """400 documents over the whole schema, while loaders raise, give nothing, or rows with nulls in them."""
    damage.salt = content[-1]
    documents = Documents(schema._schema, words_of(records), Chance(content))
    difference = await roads(Role.OWNER, DAMAGED).difference(documents.make(), documents.again())
    assert difference is None, difference


def test_many_documents_failed() -> None:
    """Of those over damaged loaders; the rest asks for nothing that was damaged."""
    assert DAMAGED[Planning.REPEATED] > 0.25 * sum(DAMAGED.values()), DAMAGED
