"""The same key, the same answer: a mutation that is sent again is not done again."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson
import strawberry

from app.api.errors import ApiError, BadUserInput, ErrorCode
from app.api.tenancy import Context
from app.store.idempotency import FirstUse, IdempotencyKey

_KEY: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?\Z")
_NOT_INPUT: Final = frozenset({"idempotency_key", "dry_run"})


class KeyReused(ApiError):
    """The key was used for something else."""

    code = ErrorCode.IDEMPOTENCY_KEY_REUSED


class KeyInProgress(ApiError):
    """The first request with this key has not ended yet."""

    code = ErrorCode.IDEMPOTENCY_IN_PROGRESS


class Replayed(Exception):
    """Carries the first answer past the resolver to the executor, which gives it as the field's value."""

    def __init__(self, answer: Any) -> None:
        super().__init__("replayed")
        self.answer = answer


def idempotency_key(context: Context, field: str, given: Any) -> IdempotencyKey | None:
    """The key of a mutation field, from its input or from the header; None where there is none.

    Raises BadUserInput for a key that is malformed, for two that differ, and for a header over several fields.
    """
    in_input = getattr(given, "idempotency_key", None)
    key = None if in_input is strawberry.UNSET else in_input
    if context.idempotency_header is not None:
        if context.root_fields > 1:
            raise BadUserInput(
                "The Idempotency-Key header goes with one mutation field: give each its own in its input."
            )
        if key is not None and key != context.idempotency_header:
            raise BadUserInput("The Idempotency-Key header and idempotencyKey differ: give one of them.")
        key = context.idempotency_header
    if key is None:
        return None
    if not _KEY.match(key):
        raise BadUserInput(
            "An idempotency key has 1 to 255 printable ASCII characters, none of them a space at an end."
        )
    return IdempotencyKey(
        principal_id=context.tenant.principal.id,
        field=field,
        key=key,
        fingerprint=hashlib.sha256(orjson.dumps(_canonical(given), option=orjson.OPT_SORT_KEYS)).digest(),
        document=hashlib.sha256(context.document.encode()).digest(),
    )


def replay(first: FirstUse, key: IdempotencyKey) -> Any:
    """The first answer. Raises KeyReused where the key stood for another input, or another document asked for it."""
    if first.fingerprint != key.fingerprint:
        raise KeyReused("This idempotency key was used with another input: take a new key.")
    if first.document != key.document:
        raise KeyReused("This idempotency key was used by another document: repeat that one, or take a new key.")
    return orjson.loads(first.answer)


def _canonical(value: Any) -> Any:
    """The same for the same input, however it was written: numbers by value, instants in UTC, no order of keys."""
    match value:
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.isoformat()
        case Mapping():
            return {str(name): _canonical(content) for name, content in value.items()}
        case list() | tuple():
            return [_canonical(content) for content in value]
        case _ if is_dataclass(value):
            parts = {field.name: getattr(value, field.name) for field in fields(value)}
            return {
                name: _canonical(content)
                for name, content in parts.items()
                if content is not strawberry.UNSET and name not in _NOT_INPUT
            }
        case _:
            return value
