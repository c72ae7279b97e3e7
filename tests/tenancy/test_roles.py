"""The walk, by every role: whoever one is in an organization, another's records are like records that nobody has."""

from dataclasses import replace

import asyncpg
import pytest

from app.domain.role import SCOPES_OF, Role
from app.store.tenancy import Database
from tests.caller import Caller, Founder
from tests.tenancy.test_walk import (
    FIELDS,
    PARENTS,
    PLACES,
    World,
    assert_tells_nothing,
    call,
    checksum_of,
    rehearsed,
    unknown_like,
    value_at,
    ways,
    with_value,
    world_in,
)


@pytest.fixture(scope="module")
async def world(founder: Founder, database: Database, owner_url: str) -> World:
    return await world_in(founder, database, owner_url)


@pytest.mark.parametrize("role", list(Role))
async def test_every_reference_by_every_role(world: World, founder: Founder, role: Role) -> None:
    """A foreign value is answered as an unknown one is, byte for byte; a denial says the same of both (A3)."""
    colleague = await founder.colleague(world.stranger.owner, role)
    denied = 0
    for place in (place for place in PLACES if not place.is_new):
        way = next(ways(place))
        arguments = way(world.stranger) | rehearsed(place)
        foreign = value_at(way(world.known), place.path)
        parent = PARENTS.get(place.field.partition(".")[0])
        of = None if parent is None else parent[1](world.stranger)
        answers = [
            await call(colleague, place.field, with_value(arguments, place.path, value), of)
            for value in (foreign, unknown_like(foreign, world.known.mark))
        ]
        assert answers[0] == answers[1], place
        assert_tells_nothing(answers[0], world.strings, foreign)
        denied += "FORBIDDEN" in answers[0]
    # The roles differ, or they would not be worth walking with.
    assert (denied == 0) == (role in (Role.OWNER, Role.ADMIN)), denied


@pytest.mark.parametrize("role", list(Role))
async def test_every_field_with_all_that_is_the_others(world: World, founder: Founder, role: Role) -> None:
    """Under the other's parents and with the other's values at once: nothing is told, by no role."""
    colleague = await founder.colleague(world.stranger.owner, role)
    for field in sorted(FIELDS):
        parent = PARENTS.get(field.partition(".")[0])
        for way in FIELDS[field]:
            foreign = way(world.known) | ({"dryRun": True} if field.startswith("Mutation.") else {})
            answer = await call(colleague, field, foreign, None if parent is None else parent[1](world.known))
            sent = str(foreign)
            assert_tells_nothing(answer, {string for string in world.strings if string not in sent})
            assert "INTERNAL" not in answer


async def test_a_key_of_another_role_does_not_widen_a_header(world: World, founder: Founder) -> None:
    """The other's organization in X-Organization-ID is FORBIDDEN to every role, and to all in the same words."""
    answers = set()
    for role in Role:
        colleague = await founder.colleague(world.stranger.owner, role)
        knocking: Caller = replace(colleague, headers={"x-organization-id": world.known.organization})
        answer = await knocking.post({"query": "{ viewer { id } }"}, headers={"x-request-id": "walk"})
        assert answer.status_code == 403
        answers.add(answer.text)
    assert len(answers) == 1
    assert "organization:enter" in SCOPES_OF[Role.OWNER]


async def test_nothing_was_touched(world: World, administrator: asyncpg.Connection) -> None:
    """Every row of the organization and its child is what it was before."""
    assert await checksum_of(administrator, world.known) == world.checksum
