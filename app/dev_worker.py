"""The worker of `tallygate dev`: a process beside the one that serves, started after it and stopped with it."""

import os
import subprocess  # nosec B404 - runs our own programs alone, without a shell
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Final

from rich.console import Console

console = Console(stderr=True)

START_AFTER_SECONDS: Final = 2
"""So that the first page is not kept waiting."""

RESTART_AFTER_SECONDS: Final = 5
STOP_SECONDS: Final = 12

_NOT_ITS_OWN: Final = frozenset({"TALLYGATE_DATABASE_URL", "TALLYGATE_METRICS_PORT"})
"""Variables that are for the process that serves: two cannot listen on one port."""


class _Child:
    """A worker process, kept running until told to stop."""

    def __init__(self, worker_url: str) -> None:
        self._environment: Mapping[str, str] = {
            **{name: value for name, value in os.environ.items() if name not in _NOT_ITS_OWN},
            "DATABASE_URL": worker_url,
            "TALLYGATE_LOG_FORMAT": "console",
        }
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def keep_running(self) -> None:
        """Start it, and again where it ends by itself, which is said."""
        pause = START_AFTER_SECONDS
        while not self._stopping.wait(pause):
            with self._lock:
                if self._stopping.is_set():
                    return
                command = [sys.executable, "-m", "app.cli", "worker", "--parent", str(os.getpid())]
                self._process = subprocess.Popen(command, env=self._environment)  # noqa: S603 - our own program
            code = self._process.wait()
            if not self._stopping.is_set():
                console.print(
                    f"[bold red]tallygate:[/] The worker ended with {code}, so that jobs wait; the web goes on."
                    f" It is started again in {RESTART_AFTER_SECONDS} seconds.",
                    highlight=False,
                )
            pause = RESTART_AFTER_SECONDS

    def stop(self) -> None:
        """End it: what runs has ten seconds."""
        self._stopping.set()
        with self._lock:
            process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def worker_beside(worker_url: str) -> Generator[None]:
    """Keep a worker running meanwhile. That it fails is said on stderr, and nothing else fails with it."""
    child = _Child(worker_url)
    thread = threading.Thread(target=child.keep_running, name="worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        child.stop()
        thread.join(timeout=STOP_SECONDS)
