"""Logs: a line of JSON for each event, with an allow-list of fields; never bodies, variables or credentials."""

import asyncio
import atexit
import logging
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

import orjson
import structlog

FIELDS: Final = frozenset(
    {
        "action",
        "address",
        "attempt",
        "code",
        "concurrency",
        "count",
        "event",
        "exception",
        "failures",
        "graphiql",
        "invoices",
        "job_id",
        "kind",
        "kinds",
        "level",
        "metrics",
        "milliseconds",
        "organization_id",
        "path",
        "planner",
        "planning",
        "reason",
        "remaining",
        "request_id",
        "revision",
        "scope",
        "subscription_id",
        "timestamp",
        "trace_id",
        "tracing",
        "workers",
    }
)


_MOMENT_SECONDS: Final = 0.1
_LINES_MAX: Final = 50
"""How long a line waits to be written, and how many of them do."""

_NOTED: Final[ContextVar[dict[str, Any]]] = ContextVar("noted")


def begin_notes(**noted: Any) -> None:
    """What every line says that is written from here on, in this request, and nothing that was noted before."""
    _NOTED.set(noted)


def note(**noted: Any) -> None:
    """What every further line of this request says as well."""
    known = _NOTED.get(None)
    if known is None:
        _NOTED.set(noted)
    else:
        known.update(noted)


class _StandardError:
    """The process's standard error as it is when something is written: a logger of structlog's.

    While an event loop runs, lines of what went well wait for a moment for others: making and writing each by itself
    would cost a busy server a tenth of its small queries. Whatever went wrong is written at once, after what waits.
    """

    def __init__(self) -> None:
        self.written: Callable[[Any], str] = str
        self.trace_id: Callable[[], str | None] | None = None
        self._waiting: list[Any] = []
        self._turn = Lock()

    def info(self, line: Any) -> None:
        """Write a line soon; one that is no text yet is `written` then."""
        self._waiting.append(line)
        count = len(self._waiting)
        if count == 1:
            try:
                asyncio.get_running_loop().call_later(_MOMENT_SECONDS, self.flush)
            except RuntimeError:
                self.flush()
        elif count >= _LINES_MAX:
            self.flush()

    def error(self, line: str) -> None:
        """Write a line now."""
        self._waiting.append(line)
        self.flush()

    debug = info
    warning = critical = error

    def flush(self) -> None:
        """Write what waits."""
        with self._turn:
            lines, self._waiting = self._waiting, []
            if lines:
                sys.stderr.write("".join([f"{line if type(line) is str else self.written(line)}\n" for line in lines]))


_STANDARD_ERROR: Final = _StandardError()


def flush_logs() -> None:
    """Write what waits to be written: for a process that ends."""
    _STANDARD_ERROR.flush()


def say(event: str, fields: dict[str, Any]) -> None:
    """Write what `log.info` would, for what happens with each request: the line is not made before it is written."""
    trace_id = _STANDARD_ERROR.trace_id
    _STANDARD_ERROR.info((time.time(), _NOTED.get({}), event, fields, None if trace_id is None else trace_id()))


def configure_logs(log_format: str, trace_id: Callable[[], str | None] | None = None) -> None:
    """Set up structlog for this process: `json` or `console`, onto stderr. `trace_id` gives each line's, if any."""
    as_line: Any = _json if log_format == "json" else _Console()

    def known(logger: Any, level: str, event: Any) -> dict[str, Any]:
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, level, event)
        found = None if trace_id is None else trace_id()
        return _line(time.time(), level, {**_NOTED.get({}), **event}, found)

    def written(said: tuple[float, dict[str, Any], str, dict[str, Any], str | None]) -> str:
        at, noted, event, fields, found = said
        return as_line(None, "info", _line(at, "info", {**noted, **fields, "event": event}, found))

    _STANDARD_ERROR.written, _STANDARD_ERROR.trace_id = written, trace_id
    structlog.configure(
        processors=[known, as_line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _STANDARD_ERROR,
        cache_logger_on_first_use=True,
    )
    atexit.register(flush_logs)
    logging.getLogger("asyncpg").handlers = [_OfTheDriver(logging.WARNING)]


def _line(at: float, level: str, said: dict[str, Any], trace_id: str | None) -> dict[str, Any]:
    """All that a line says: the fields that may be told, the level, the time, the trace where there is one."""
    line = said if said.keys() <= FIELDS else {name: value for name, value in said.items() if name in FIELDS}
    line["level"] = level
    line["timestamp"] = datetime.fromtimestamp(at, UTC)
    return line if trace_id is None else {**line, "trace_id": trace_id}


def _json(_logger: Any, _level: str, line: Any) -> str:
    return orjson.dumps(line, default=str, option=orjson.OPT_UTC_Z).decode()


class _Console(structlog.dev.ConsoleRenderer):
    """Lines for people."""

    def __call__(self, logger: Any, name: str, event_dict: Any) -> str:
        return super().__call__(logger, name, {**event_dict, "timestamp": event_dict["timestamp"].isoformat()})


class _OfTheDriver(logging.Handler):
    """What the database's driver has to say, as a line like any other: by itself it would print a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().warning("database.trouble", exception=f"{record.getMessage()}: {error!r}")
