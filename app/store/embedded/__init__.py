"""The PostgreSQL that comes with the environment: for `tallygate dev` and the tests, not for data that has to last.

Owns: a data folder with one cluster in it, the server on it, and the private socket that is the only way in.
Never: listens on a network; imports sqlalchemy or asyncpg; writes to stdout.
Begin at: `EmbeddedPostgres.start`.

    DATA_DIR/cluster        the database
             control.lock   held by who starts or stops the server
             users.lock     shared by all who use the server: the last one stops it
             server.lock    held by the server's own processes, handed to them as they start
             server.log     of the server's last run

The locks are `flock`s, which the kernel drops with the processes that hold them. So a killed user does not count, a
killed owner's server is found and used, and a dead server's leftovers are known as such, whoever bears its pid now.
"""

import contextlib
import hashlib
import os
import shlex
import shutil
import stat
import subprocess  # nosec B404 - for one of its constants
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from app.store.embedded.errors import (
    ClusterNotCreated,
    DataFolderUnusable,
    EmbeddedPostgresError,
    ProgramsMissing,
    ServerNotStarted,
    ServerNotStopped,
    SocketFolderUnsafe,
)
from app.store.embedded.folder import SOCKET_FILES, DataFolder, Server
from app.store.embedded.programs import Isolation, Programs, find_programs, make_shared_folder

__all__ = [
    "ClusterNotCreated",
    "DataFolderUnusable",
    "EmbeddedPostgres",
    "EmbeddedPostgresError",
    "Isolation",
    "ProgramsMissing",
    "ServerNotStarted",
    "ServerNotStopped",
    "SocketFolderUnsafe",
    "running_url",
]

