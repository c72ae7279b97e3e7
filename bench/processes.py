"""What a benchmark runs and asks: `tallygate serve` and `worker` as real processes, callers over HTTP, the crash."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.store.connection import ConnectionPool, Timeouts
from app.store.embedded import EmbeddedPostgres
from app.store.embedded.folder import DataFolder
from app.store.roles import WORKER
from app.store.tenancy import Database
from bench.scratch import FOLDER, Scratch

ROOT = Path(__file__).parents[1]
LOG = FOLDER / "faults.log"
PEPPER = "pepper-of-the-benchmark-0123456789ab"
CURSOR_SECRET = "cursor-secret-of-the-benchmark-012345"
STARTED = b'"worker.started"'
READY_SECONDS = 30
ANSWER_SECONDS = 30
PATIENCE_SECONDS = 120

ANSWERED = "answered"
OVERLOADED = "OVERLOADED"
BROKEN = "connection broke"
HONEST = frozenset({ANSWERED, OVERLOADED, BROKEN})
"""What a client may be told while things break: the answer, that it should try again, or nothing at all."""


@dataclass(frozen=True)
class Answer:
    """What became of a request: its data where it was answered, else why it was not."""

    kind: str
    request_id: str = ""
    data: Any = None


class Callers:
    """Clients with an owner's key; what they were told is counted."""

    def __init__(self, urls: list[str], api_key: str) -> None:
        self._urls = urls
        self._headers = {"authorization": f"Bearer {api_key}"}
        self._client = httpx.AsyncClient(
            timeout=ANSWER_SECONDS, trust_env=False, limits=httpx.Limits(max_connections=None)
        )
        self.told: Counter[str] = Counter()

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    async def ask(self, document: str, **variables: Any) -> Answer:
        """Send a document with one root field, once, to any of the servers."""
        answer = await self._ask({"query": document, "variables": variables})
        self.told[answer.kind] += 1
        return answer

    async def insist(self, document: str, **variables: Any) -> Answer:
        """Send it until something else than OVERLOADED comes back, for two minutes at most."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = await self.ask(document, **variables)
            if answer.kind != OVERLOADED or time.monotonic() > deadline:
                return answer
            await asyncio.sleep(random.uniform(0.05, 0.5))

    async def _ask(self, content: dict[str, Any]) -> Answer:
        url = f"{random.choice(self._urls)}/graphql"
        try:
            response = await self._client.post(url, json=content, headers=self._headers)
        except httpx.TransportError:
            return Answer(BROKEN)
        try:
            body = response.json()
        except ValueError:
            return Answer(f"HTTP {response.status_code} without JSON")
        if "errors" in body:
            return Answer(body["errors"][0]["extensions"]["code"])
        (data,) = body["data"].values()
        if data.get("userErrors"):
            return Answer(data["userErrors"][0]["code"])
        return Answer(ANSWERED, response.headers["x-request-id"], data)


class Running:
    """A process of ours, in a group of its own with its children; its log goes to a file."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        with LOG.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", *command],
                env={**os.environ, **environment},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """`kill -9`, of its children too."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """SIGTERM; what is still there after 20 seconds is killed."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        self.kill()


async def start_server(scratch: Scratch, *options: str) -> tuple[str, Running]:
    """`tallygate serve` on a free port, once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        "DATABASE_URL": scratch.url(),
        "TALLYGATE_API_KEY_PEPPER": PEPPER,
        "TALLYGATE_MASTER_KEY": "bWFzdGVyIGtleSBvZiB0aGUgYmVuY2g6IDMyIGJ5dGU=",
        "TALLYGATE_CURSOR_SECRET": CURSOR_SECRET,
        "TALLYGATE_ALLOWANCE_POINTS_PER_SECOND": "0",  # what it can do, not what one organization may ask
    }
    server = Running(["serve", "--port", str(port), *options], environment)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + READY_SECONDS
    async with httpx.AsyncClient(trust_env=False) as client:
        while time.monotonic() < deadline and server.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return url, server
            await asyncio.sleep(0.05)
    server.kill()
    raise AssertionError(f"The server did not become ready: see {LOG}.")


async def start_worker(scratch: Scratch) -> Running:
    """`tallygate worker` with the settings that it has by itself, once it says that it has started."""
    said_before = LOG.read_bytes().count(STARTED)
    worker = Running(["worker"], {"DATABASE_URL": scratch.url(WORKER)})
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and worker.process.poll() is None:
        if LOG.read_bytes().count(STARTED) > said_before:
            return worker
        await asyncio.sleep(0.05)
    worker.kill()
    raise AssertionError(f"The worker did not start: see {LOG}.")


@asynccontextmanager
async def database_of(scratch: Scratch, size: int = 4) -> AsyncIterator[Database]:
    """The database as the app's role, for what a scenario does past the API; its connections live as long as it."""
    pool = ConnectionPool(scratch.url(), size=size, timeouts=Timeouts(statement=60_000, lock=60_000, idle=60_000))
    await pool.open()
    try:
        yield Database(pool)
    finally:
        await pool.close()


@contextlib.contextmanager
def crashes() -> Iterator[Callable[[int], None]]:
    """Gives what ends the durable PostgreSQL by a signal to its first process, without a checkpoint, and starts it."""
    folder = FOLDER / "durable"
    with contextlib.ExitStack() as uses:

        def crash(number: int) -> None:
            server = DataFolder(folder).server()
            if server is None:
                raise AssertionError("No PostgreSQL runs.")
            os.kill(server.pid, number)
            while DataFolder(folder).has_live_server():
                time.sleep(0.01)
            uses.enter_context(EmbeddedPostgres(folder, durable=True))

        yield crash
