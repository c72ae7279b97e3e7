"""What a client learns of an error: a code and a sentence for our own errors, and nothing of any other."""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import structlog
from graphql import GraphQLError

from app.domain.errors import Refusal
from app.store.connection import CommitUnknown, Unavailable

log = structlog.get_logger(__name__)

ERRORS_MAX: Final = 10
MESSAGE_MAX: Final = 500
_SUGGESTION: Final = " Did you mean "


class ErrorCode(StrEnum):
    """`extensions.code` of an error."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    QUERY_TOO_COMPLEX = "QUERY_TOO_COMPLEX"
    DOCUMENT_NOT_FOUND = "DOCUMENT_NOT_FOUND"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
    RATE_LIMITED = "RATE_LIMITED"
    OVERLOADED = "OVERLOADED"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    INTERNAL = "INTERNAL"


class ApiError(Exception):
    """An error that its client may read."""

    code: ErrorCode = ErrorCode.INTERNAL

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(ApiError):
    """No credential, or none that is known and in force."""

    code = ErrorCode.UNAUTHENTICATED


class Forbidden(ApiError):
    """The credential may not do this, or may not enter that organization."""

    code = ErrorCode.FORBIDDEN


class BadUserInput(ApiError):
    """The request is not well formed."""

    code = ErrorCode.BAD_USER_INPUT


class TooComplex(ApiError):
    """The document is larger than the server takes."""

    code = ErrorCode.QUERY_TOO_COMPLEX


class Overloaded(ApiError):
    """Something that this needs does not answer in time: the same request may succeed later."""

    code = ErrorCode.OVERLOADED


class RateLimited(ApiError):
    """The organization asks for too much at a time; `seconds` says how long to wait."""

    code = ErrorCode.RATE_LIMITED

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds

    @property
    def retry_after_seconds(self) -> int:
        """The same as the header Retry-After bears it."""
        return max(1, math.ceil(self.seconds))


class TenantRequired(ApiError):
    """A field was asked to run outside any organization."""

    code = ErrorCode.UNAUTHENTICATED


def code_and_message(error: BaseException | None) -> tuple[ErrorCode, str]:
    """How an exception looks from outside: by its type, and only ours by their message."""
    match error:
        case ApiError():
            return error.code, error.message
        case Refusal():
            return ErrorCode.BAD_USER_INPUT, error.message
        case CommitUnknown():
            return (
                ErrorCode.OVERLOADED,
                "The connection broke while this was being stored: read, then repeat it if need be.",
            )
        case Unavailable():
            return ErrorCode.OVERLOADED, "The server is busy: try again in a moment."
        case _:
            return ErrorCode.INTERNAL, "Internal error."


def formatted(errors: Sequence[GraphQLError], request_id: str, *, suggestions: bool = True) -> list[dict[str, Any]]:
    """At most 10 errors as the answer bears them; what is not ours is logged whole and shown masked.

    `suggestions=False` leaves out graphql-core's "Did you mean", which tells names of the schema.
    """
    shown = [_formatted(error, request_id) for error in errors[:ERRORS_MAX]]
    if not suggestions:
        for error in shown:
            error["message"] = error["message"].partition(_SUGGESTION)[0]
    return shown


def bare(error: ApiError, request_id: str) -> dict[str, Any]:
    """An error of a request that never became an operation."""
    return {"message": error.message, "extensions": {"code": error.code, "requestId": request_id}}


def _formatted(error: GraphQLError, request_id: str) -> dict[str, Any]:
    code, message = _seen(error)
    if code is ErrorCode.INTERNAL:
        log.error("request.failed", request_id=request_id, path=error.path, exc_info=error.original_error)
    shown: dict[str, Any] = {"message": message}
    if error.locations:
        shown["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        shown["path"] = error.path
    shown["extensions"] = {"code": code, "requestId": request_id}
    return shown


def _short(message: str) -> str:
    """GraphQL's sentences repeat the client's own value, however long."""
    return message if len(message) <= MESSAGE_MAX else f"{message[: MESSAGE_MAX - 1]}…"


def cause_of(error: GraphQLError) -> BaseException:
    """What was raised first, below whatever GraphQL wrapped around it."""
    cause: BaseException = error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    return cause


def _seen(error: GraphQLError) -> tuple[ErrorCode, str]:
    """Errors of parsing, validation and coercion are GraphQL's own sentences about the client's own document."""
    original = cause_of(error)
    if isinstance(original, GraphQLError) or (error.path is None and isinstance(original, ValueError)):
        return ErrorCode.BAD_USER_INPUT, _short(error.message)
    return code_and_message(original)
