"""Organizations with a clock of their own."""

from collections.abc import AsyncIterator

import pytest

from app.store.connection import ConnectionPool
from app.store.tables.organization import Mode
from app.store.tenancy import Database, TenantDatabase
from tests.caller import Caller, Founder
from tests.operations.steps import TEST_ACTOR, instant

NOW = "2026-05-20T00:00:00Z"


@pytest.fixture
async def tester(founder: Founder) -> Caller:
    """The owner of a fresh TEST organization whose clock stands at the beginning of 20 May 2026."""
    return await founder.organization(mode=Mode.TEST, test_clock=instant(NOW))


@pytest.fixture
async def worker(tester: Caller, worker_url: str) -> AsyncIterator[TenantDatabase]:
    """The organization as the worker's login opens it: it alone may delete what is purged."""
    pool = ConnectionPool(worker_url, size=2)
    await pool.open()
    yield Database(pool).tenant(tester.database.organization_id, TEST_ACTOR)
    await pool.close()
