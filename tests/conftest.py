"""A real PostgreSQL for every test: a template database is migrated once, and whoever asks gets a clone."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette

from app.main import application
from app.settings import Settings
from app.store.connection import ConnectionPool
from app.store.embedded import EmbeddedPostgres
from app.store.migration import migrate_now
from app.store.roles import APP, WORKER
from app.store.tenancy import Database
from app.store.vault.master import MasterKeys
from app.store.vault.vault import Vault
from tests.caller import Caller, Founder

PEPPER = "pepper-of-the-tests-0123456789abcdef"
CURSOR_SECRET = "cursor-secret-of-the-tests-0123456789"
MASTER_KEY = "bWFzdGVyIGtleSBvZiB0aGUgdGVzdHM6IDMyIGJ5dGU="
APP_PASSWORD = "app-password-of-the-tests"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server of the tests' own: the embedded one, or TALLYGATE_TEST_DATABASE_URL as its administrator."""

    admin_url: str

    def url(self, database: str, user: str | None = None) -> str:
        parts = urlsplit(self.admin_url)
        netloc = parts.netloc
        if user is not None:
            host = netloc.rpartition("@")[2]
            netloc = f"{user}:{APP_PASSWORD}@{host}"
        return urlunsplit((parts.scheme, netloc, f"/{database}", parts.query, ""))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    given = os.environ.get("TALLYGATE_TEST_DATABASE_URL")
    if given:
        yield Server(given)
        return
    folder = Path(__file__).parents[1] / ".data" / "test"
    with EmbeddedPostgres(folder, durable=False) as embedded:
        yield Server(embedded.url())


@pytest.fixture(scope="session")
def template(server: Server) -> str:
    """The migrated database that others are cloned from, made anew for each session."""
    name = f"template_{uuid.uuid4().hex[:12]}"
    _administer(server, f"create database {name}")
    migrate_now(server.url(name))
    for role in (APP, WORKER):
        _administer(server, f"alter role {role} password '{APP_PASSWORD}'")
    return name


@pytest.fixture(scope="session")
def clone(server: Server, template: str) -> Iterator[Callable[[], str]]:
    """Makes a fresh database and gives its name; all go when the session ends."""
    made: list[str] = []

    def make() -> str:
        name = f"test_{uuid.uuid4().hex[:12]}"
        _administer(server, f"create database {name} template {template} strategy file_copy")
        made.append(name)
        return name

    yield make
    for name in [*made, template]:
        _administer(server, f"drop database if exists {name} with (force)")


@pytest.fixture(scope="session")
def database_name(clone: Callable[[], str]) -> str:
    """The database that most tests share; each keeps to organizations of its own."""
    return clone()


@pytest.fixture(scope="session")
def owner_url(server: Server, database_name: str) -> str:
    """As the administrator, for looking behind the wall."""
    return server.url(database_name)


@pytest.fixture(scope="session")
def app_url(server: Server, database_name: str) -> str:
    """As the app's own unprivileged role."""
    return server.url(database_name, APP)


@pytest.fixture(scope="session")
def worker_url(server: Server, database_name: str) -> str:
    """As the role that does jobs."""
    return server.url(database_name, WORKER)


@pytest.fixture(scope="session")
def settings(app_url: str) -> Settings:
    return Settings(
        database_url=app_url,
        api_key_pepper=PEPPER,
        cursor_secret=CURSOR_SECRET,
        master_key=MASTER_KEY,
        statement_timeout_ms=20_000,
        lock_timeout_ms=10_000,
        idle_timeout_ms=20_000,
        operations_max=100,
        organization_operations_max=100,
        allowance_points_per_second=0,
    )


@pytest.fixture(scope="session")
async def pool(settings: Settings) -> AsyncIterator[ConnectionPool]:
    made = ConnectionPool(settings.database_url.get_secret_value(), size=8)
    await made.open()
    yield made
    await made.close()


@pytest.fixture(scope="session")
def database(pool: ConnectionPool) -> Database:
    return Database(pool, vault=Vault(MasterKeys.from_text(MASTER_KEY)))


@pytest.fixture(scope="session")
async def app(settings: Settings) -> AsyncIterator[Starlette]:
    """The whole application, started as uvicorn would start it."""
    made = application(settings)
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture(scope="session")
async def http(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, without a credential."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
        yield client


@pytest.fixture(scope="session")
async def stock_http(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application without its planner, over the same database."""
    made = application(settings.model_copy(update={"planner": False}))
    transport = httpx.ASGITransport(app=made)
    async with (
        made.router.lifespan_context(made),
        httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client,
    ):
        yield client


@pytest.fixture(scope="session")
def founder(database: Database, http: httpx.AsyncClient, stock_http: httpx.AsyncClient) -> Founder:
    """Makes organizations, and credentials of every role in them."""
    return Founder(database, http, PEPPER, stock_http)


@pytest.fixture
async def owner(founder: Founder) -> Caller:
    """The owner of a fresh LIVE organization."""
    return await founder.organization()


@pytest.fixture
async def stranger(founder: Founder) -> Caller:
    """The owner of another fresh organization."""
    return await founder.organization(legal_name="Stranger Ltd")


@pytest.fixture
async def administrator(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that row security does not bind."""
    connection = await asyncpg.connect(owner_url)
    yield connection
    await connection.close()


@dataclass(frozen=True)
class LiveServer:
    """A server in a process of its own, and a key of an organization in it."""

    url: str
    api_key: str
    organization_name: str
    process: subprocess.Popen[bytes]


@pytest.fixture(scope="session")
async def live_server(founder: Founder, app_url: str) -> AsyncIterator[LiveServer]:
    """`tallygate serve` as a user starts it, on a free port."""
    owner = await founder.organization(legal_name="Live Server Inc")
    with served(app_url) as (url, process):
        yield LiveServer(url, owner.api_key, "Live Server Inc", process)


@contextlib.contextmanager
def served(app_url: str, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run `tallygate serve` over a database and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DATABASE_URL": app_url,
        "TALLYGATE_API_KEY_PEPPER": PEPPER,
        "TALLYGATE_CURSOR_SECRET": CURSOR_SECRET,
        "TALLYGATE_MASTER_KEY": MASTER_KEY,
    }
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), *options]
    process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[1], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, process)
        yield url, process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError("the server did not become ready")


def _administer(server: Server, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(server.admin_url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    # The session's event loop may be running: a loop of our own needs a thread of its own.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, run()).result()
