"""What a request leaves behind: nothing for the garbage collector, which stops all others while it looks."""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import pytest
from starlette.applications import Starlette

from tests.caller import Caller
from tests.operations.steps import customer
from tests.web.serving import served

REQUESTS = 20
ATTEMPTS = 3

PAGE = "{ customers(first: 10) { totalCount edges { cursor node { id name organization { id } } } } }"

BODIES = {
    "a page": {"query": PAGE},
    "one by its id": {"query": "query($id: ID!) { customer(id: $id) { id name email } }"},
    "one by its id and type": {"query": "query($id: ID!) { node(id: $id) { __typename ... on Customer { name } } }"},
    "an id that is unknown": {"query": 'query { customer(id: "cus_01h455vb4pex5vsknk084sn02q") { id } }'},
    "a bad body": "{",
}


class Client:
    """One connection to the application, as `tallygate serve` listens."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self._reader.readexactly(length)

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def clients(app: Starlette, count: int) -> AsyncIterator[list[Client]]:
    """That many connections."""
    async with served(app) as (_, port):
        made = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(count)]
        yield made
        for client in made:
            await client.close()


def post(caller: Caller, body: Any) -> bytes:
    """A request as bytes."""
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    lines = ["POST /graphql HTTP/1.1", "host: tallygate.test", "content-type: application/json"]
    lines += [f"authorization: Bearer {caller.api_key}", f"content-length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """What became garbage inside, by its types: what only the collector can free."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found.update(type(each).__qualname__ for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def least_garbage_of(ask: Callable[[], Awaitable[None]]) -> Counter[str]:
    """What becomes garbage each time; now and then something else does, as statements that the driver lets go."""
    found: list[Counter[str]] = []
    while len(found) < ATTEMPTS and (not found or found[-1].total() >= REQUESTS):
        with garbage() as left:
            await ask()
        found.append(left)
    return min(found, key=Counter.total)


@pytest.mark.parametrize("kind", BODIES)
async def test_a_query_leaves_no_garbage(app: Starlette, owner: Caller, kind: str) -> None:
    """Not one object for each that was answered or refused."""
    body = BODIES[kind]
    if isinstance(body, dict):
        body = {**body, "variables": {"id": await customer(owner, "Frobozz")}}
    request = post(owner, body)
    async with clients(app, 1) as [client]:
        for _ in range(3):
            await client.ask(request)

        async def ask() -> None:
            for _ in range(REQUESTS):
                await client.ask(request)

        found = await least_garbage_of(ask)
    assert found.total() < REQUESTS, found


async def test_a_query_that_waited_leaves_none(
    app: Starlette, owner: Caller, administrator: asyncpg.Connection
) -> None:
    """It is watched for its client's hanging up; a flood of those that wait is when a pause hurts most."""
    await customer(owner, "Frobozz")
    request = post(owner, {"query": PAGE})
    async with clients(app, REQUESTS) as made:
        await asyncio.gather(*(client.ask(request) for client in made))

        async def ask() -> None:
            async with administrator.transaction():
                await administrator.execute("lock table customers in access exclusive mode")
                asking = [asyncio.create_task(client.ask(request)) for client in made]
                await asyncio.sleep(0.3)
                assert not any(each.done() for each in asking)
            answers = await asyncio.gather(*asking)
            assert all(b'"totalCount":2' in answer for answer in answers)

        found = await least_garbage_of(ask)
    assert found.total() < REQUESTS, found
