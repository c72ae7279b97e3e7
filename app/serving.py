"""Running uvicorn: over the application of this process, or over several processes."""

import contextlib
import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette

from app.complaint import Complaint
from app.main import application, connection_pool
from app.settings import Settings
from app.store.migration import head_revision
from app.store.system import SystemDatabase

DRAIN_SECONDS = 10


async def check_database(settings: Settings) -> None:
    """Refuse, before any process serves, a database that cannot be reached or whose wall does not stand."""
    pool = connection_pool(settings)
    await pool.open()
    try:
        await SystemDatabase(pool).check_wall(head_revision())
    finally:
        await pool.close()


def check_port(host: str, port: int) -> None:
    """Refuse a port that is taken. Raises Complaint."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Complaint(
                f"Port {port} of {host} cannot be used ({error.strerror}): choose another with --port."
            ) from error


def serve_processes(host: str, port: int, workers: int) -> None:
    """Serve until a signal says to stop; then finish what is under way within ten seconds."""
    check_port(host, port)
    uvicorn.run("app.serving:application_of_environment", factory=True, workers=workers, **_options(host, port))


def serve_here(app: Starlette, host: str, port: int) -> None:
    """The same for an application that is at hand, in this process."""
    uvicorn.run(app, **_options(host, port))


def application_of_environment() -> Starlette:
    """The application that the environment describes."""
    return application(Settings())


def _options(host: str, port: int) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "timeout_keep_alive": 75,
    }
