"""Logs: a line of JSON for each event, with an allow-list of fields; never bodies, variables or credentials."""

import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
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
    """The process's standard error as it is when something is written: a logger of structlog's."""

    def write(self, line: str) -> None:
        """Write a line there; standard error lets none wait."""
        sys.stderr.write(line + "\n")

    debug = info = warning = error = critical = write


def configure_logs(log_format: str, trace_id: Callable[[], str | None] | None = None) -> None:
    """Set up structlog for this process: `json` or `console`, onto stderr. `trace_id` gives each line's, if any."""
    structlog.configure(
        processors=[_Known(trace_id), _json if log_format == "json" else structlog.dev.ConsoleRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _StandardError(),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("asyncpg").handlers = [_OfTheDriver(logging.WARNING)]


class _Known:
    """Makes of an event all that its line says: one step rather than six, since each request writes a line."""

    def __init__(self, trace_id: Callable[[], str | None] | None) -> None:
        self._trace_id = trace_id

    def __call__(self, logger: Any, level: str, event: Any) -> dict[str, Any]:
        """The fields that may be told, with those that were noted, the level and the time."""
        if "exc_info" in event:
            event = structlog.processors.format_exc_info(logger, level, event)
        said = {**_NOTED.get({}), **event}
        line = {name: value for name, value in said.items() if name in FIELDS}
        line["level"] = level
        line["timestamp"] = f"{datetime.now(UTC).replace(tzinfo=None).isoformat('T', 'microseconds')}Z"
        if self._trace_id is not None:
            found = self._trace_id()
            if found is not None:
                line["trace_id"] = found
        return line


def _json(_logger: Any, _level: str, line: Any) -> str:
    return orjson.dumps(line, default=str).decode()


class _OfTheDriver(logging.Handler):
    """What the database's driver has to say, as a line like any other: by itself it would print a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().warning("database.trouble", exception=f"{record.getMessage()}: {error!r}")
