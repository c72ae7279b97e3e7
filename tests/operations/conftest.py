"""Organizations with a clock of their own."""

import pytest

from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import instant

NOW = "2026-05-20T00:00:00Z"


@pytest.fixture
async def tester(founder: Founder) -> Caller:
    """The owner of a fresh TEST organization whose clock stands at the beginning of 20 May 2026."""
    return await founder.organization(mode=Mode.TEST, test_clock=instant(NOW))
