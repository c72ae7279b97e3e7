"""Idempotency keys: reserved, answered and read back in the transaction of the write."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from app.store.connection import Unavailable
from app.store.query import Query
from app.store.tenancy import WriteTransaction


class InProgress(Exception):
    """Another request with the same key has not ended yet."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A key of a principal for a mutation field; SHA-256 of the canonical input and of the document."""

    principal_id: UUID
    field: str
    key: str
    fingerprint: bytes
    document: bytes


@dataclass(frozen=True, slots=True)
class FirstUse:
    """What a key was used for before; `answer` is the field's value as JSON."""

    fingerprint: bytes
    document: bytes
    answer: str


_RESERVE: Final = Query(
    """
    insert into idempotency_records
      (organization_id, principal_id, field, key, fingerprint, document, answer, created_at)
    values (:organization_id, :principal_id, :field, :key, :fingerprint, :document, null, now())
    on conflict (organization_id, principal_id, field, key) do update
      set fingerprint = excluded.fingerprint, document = excluded.document, answer = null, created_at = now()
      where idempotency_records.created_at < now() - interval '7 days'
    returning true
    """
)

_FIRST_USE: Final = Query(
    """
    select fingerprint, document, answer from idempotency_records
    where organization_id = :organization_id and principal_id = :principal_id and field = :field and key = :key
    """
)

_DELETE_EXPIRED: Final = Query(
    """
    delete from idempotency_records
    where organization_id = :organization_id and (principal_id, field, key) in (
      select principal_id, field, key from idempotency_records
      where organization_id = :organization_id and created_at < now() - interval '7 days'
      order by created_at limit :most
      for update skip locked
    )
    """
)
"""One that is being used again is locked, and left alone."""

_ANSWER: Final = Query(
    """
    update idempotency_records set answer = :answer
    where organization_id = :organization_id and principal_id = :principal_id and field = :field and key = :key
    """
)


async def reserve(tx: WriteTransaction, key: IdempotencyKey) -> FirstUse | None:
    """Take a key for this transaction; where it was used within seven days, give what it was used for.

    While another transaction holds it, wait as long as for any lock. Raises InProgress where that is not enough.
    """
    names = {"principal_id": key.principal_id, "field": key.field, "key": key.key}
    try:
        reserved = await tx.fetch_value(_RESERVE, **names, fingerprint=key.fingerprint, document=key.document)
    except Unavailable as error:
        if isinstance(error.__cause__, asyncpg.LockNotAvailableError):
            raise InProgress from error
        raise
    if reserved:
        return None
    fingerprint, document, answer = await tx.fetch_row(_FIRST_USE, **names)  # ty: ignore[not-iterable] - it is there
    return FirstUse(fingerprint, document, answer)


async def keep_answer(tx: WriteTransaction, key: IdempotencyKey, answer: str) -> None:
    """Store what the field answers, with the write itself."""
    await tx.execute(_ANSWER, principal_id=key.principal_id, field=key.field, key=key.key, answer=answer)


async def delete_expired(tx: WriteTransaction, most: int) -> int:
    """Delete up to that many of the organization's keys that are no longer kept, as the worker; give how many."""
    return await tx.execute(_DELETE_EXPIRED, most=most)
