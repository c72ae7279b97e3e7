"""Running uvicorn: over the application of this process, or over several processes."""

import contextlib
import gc
import socket
from contextlib import nullcontext
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from app.complaint import Complaint
from app.logs import configure_logs
from app.main import application, connection_pool
from app.settings import Settings
from app.store.migration import head_revision
from app.store.system import SystemDatabase
from app.watch import several_processes
from app.web.draining import DrainingApp
from app.web.wire import HttpProtocol

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 10
"""For what is under way once no more connections are taken."""

GARBAGE_AFTER_OBJECTS: Final = 5_000
"""How many more objects than before make the collector look among the youngest; Python's own is 700."""


async def check_database(settings: Settings) -> None:
    """Refuse, before any process serves, a database that cannot be reached or whose wall does not stand."""
    pool = connection_pool(settings)
    await pool.open()
    try:
        await SystemDatabase(pool).check_wall(head_revision())
    finally:
        await pool.close()


def check_port(host: str, port: int, option: str = "--port") -> None:
    """Refuse a port that is taken; `option` says how to choose another. Raises Complaint."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Complaint(
                f"Port {port} of {host} cannot be used ({error.strerror}): choose another with {option}."
            ) from error


def serve_processes(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve until a signal says to stop; then say so, and finish what is under way within ten seconds."""
    check_port(host, port)
    if settings.metrics_port:
        check_port(settings.metrics_host, settings.metrics_port, "TALLYGATE_METRICS_PORT")
    configure_logs(settings.log_format)
    log.info(
        "serving.started",
        address=f"{host}:{port}",
        workers=workers,
        revision=head_revision(),
        graphiql=settings.graphiql,
        planner=settings.planner,
        metrics=settings.metrics_address,
        tracing=settings.tracing,
    )
    with several_processes(settings) if workers > 1 else nullcontext():
        uvicorn.run("app.serving:application_of_environment", factory=True, workers=workers, **_options(host, port))


def serve_here(app: Starlette, host: str, port: int) -> None:
    """The same for an application that is at hand, in this process."""
    settle_heap()
    uvicorn.run(app, **_options(host, port))


def application_of_environment() -> ASGIApp:
    """The application that the environment describes; told to end, it says so first."""
    settings = Settings()
    app = DrainingApp(application(settings), settings.drain_notice_seconds)
    settle_heap()
    return app


def settle_heap() -> None:
    """Let the garbage collector pass over what was made so far: the schema and the modules, which stay.

    It would walk all of them again and again, for a third of the CPU of a large answer. An answer itself is hundreds of
    objects without cycles, so there is no need to look for some after every 700.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER_OBJECTS, 20, 50)


def _options(host: str, port: int) -> dict[str, Any]:
    return {
        "host": host,
        "port": port,
        "loop": "uvloop",
        "http": HttpProtocol,
        "ws": "none",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        # Nothing here asks where a request comes from.
        "proxy_headers": False,
        "timeout_graceful_shutdown": DRAIN_SECONDS,
        "timeout_keep_alive": 75,
        # One that is still being started on a busy machine does not answer yet; it is not hung.
        "timeout_worker_healthcheck": 30,
    }
