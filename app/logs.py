"""Logs: a line of JSON for each event, with an allow-list of fields; never bodies, variables or credentials."""

import logging
import sys
from typing import Any, Final, cast

import structlog

FIELDS: Final = frozenset(
    {
        "action",
        "attempt",
        "code",
        "count",
        "event",
        "exception",
        "failures",
        "invoices",
        "job_id",
        "kind",
        "level",
        "milliseconds",
        "organization_id",
        "path",
        "planning",
        "remaining",
        "request_id",
        "scope",
        "subscription_id",
        "timestamp",
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


def configure_logs(log_format: str) -> None:
    """Set up structlog for this process: `json` or `console`, onto stderr."""
    renderer: Any = structlog.processors.JSONRenderer() if log_format == "json" else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
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


def _only_known_fields(_logger: Any, _method: str, event: Any) -> Any:
    return {name: value for name, value in event.items() if name in FIELDS}
