"""A data folder as found on disk: its paths, its locks, and the server that they tell of.

Owns: which files mean what; whether a server lives; its end.
Never: starts a program.
Begin at: `DataFolder.await_server`.
"""

import contextlib
import fcntl
import os
import signal
import socket
import struct
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from app.store.embedded.errors import DataFolderUnusable, ServerNotStarted, ServerNotStopped

SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_FILES = (SOCKET_NAME, f"{SOCKET_NAME}.lock")

TLS_QUESTION = struct.pack("!II", 8, 80877103)  # SSLRequest, the protocol's shortest message that is answered
TLS_REFUSED = b"N"

ANSWER_SECONDS_MAX = 5.0
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.01
LOG_TAIL_LINES = 15


@dataclass(frozen=True, slots=True)
class Server:
    """What a server tells of itself in its postmaster.pid."""

    pid: int
    socket_dir: Path
    is_ready: bool

    def answers(self) -> bool:
        """Whether the server lets in. Only an answer proves it: a dying server's socket still takes connections."""
        if not self.is_ready:
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_SECONDS_MAX)
            try:
                client.connect(str(self.socket_dir / SOCKET_NAME))
                client.sendall(TLS_QUESTION)
                return client.recv(1) == TLS_REFUSED
            except OSError:
                return False

    def url(self, database: str, user: str) -> str:
        """The server's address, as libpq and asyncpg take it: the socket's folder is the host."""
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={quote(str(self.socket_dir))}"


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The paths and locks of one data folder, which need not exist yet."""

    path: Path

    @property
    def cluster(self) -> Path:
        """What initdb made; a link, where the server's user cannot enter the data folder."""
        return self.path / "cluster"

    @property
    def log(self) -> Path:
        """What the server, in its last run, and pg_ctl before it had to say."""
        return self.path / "server.log"

    @contextlib.contextmanager
    def control(self) -> Generator[IO[bytes]]:
        """Make the folder, wait until nobody else starts or stops the server, and keep it so.

        Others may pass through the folder, since the server's user may be another; each thing in it is private.
        Raises DataFolderUnusable.
        """
        try:
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        except OSError as error:
            raise DataFolderUnusable(f"The data folder {self.path} cannot be made: {error}.") from error
        with self.open_private("control.lock") as control:
            fcntl.flock(control, fcntl.LOCK_EX)
            yield control

    def join(self) -> IO[bytes]:
        """Count among the server's users until the file is closed, or we are dead."""
        use = self.open_private("users.lock")
        fcntl.flock(use, fcntl.LOCK_SH)
        return use

    def is_last(self, use: IO[bytes]) -> bool:
        """Whether nobody else uses the server; False too where the folder was deleted meanwhile and maybe made anew."""
        with self.open_private("users.lock") as current:
            is_ours = os.path.samestat(os.fstat(use.fileno()), os.fstat(current.fileno()))
        return is_ours and _try_lock(use, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def server_lock(self) -> Generator[IO[bytes]]:
        """The lock to hand to the server as it starts: its processes hold it from then on, and nobody else."""
        with self.open_private("server.lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield lock

    def has_live_server(self) -> bool:
        """Whether any process of a server lives: one that starts, serves, or is about to end."""
        with self.open_private("server.lock") as lock:
            return not _try_lock(lock, fcntl.LOCK_SH)

    def server(self) -> Server | None:
        """What postmaster.pid tells; None where there is none or it is not written to its end yet."""
        try:
            pid, _, _, _, socket_dir, _, _, status = (self.cluster / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, ValueError):
            return None
        return Server(int(pid), Path(socket_dir), is_ready=status.strip() == "ready")

    def await_server(self) -> Server | None:
        """The server, once it answers; None as soon as no process of one lives. Raises ServerNotStarted."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while self.has_live_server():
            server = self.server()
            if server is not None and server.answers():
                return server
            if time.monotonic() > deadline:
                raise ServerNotStarted(f"PostgreSQL in {self.path} does not answer; its log ends:\n{self.log_tail()}")
            time.sleep(POLL_SECONDS)
        return None

    def shut_down(self) -> None:
        """Stop the server: politely, then at once. Raises ServerNotStopped."""
        server = self.server()
        for request in (signal.SIGINT, signal.SIGQUIT):
            deadline = time.monotonic() + STOP_SECONDS_MAX
            if server is not None and self.has_live_server():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(server.pid, request)
            while self.has_live_server() and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)
        if self.has_live_server():
            raise ServerNotStopped(f"PostgreSQL in {self.path} does not stop; its log ends:\n{self.log_tail()}")
        if server is not None:
            with contextlib.suppress(OSError):
                server.socket_dir.rmdir()

    def sweep(self, socket_dir: Path) -> None:
        """Remove what a dead server left: the next one judges it by a pid that another process may bear by now."""
        for leftover in (self.cluster / "postmaster.pid", *(socket_dir / name for name in SOCKET_FILES)):
            leftover.unlink(missing_ok=True)

    def log_tail(self) -> str:
        """The log's last lines; empty where there is none."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        except FileNotFoundError:
            return ""

    def open_private(self, name: str) -> IO[bytes]:
        """Open one of our files, made where it is missing, never through a link. Raises DataFolderUnusable."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.fdopen(os.open(self.path / name, flags, 0o600), "r+b")
        except OSError as error:
            raise DataFolderUnusable(f"The data folder {self.path} is not ours to use: {error}.") from error


def _try_lock(file: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
