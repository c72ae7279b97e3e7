"""Chains: each link carries the hash of the one before it, so that tampering shows. And the links of a ledger."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """What of an entry is sealed: everything that it says."""

    id: UUID
    account_id: UUID
    customer_id: UUID | None
    invoice_id: UUID | None
    sequence: int | None
    type: str
    description: str
    debit_minor: int
    credit_minor: int
    currency: str
    running_balance_minor: int | None
    external_reference: str | None
    effective_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ChainedTransaction:
    """What of a transaction is sealed, with its entries in the order of their ids."""

    ledger_id: UUID
    sequence: int
    id: UUID
    cause: str
    description: str
    effective_at: datetime
    created_at: datetime
    entries: Sequence[ChainedEntry]


def chain_hash(previous: bytes | None, transaction: ChainedTransaction) -> bytes:
    """The hash of a ledger's transaction, with its entries in the order of their ids: 32 bytes."""
    content = {name: getattr(transaction, name) for name in _OF_TRANSACTION}
    entries = sorted(transaction.entries, key=lambda entry: entry.id)
    content["entries"] = [{name: getattr(entry, name) for name in _OF_ENTRY} for entry in entries]
    return link(previous, content)


def link(previous: bytes | None, content: Mapping[str, Any]) -> bytes:
    """SHA-256 over the hash before it (none for a chain's first) and the content in canonical JSON: 32 bytes."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)
    return hashlib.sha256((previous or b"") + canonical.encode()).digest()


_OF_TRANSACTION = tuple(field.name for field in fields(ChainedTransaction))
_OF_ENTRY = tuple(field.name for field in fields(ChainedEntry))


def _plain(value: object) -> str:
    """Ids as they are written, instants in UTC to the microsecond."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return str(value)
