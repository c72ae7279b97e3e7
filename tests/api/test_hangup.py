"""A client that hangs up: its statement is cancelled in PostgreSQL, and nothing of it stays behind."""

import asyncio
import json
from typing import Any

import asyncpg
from starlette.applications import Starlette

from tests.caller import Caller

WAITING = (
    "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    " and usename = 'tallygate_app'"
)


class Client:
    """A request whose sender can hang up."""

    def __init__(self, caller: Caller, query: str, **variables: Any) -> None:
        self.gone = asyncio.Event()
        self.sent: list[Any] = []
        self._body = json.dumps({"query": query, "variables": variables}).encode()
        self._read = False
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "query_string": b"",
            "headers": [
                (b"authorization", f"Bearer {caller.api_key}".encode()),
                (b"content-type", b"application/json"),
            ],
        }

    async def receive(self) -> dict[str, Any]:
        if not self._read:
            self._read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


async def until(administrator: asyncpg.Connection, waiting: int) -> None:
    """Wait until that many statements of the app wait for a lock."""
    async with asyncio.timeout(5):
        while await administrator.fetchval(WAITING) != waiting:  # noqa: ASYNC110 - PostgreSQL raises no event
            await asyncio.sleep(0.01)


async def test_a_client_that_hangs_up_cancels_its_statement(
    app: Starlette, owner: Caller, administrator: asyncpg.Connection, owner_url: str
) -> None:
    """It stops waiting at once, long before its own time limits; its transaction is undone, its connection is whole."""
    made = await owner.change("customerCreate", {"name": "Frobozz"}, "customer { id }")
    customer = made["customer"]["id"]
    query = (
        'mutation($id: ID!) { customerUpdate(input: { customerId: $id, name: "Changed" })'
        " { customer { name } userErrors { code } } }"
    )
    blocker = await asyncpg.connect(owner_url)
    holding = blocker.transaction()
    await holding.start()
    await blocker.execute(
        "select 1 from customers where organization_id = $1 for update", owner.database.organization_id
    )
    try:
        clients = [Client(owner, query, id=customer) for _ in range(3)]
        requests = [asyncio.create_task(app(client.scope, client.receive, client.send)) for client in clients]
        await until(administrator, 3)
        for client in clients:
            client.gone.set()
        async with asyncio.timeout(5):
            await asyncio.gather(*requests)
            await until(administrator, 0)
    finally:
        await holding.rollback()
        await blocker.close()
    found = await asyncio.gather(
        *(owner.data("query($id: ID!) { customer(id: $id) { name } }", id=customer) for _ in range(20))
    )
    assert found == [{"customer": {"name": "Frobozz"}}] * 20
    assert {message.get("status") for client in clients for message in client.sent} <= {499, None}


async def test_a_client_that_stays_is_answered(app: Starlette, owner: Caller) -> None:
    """Also where the answer takes longer than it takes to begin to look whether it is still there."""
    client = Client(owner, "{ viewer { name } }")
    await app(client.scope, client.receive, client.send)
    assert client.sent[0]["status"] == 200
