"""Many organizations at once over four connections: nobody sees a row of anybody else."""

from collections.abc import Callable

import asyncpg
import httpx
from pydantic import SecretStr

from app.api.ids import parsed
from app.main import application
from app.settings import Settings
from app.store.connection import ConnectionPool
from app.store.roles import APP
from app.store.tenancy import Database
from tests.caller import Founder
from tests.conftest import PEPPER, Server
from tests.tenancy.crowd import ORGANIZATIONS, gathered, jostle

REQUESTS = 1_500


async def test_nobody_sees_anybody(server: Server, clone: Callable[[], str], settings: Settings) -> None:
    """32 organizations, 1,500 requests, a pool of 4; some are broken off. `bench/isolation.py` asks 10,000."""
    name = clone()
    url = server.url(name, APP)
    narrow = settings.model_copy(update={"database_url": SecretStr(url), "pool_size": 4})
    served = application(narrow)
    transport = httpx.ASGITransport(app=served)
    pool = ConnectionPool(url, size=1)
    await pool.open()
    async with (
        served.router.lifespan_context(served),
        httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as http,
    ):
        members = await gathered(Founder(Database(pool), http, PEPPER))
        asked = await jostle(members, http, REQUESTS, seed=7)
    await pool.close()
    assert len(members) == ORGANIZATIONS
    assert asked.total() == REQUESTS
    assert asked["broken off"] > 20
    administrator = await asyncpg.connect(server.url(name))
    stored = await administrator.fetch("select organization_id, name from customers where not is_default")
    await administrator.close()
    marks = {parsed(member.caller.organization_id)[1]: member.mark for member in members}
    assert len(stored) == len(members)
    assert all(row["name"].startswith(f"{marks[row['organization_id']]} Customer") for row in stored)
