"""Logs: a line of JSON for each event, with an allow-list of fields; never bodies, variables or credentials."""

import logging
import sys
from collections.abc import Callable
from typing import Any, Final, cast

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


class _StandardError:
    """The process's standard error as it is when something is written."""

    def write(self, text: str) -> int:
        """Write there."""
        return sys.stderr.write(text)

    def flush(self) -> None:
        """Let nothing wait."""
        sys.stderr.flush()


def configure_logs(log_format: str, trace_id: Callable[[], str | None] | None = None) -> None:
    """Set up structlog for this process: `json` or `console`, onto stderr. `trace_id` gives each line's, if any."""
    renderer: Any = (
        structlog.processors.JSONRenderer(_json) if log_format == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *([] if trace_id is None else [_with_trace_id(trace_id)]),
            _only_known_fields,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("Any", _StandardError())),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("asyncpg").handlers = [_OfTheDriver(logging.WARNING)]


class _OfTheDriver(logging.Handler):
    """What the database's driver has to say, as a line like any other: by itself it would print a traceback."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().warning("database.trouble", exception=f"{record.getMessage()}: {error!r}")


def _json(event: Any, default: Callable[[Any], Any]) -> str:
    return orjson.dumps(event, default=default).decode()


def _with_trace_id(trace_id: Callable[[], str | None]) -> structlog.typing.Processor:
    def add(_logger: Any, _method: str, event: Any) -> Any:
        found = trace_id()
        return event if found is None else {**event, "trace_id": found}

    return add


def _only_known_fields(_logger: Any, _method: str, event: Any) -> Any:
    return {name: value for name, value in event.items() if name in FIELDS}
