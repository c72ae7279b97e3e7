"""What opens while its request is left is ended: no connection is kept that nobody would give back."""

import asyncio
import contextlib

import pytest

from app.store.connection import ConnectionPool, Unavailable
from app.store.tenancy import Database
from tests.caller import Caller

TURNS = 40


@pytest.mark.parametrize("what", ["snapshot", "hold_write"])
async def test_whatever_the_moment_of_leaving_no_connection_stays_out(app_url: str, owner: Caller, what: str) -> None:
    """A loader that asks for the snapshot as the answer goes out gets it or not; its connection comes back."""
    pool = ConnectionPool(app_url, size=2)
    await pool.open()
    try:
        for turn in range(TURNS):
            tenant = Database(pool).tenant(owner.database.organization_id, owner.database.actor)
            opening = asyncio.ensure_future(getattr(tenant, what)())
            for _ in range(turn):
                await asyncio.sleep(0)
            await tenant.leave()
            with contextlib.suppress(Unavailable):
                await opening
            assert pool._pool is not None
            assert pool._pool.get_idle_size() == pool._pool.get_size(), turn
    finally:
        await pool.close()
