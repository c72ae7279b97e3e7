"""A plan fails as graphql-core fails: over a schema with every construct, whose resolvers break in every way."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.tenancy import Planning
from tests.api.execution.brittle import BrittleContext, World, brittle, brittle_context
from tests.api.execution.chance import Chance
from tests.api.execution.documents import Documents
from tests.api.execution.effort import examples
from tests.api.execution.roads import Roads

pytestmark = pytest.mark.filterwarnings(
    # graphql-core leaves what a failed field's siblings were about to do.
    "ignore:coroutine .* was never awaited:RuntimeWarning",
    "ignore::pytest.PytestUnraisableExceptionWarning",
)

WORDS = {"Int": [0, 1, 2**31 - 1, -7], "String": ["a", "", "x y"], "Boolean": [True, False]}
BROKEN = (0, 0, 2, 5, 20)
"""In how many of a hundred places something is broken."""
PLANNINGS: Counter[Planning | None] = Counter()


def roads_in(world: World, plannings: Counter[Planning | None]) -> Roads:
    """The roads in a world."""

    async def context(planner: bool) -> BrittleContext:
        return brittle_context(world, planner=planner)

    return Roads(brittle, context, plannings)


@examples(1_500)
@given(content=st.binary(min_size=96, max_size=96))
async def test_a_plan_breaks_as_graphql_core_breaks(content: bytes) -> None:
    """1,500 documents in as many worlds: every error, path and null is the same, in the same order."""
    world = World(seed=content[-1] * 256 + content[-2], broken=BROKEN[content[-3] % len(BROKEN)])
    documents = Documents(brittle._schema, WORDS, Chance(content))
    difference = await roads_in(world, PLANNINGS).difference(documents.make(), documents.again())
    assert difference is None, difference


def test_both_roads_were_gone() -> None:
    """Many of those documents were planned, and many broke."""
    total = sum(PLANNINGS.values())
    assert PLANNINGS[Planning.PLANNED] > 0.2 * total, PLANNINGS
    assert PLANNINGS[Planning.REPEATED] > 0.2 * total, PLANNINGS
