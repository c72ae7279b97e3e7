"""`tallygate jobs` and `tallygate worker` at the keyboard."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from app.api.ids import ORGANIZATION, type_id
from app.store.query import new_id
from tests.cli.test_cli import run, serving

ROOT = Path(__file__).parents[2]
ORGANIZATION_ID = new_id()


def execute(url: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """Behind the wall."""

    async def connected() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()

    return asyncio.run(connected())


@pytest.fixture
def dead_letter(owner_url: str) -> str:
    """The id of a job that failed for good, as pgqueuer leaves one."""
    (row,) = execute(
        owner_url,
        "insert into queue.pgqueuer (priority, entrypoint, payload, headers, status)"
        " values (0, 'zork.dig', '{\"depth\": 7}', $1, 'failed') returning id",
        json.dumps({"organization_id": str(ORGANIZATION_ID), "attempts": 10}),
    )
    failure = {"exception_type": "Cave", "exception_message": "it is [pitch] black", "traceback": "Traceback: grue"}
    execute(
        owner_url,
        "insert into queue.pgqueuer_log (job_id, status, priority, entrypoint, traceback)"
        " values ($1, 'failed', 0, 'zork.dig', $2)",
        row["id"],
        json.dumps(failure),
    )
    return str(row["id"])


def status_of(owner_url: str, job: str) -> list[str]:
    return [row[0] for row in execute(owner_url, "select status::text from queue.pgqueuer where id = $1", int(job))]


def test_list_shows_what_failed(worker_url: str, dead_letter: str) -> None:
    """Its id, kind, organization, attempts, when, and the error."""
    done = run("jobs", "list", DATABASE_URL=worker_url)
    assert done.exit_code == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if f" {dead_letter} " in line]
    for word in ("zork.dig", type_id(ORGANIZATION, ORGANIZATION_ID), " 10 ", "Cave: it is [pitch] black"):
        assert word in line


def test_show_tells_where_it_failed(worker_url: str, dead_letter: str) -> None:
    """With the payload and the traceback."""
    done = run("jobs", "show", dead_letter, DATABASE_URL=worker_url)
    assert done.exit_code == 0, done.stderr
    for word in ("zork.dig", '{"depth": 7}', "Cave: it is [pitch] black", "Traceback: grue"):
        assert word in done.stdout


def test_replay_puts_it_back_into_the_queue(worker_url: str, owner_url: str, dead_letter: str) -> None:
    """Once: then it is no dead letter any more."""
    assert run("jobs", "replay", dead_letter, DATABASE_URL=worker_url).exit_code == 0
    assert status_of(owner_url, dead_letter) == ["queued"]
    assert run("jobs", "replay", dead_letter, DATABASE_URL=worker_url).exit_code == 1


def test_drop_takes_it_out(worker_url: str, owner_url: str, dead_letter: str) -> None:
    """For good."""
    assert run("jobs", "drop", dead_letter, DATABASE_URL=worker_url).exit_code == 0
    assert status_of(owner_url, dead_letter) == []


@pytest.mark.parametrize("command", ["show", "replay", "drop"])
def test_an_unknown_job_is_told_in_a_sentence(worker_url: str, command: str) -> None:
    """And where to look."""
    done = run("jobs", command, "987654321", DATABASE_URL=worker_url)
    assert done.exit_code == 1
    assert "No job 987654321 has failed for good: `tallygate jobs list` shows those that have." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("jobs", "list"), ("worker",), ("billing", "run", "--all")])
def test_the_apps_login_is_refused(app_url: str, owner_url: str, command: tuple[str, ...]) -> None:
    """Only the worker's login works the queue, and row security has to bind it."""
    for url, sentence in ((app_url, "may not work the queue"), (owner_url, "ignores row security")):
        done = run(*command, DATABASE_URL=url)
        assert done.exit_code == 1
        assert sentence in done.stderr
        assert "work as tallygate_worker" in done.stderr
        assert "Traceback" not in done.stderr


def test_the_workers_login_does_not_serve(worker_url: str) -> None:
    """It could delete, and read the queue."""
    done = run("serve", "--port", "0", **serving(worker_url))
    assert done.exit_code == 1
    assert "may work the queue: serve as tallygate_app" in done.stderr


def test_worker_says_which_settings_are_missing_or_wrong() -> None:
    """It needs no secret but its login."""
    done = run("worker", TALLYGATE_JOB_LEASE_SECONDS="31")
    assert done.exit_code == 1
    assert "DATABASE_URL" in done.stderr
    assert "TALLYGATE_JOB_LEASE_SECONDS" in done.stderr
    assert "PEPPER" not in done.stderr


def test_worker_ends_with_its_parent(worker_url: str) -> None:
    """Even where that ended before the worker came to look, as number 1 stands for here."""
    environment = {**os.environ, "DATABASE_URL": worker_url}
    command = [sys.executable, "-m", "app.cli", "worker", "--parent", "1"]
    done = subprocess.run(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=60, check=True)
    assert json.loads(done.stderr.splitlines()[-1])["event"] == "worker.stopped"


def test_worker_stops_at_a_signal(worker_url: str, owner_url: str) -> None:
    """With exit code 0, whatever uvloop or asyncio make of the signal."""
    environment = {**os.environ, "DATABASE_URL": worker_url}
    command = [sys.executable, "-m", "app.cli", "worker"]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "worker.started" in process.stderr.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=15)
    assert process.returncode == 0
    assert json.loads(told.splitlines()[-1])["event"] == "worker.stopped"
    assert "Traceback" not in told
