"""What the business rules refuse. The edge turns each into a `UserError`; nothing here knows of HTTP or GraphQL."""

from enum import StrEnum
from typing import ClassVar


class RefusalCode(StrEnum):
    """Why the business rules refused: for programs to act on."""

    NOT_FOUND = "NOT_FOUND"
    INVALID = "INVALID"
    INVALID_STATE = "INVALID_STATE"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    VERSION_CONFLICT = "VERSION_CONFLICT"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    PROCESSOR_DECLINED = "PROCESSOR_DECLINED"


class Refusal(Exception):
    """The business rules refuse this; nothing was stored.

    `message` says what is wrong and what to do; `path` leads into the input, as in ("events", "3", "quantity").
    """

    code: ClassVar[RefusalCode]

    def __init__(self, message: str, *path: str) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class NotFound(Refusal):
    """The organization has no such record: an unknown, a malformed and a foreign id read alike."""

    code = RefusalCode.NOT_FOUND


class Invalid(Refusal):
    """A value breaks a rule."""

    code = RefusalCode.INVALID


class InvalidState(Refusal):
    """The record's state does not allow this."""

    code = RefusalCode.INVALID_STATE


class AlreadyExists(Refusal):
    """Something unique is there already."""

    code = RefusalCode.ALREADY_EXISTS


class CurrencyMismatch(Refusal):
    """Two currencies meet where one is needed."""

    code = RefusalCode.CURRENCY_MISMATCH


class VersionConflict(Refusal):
    """The record changed since the caller read it."""

    code = RefusalCode.VERSION_CONFLICT


class LimitExceeded(Refusal):
    """A bound of the system would be passed."""

    code = RefusalCode.LIMIT_EXCEEDED


class NotAllowed(Exception):
    """The principal may do this, but not to that: a denial, which is audited as one, and no refusal.

    `message` says what it lacks.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
