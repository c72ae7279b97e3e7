"""What an audit record says of a change, and what of a record is sealed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.domain.chain import link

MASK: Final = "***"

MASKED: Final = frozenset({"legalDocument", "email", "secret"})
"""The fields whose values no audit record ever shows: records are kept for good, whoever is erased."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field's value before and after; where only the value after is known, that value stands alone."""

    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class ChainedRecord:
    """What of an audit record is sealed: everything that it says."""

    organization_id: UUID
    sequence: int
    id: UUID
    action: str
    outcome: str
    record_type: str | None
    record_id: UUID | None
    principal_kind: str
    principal: str
    reason: str | None
    request_id: str
    changes: list[dict[str, Any]]
    created_at: datetime


def record_hash(previous: bytes | None, record: ChainedRecord) -> bytes:
    """SHA-256 over the hash before it (none for an organization's first) and the record: 32 bytes."""
    return link(previous, {name: getattr(record, name) for name in SEALED})


SEALED: Final = tuple(field.name for field in fields(ChainedRecord))


def masked(value: object) -> str | None:
    """That there is a value, and not which."""
    return None if value is None else MASK


def last_four(value: str | None) -> str | None:
    """A sensitive value as it is shown to those who may not see it whole."""
    if value is None:
        return None
    return "****" + value[-4:] if len(value) > 4 else "****"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Change]:
    """The fields of `after` that are not what they were."""
    return {name: Change(before.get(name), value) for name, value in after.items() if before.get(name) != value}


def documented(changes: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """Changes as a record keeps them: texts, by the API's own names of fields, sensitive ones masked."""
    return [_documented(_camel(name), change) for name, change in changes.items()]


def spelled(value: object) -> str | None:
    """A value as text: a text as it is, anything else as JSON."""
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _documented(field: str, change: Any) -> dict[str, str | None]:
    spell = masked if field in MASKED else spelled
    match change:
        case Change():
            return {"field": field, "before": spell(change.before), "after": spell(change.after)}
        case _:
            return {"field": field, "before": None, "after": spell(change)}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
