"""The walk along the URLs: what each route is given of another organization's, and what it tells of it."""

import json
from collections.abc import Callable

import asyncpg
import httpx
import pytest
from starlette.routing import Mount, Route

from app.api.ids import parsed, type_id
from app.domain.role import SCOPES_OF, Role
from app.store.query import new_id
from app.store.tenancy import Database
from app.web.edge import Edge
from tests.caller import Caller, Founder
from tests.tenancy.records import Records
from tests.tenancy.test_walk import World, assert_tells_nothing, checksum_of, fresh, leveled, unknown_like, world_in

WALKED = {
    # Routes that reach a tenant's rows, and where they are walked.
    "/graphql": "tests/tenancy/test_walk.py",
    "/usage": "here",
}

PUBLIC = {
    # Routes that answer everybody the same: they know of no organization.
    "/livez",
    "/readyz",
    "/graphql/assets/{name}",
}

Reference = Callable[[Records], str]

REFERENCES: dict[str, Reference] = {
    # Where an event of /usage names a record, and which of an organization's it could name.
    "customerId": lambda own: own.customer,
    "subscriptionId": lambda own: own.subscription,
    "externalCustomerId": lambda own: own.external_id,
    "meter": lambda own: own.meter_key,
}


@pytest.fixture(scope="module")
async def world(founder: Founder, database: Database, owner_url: str) -> World:
    return await world_in(founder, database, owner_url)


def test_every_route_is_in_a_table(app: Edge) -> None:
    """A new one fails here until it is said what it may tell, and walked where it reaches rows."""
    paths = {route.path for route in app.routes if isinstance(route, Route | Mount)}
    assert paths | {path.rstrip("/") for path in app.hot} == WALKED.keys() | PUBLIC


@pytest.mark.parametrize("path", sorted(PUBLIC))
async def test_a_public_route_knows_nobody(world: World, http: httpx.AsyncClient, path: str) -> None:
    """The same bytes with a credential, with another's, with a header that names an organization, and with none."""
    path = path.replace("{name}", "tallygate.css")
    headers: list[dict[str, str]] = [{}, {"x-organization-id": world.known.organization}]
    headers += [{"authorization": f"Bearer {who.owner.api_key}"} for who in (world.known, world.stranger)]
    answers = {(await http.get(path, headers=each)).content for each in headers}
    assert len(answers) == 1
    assert_tells_nothing(answers.pop().decode(), world.strings)


async def send(caller: Caller, event: dict[str, str], **headers: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {caller.api_key}", "content-type": "application/x-ndjson", **headers}
    return await caller.http.post("/usage", content=json.dumps(event), headers={**headers, "x-request-id": "walk"})


def event_of(own: Records, name: str, value: str) -> dict[str, str]:
    event = {"eventId": fresh(), "meter": own.meter_key} | ({} if name == "meter" else {"meter": own.meter_key})
    return event | {name: value}


@pytest.mark.parametrize("name", sorted(REFERENCES))
async def test_a_foreign_reference_in_usage_is_like_an_unknown_one(world: World, name: str) -> None:
    """Byte for byte, but for what was sent; its owner's event is taken by it (A3)."""
    foreign = REFERENCES[name](world.known)
    answers = []
    for value in (foreign, unknown_like(foreign, world.known.mark)):
        answer = await send(world.stranger.owner, event_of(world.stranger, name, value))
        assert_tells_nothing(answer.text, world.strings, value)
        answers.append((answer.status_code, leveled(answer.text, value)))
    assert answers[0] == answers[1]
    own = await send(world.stranger.owner, event_of(world.stranger, name, REFERENCES[name](world.stranger)))
    assert own.json()["accepted"] == 1
    assert (own.status_code, leveled(own.text, foreign)) != answers[0]


@pytest.mark.parametrize("role", list(Role))
async def test_a_foreign_organization_in_the_header_of_usage(world: World, founder: Founder, role: Role) -> None:
    """Is like an unknown one, whoever asks: nothing is stored there."""
    colleague = await founder.colleague(world.stranger.owner, role)
    event = {"eventId": fresh(), "meter": world.known.meter_key}
    answers = set()
    for organization in (world.known.organization, world.known.child, type_id("org", new_id()), "nonsense"):
        answer = await send(colleague, event, **{"x-organization-id": organization})
        answers.add((answer.status_code, answer.text))
    assert len(answers) == 1
    assert answers.pop()[0] == 403
    inside = await send(colleague, event_of(world.stranger, "meter", world.stranger.meter_key))
    assert inside.status_code == (200 if "usage:record" in SCOPES_OF[role] else 403)


async def test_nobody_is_nobody(world: World, http: httpx.AsyncClient) -> None:
    """Without a credential, or with one that is none, a route says the same of every organization."""
    for authorization in ({}, {"authorization": "Bearer tg_live_nonsense"}):
        answers = set()
        for organization in (world.known.organization, type_id("org", new_id())):
            headers = {**authorization, "x-organization-id": organization, "x-request-id": "walk"}
            for path in sorted(WALKED):
                answer = await http.post(path, json={"query": "{ viewer { id } }"}, headers=headers)
                answers.add((path, answer.status_code, answer.text))
        assert len(answers) == len(WALKED)


async def test_nothing_was_touched(world: World, administrator: asyncpg.Connection) -> None:
    """Every row of the organization and its child is what it was before."""
    assert parsed(world.known.organization)
    assert await checksum_of(administrator, world.known) == world.checksum
