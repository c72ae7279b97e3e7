"""Companies with a clock of their own, whose billing is told through the public API."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import instant

Company = Callable[..., Awaitable[Caller]]


@pytest.fixture
def company(founder: Founder) -> Company:
    """Founds a TEST organization whose clock stands at an instant, in a time zone."""

    async def found(clock: str, **more: Any) -> Caller:
        return await founder.organization(mode=Mode.TEST, test_clock=instant(clock), **more)

    return found
