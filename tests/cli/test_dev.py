"""`tallygate dev`: everything on one machine, again and again, whatever became of it the last time."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.store.embedded import running_url

ROOT = Path(__file__).parents[2]
WITHOUT_DATABASE = {name: value for name, value in os.environ.items() if not name.endswith("DATABASE_URL")}


@contextlib.contextmanager
def dev(data_dir: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run it on a free port, without demo data, and give its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "dev", "--no-demo", "--port", str(port), "--data-dir", str(data_dir)]
    process = subprocess.Popen(command, cwd=ROOT, env=WITHOUT_DATABASE, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, f"it ended with {process.returncode}"
            assert time.monotonic() < deadline, "it did not come up"
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            time.sleep(0.05)
        yield url, process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=30)


def bootstrapped(data_dir: Path) -> dict[str, str]:
    """An organization in the database that serves there."""
    command = [sys.executable, "-m", "app.cli", "bootstrap", "--legal-name", "Quux", "--data-dir", str(data_dir)]
    done = subprocess.run(command, cwd=ROOT, env=WITHOUT_DATABASE, capture_output=True, timeout=60, check=True)
    return json.loads(done.stdout)


def legal_name(url: str, api_key: str) -> str:
    """What the API says of the key's organization."""
    answer = httpx.post(
        f"{url}/graphql",
        json={"query": "{ organization { legalName } }"},
        headers={"authorization": f"Bearer {api_key}"},
    )
    return answer.json()["data"]["organization"]["legalName"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_second_start_takes_up_what_the_first_one_left(tmp_path: Path, how: signal.Signals) -> None:
    """A key that was made before works after; SIGTERM and Ctrl-C stop PostgreSQL too, kill -9 is taken up."""
    with dev(tmp_path) as (url, process):
        key = bootstrapped(tmp_path)["apiKey"]
        assert legal_name(url, key) == "Quux"
        process.send_signal(how)
        process.wait(timeout=30)
    if how is not signal.SIGKILL:
        assert running_url(tmp_path / "postgres") is None
    with dev(tmp_path) as (url, _):
        assert legal_name(url, key) == "Quux"
    assert running_url(tmp_path / "postgres") is None


def worker_pids(data_dir: Path) -> set[int]:
    """The backends that serve the worker."""

    async def ask() -> set[int]:
        connection = await asyncpg.connect(running_url(data_dir / "postgres"))
        try:
            found = await connection.fetch("select pid from pg_stat_activity where usename = 'tallygate_worker'")
        finally:
            await connection.close()
        return {row["pid"] for row in found}

    return asyncio.run(ask())


def test_a_worker_runs_beside_and_ends_with_it(tmp_path: Path) -> None:
    """It comes to be after the web, and nothing of it is left that would keep PostgreSQL."""
    with dev(tmp_path) as (_, process):
        deadline = time.monotonic() + 40
        while not worker_pids(tmp_path):
            assert time.monotonic() < deadline, "no worker came to be"
            time.sleep(0.2)
        process.terminate()
        process.wait(timeout=30)
    assert running_url(tmp_path / "postgres") is None


def test_the_secrets_are_for_their_user_alone(tmp_path: Path) -> None:
    """Nobody else on the machine reads the pepper or the keys."""
    with dev(tmp_path):
        assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0