SOCKET_PATH_BYTES_MAX = 100  # kernels end at 104 (macOS) and 108 (Linux)
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
SETTINGS_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class EmbeddedPostgres:
    """One use of the server on a data folder. Any number of uses, in any number of processes, share that server.

    `durable=False`, for tests, is faster and loses the data with the machine's power; where a server runs already,
    its starter has decided. `isolation` is for this module's own tests; None finds what works here.
    """

    def __init__(self, data_dir: Path, *, durable: bool = True, isolation: Isolation | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self._folder = DataFolder(self.data_dir)
        self._durable = durable
        self._isolation = isolation
        self._use: IO[bytes] | None = None
        self._server: Server | None = None

    def start(self) -> str:
        """Start the server, or join the one that runs, and return its `url()`. Again: changes nothing.

        Makes the cluster where there is none; clears up after a killed server and a killed initdb. Blocks meanwhile.
        Raises ProgramsMissing, DataFolderUnusable, ClusterNotCreated, SocketFolderUnsafe, ServerNotStarted.
        """
        if self._use is None:
            with self._folder.control() as control, contextlib.ExitStack() as on_error:
                use = on_error.enter_context(self._folder.join())
                server = self._folder.await_server() or self._launch(control)
                _check_owned(server.socket_dir, self._folder.cluster.stat().st_uid)
                self._use, self._server = use, server
                on_error.pop_all()
        return self.url()

    def stop(self) -> None:
        """End this use, and with the last use the server. Again, or before a start: does nothing.

        Raises ServerNotStopped.
        """
        if self._use is None:
            return
        use, self._use, self._server = self._use, None, None
        with use:
            if not self.data_dir.exists():
                return  # deleted under the server, which sees it within a minute and ends itself
            with self._folder.control():
                if self._folder.is_last(use):
                    self._folder.shut_down()

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """The address for libpq and asyncpg. Raises ServerNotStarted before `start` and after `stop`."""
        if self._server is None:
            raise ServerNotStarted(f"The embedded PostgreSQL in {self.data_dir} has not been started.")
        return self._server.url(database, user)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _launch(self, control: IO[bytes]) -> Server:
        """Start a server where none lives; `control` keeps others from doing so too."""
        programs = find_programs(self._isolation)
        if not self._folder.cluster.exists():
            self._create_cluster(programs, control)
        owner = self._folder.cluster.stat().st_uid
        if owner != programs.uid:
            raise DataFolderUnusable(
                f"The database in {self.data_dir} belongs to user {owner} and PostgreSQL would run as {programs.uid}: "
                "start as that user, or choose another data folder."
            )
        socket_dir = _socket_dir(self.data_dir, programs)
        self._folder.sweep(socket_dir)
        with self._folder.server_lock() as lock, self._folder.open_private("server.log") as log:
            log.truncate()
            cluster = str(self._folder.cluster.resolve())
            options = _server_options(socket_dir, durable=self._durable)
            programs.run("pg_ctl", "start", "-s", "-W", "-D", cluster, "-o", options, output=log, held=[lock])
        server = self._folder.await_server()
        if server is None:
            tail = self._folder.log_tail()
            raise ServerNotStarted(f"PostgreSQL did not start in {self.data_dir}; its log ends:\n{tail}")
        return server

    def _create_cluster(self, programs: Programs, control: IO[bytes]) -> None:
        """Run initdb beside the cluster's place and put the finished cluster there, so that nobody sees half of one.

        initdb holds `control` too: should it outlive us, the next start waits for its end before it clears up.
        """
        is_open = programs.can_enter(self.data_dir)
        if is_open:
            fresh = self.data_dir / "cluster.new"
        else:
            fresh = make_shared_folder() / f"cluster-{_digest(str(self.data_dir))}"
        shutil.rmtree(fresh, ignore_errors=True)
        programs.make_private_folder(fresh)
        made = programs.run(
            "initdb", *_initdb_options(fresh, durable=self._durable), output=subprocess.PIPE, held=[control]
        )
        if made.returncode != 0:
            raise ClusterNotCreated(f"PostgreSQL could not make its files in {fresh}: {made.stdout.decode().strip()}")
        if is_open:
            fresh.rename(self._folder.cluster)
        else:
            self._folder.cluster.unlink(missing_ok=True)  # a link to what somebody deleted
            self._folder.cluster.symlink_to(fresh)


def running_url(data_dir: Path, database: str = "postgres", user: str = "postgres") -> str | None:
    """The address of the server that runs on the data folder, None where there is none.

    It counts no use, so the server may stop at any time: `EmbeddedPostgres(data_dir).start()` joins and keeps it.
    Raises DataFolderUnusable, SocketFolderUnsafe.
    """
    folder = DataFolder(data_dir.resolve())
    server = folder.server() if folder.cluster.exists() and folder.has_live_server() else None
    if server is None or not server.answers():
        return None
    _check_owned(server.socket_dir, folder.cluster.stat().st_uid)
    return server.url(database, user)


def _initdb_options(cluster: Path, *, durable: bool) -> list[str]:
    lc_ctype = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    options = ["-D", str(cluster), "-U", "postgres", "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", f"--lc-ctype={lc_ctype}"]
    return options if durable else [*options, "--no-sync"]


def _server_options(socket_dir: Path, *, durable: bool) -> str:
    """What pg_ctl hands to a shell for postgres."""
    settings = SETTINGS | {"unix_socket_directories": f'"{socket_dir}"'} | ({} if durable else SETTINGS_NOT_DURABLE)
    return shlex.join(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))


def _socket_dir(data_dir: Path, programs: Programs) -> Path:
    """Make or find the private folder for the socket: in the system's temporary folder, where paths are short."""
    name = f"tallygate-{_digest(f'{programs.uid} {data_dir}')}"
    folder = Path(tempfile.gettempdir()).resolve() / name
    path_bytes = max(len(os.fsencode(folder / file)) for file in SOCKET_FILES)
    if path_bytes > SOCKET_PATH_BYTES_MAX or not programs.can_enter(folder.parent):
        folder = Path("/tmp").resolve() / name  # noqa: S108 - its owner and mode are checked
    with contextlib.suppress(FileExistsError):
        programs.make_private_folder(folder)
    _check_owned(folder, programs.uid)
    return folder


def _check_owned(socket_dir: Path, uid: int) -> None:
    """Anybody may put anything into the temporary folder: use only what nobody but `uid` can enter."""
    found = socket_dir.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        flaw = "is not a folder"
    elif found.st_uid != uid:
        flaw = f"belongs to user {found.st_uid} instead of {uid}"
    elif mode != stat.S_IRWXU:
        flaw = f"has mode {mode:04o} instead of 0700"
    else:
        return
    raise SocketFolderUnsafe(f"{socket_dir}, the place of PostgreSQL's socket, {flaw}: remove it and start again.")


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:12]
