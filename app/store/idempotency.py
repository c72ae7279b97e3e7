"""Idempotency keys: reserved, answered and read back in the transaction of the write."""

from base64 import b64decode, b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg
import orjson

from app.store.connection import Unavailable
from app.store.query import Query
from app.store.tenancy import WriteTransaction
from app.store.vault.rotation import load_keys
from app.store.vault.vault import Place, version_of


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
    return FirstUse(fingerprint, document, await _opened(tx, key, answer))


async def keep_answer(tx: WriteTransaction, key: IdempotencyKey, answer: Any, revealed: Collection[str] = ()) -> None:
    """Store what the field answers, with the write itself; each of the texts in `revealed` is sealed in it."""
    place = _place(tx.organization_id, key.principal_id, key.field, key.key)
    sealed = {text: _MARK + b64encode(await tx.vault.seal(tx, place, text)).decode() for text in revealed}
    kept = orjson.dumps(_replaced(answer, sealed) if sealed else answer).decode()
    await tx.execute(_ANSWER, principal_id=key.principal_id, field=key.field, key=key.key, answer=kept)


async def reseal_answers(tx: WriteTransaction) -> int:
    """Seal with the newest data key what an older one sealed in stored answers; how many answers that were."""
    keys = await load_keys(tx)
    newest = max(key.version for key in keys)
    done = 0
    for principal_id, field, key, answer in await tx.fetch(_SEALED_ANSWERS):
        place = _place(tx.organization_id, principal_id, field, key)
        behind = [text for text in _marked(orjson.loads(answer)) if version_of(_sealed_in(text)) < newest]
        opened = {text: await tx.vault.open(keys, place, _sealed_in(text)) for text in behind}
        anew = {
            text: _MARK + b64encode(await tx.vault.seal(tx, place, plain)).decode()
            for text, plain in opened.items()
            if plain is not None
        }
        if anew:
            kept = orjson.dumps(_replaced(orjson.loads(answer), anew)).decode()
            await tx.execute(_ANSWER, principal_id=principal_id, field=field, key=key, answer=kept)
            done += 1
    return done


async def _opened(tx: WriteTransaction, key: IdempotencyKey, answer: str) -> str:
    """The answer as it was given; null where what was sealed is erased."""
    if _WRITTEN_MARK not in answer:
        return answer
    content, keys = orjson.loads(answer), await load_keys(tx)
    place = _place(tx.organization_id, key.principal_id, key.field, key.key)
    opened = {text: await tx.vault.open(keys, place, _sealed_in(text)) for text in _marked(content)}
    return orjson.dumps(_replaced(content, opened)).decode()


_MARK: Final = "\x01sealed:"
_WRITTEN_MARK: Final = "\\u0001sealed:"
"""No text of ours holds a control character, so that nothing else looks like this; and how JSON writes it."""

_SEALED_ANSWERS: Final = Query(
    """
    select principal_id, field, key, answer from idempotency_records
    where organization_id = :organization_id and position('\\u0001sealed:' in answer) > 0 for update
    """
)


def _place(organization_id: UUID, principal_id: UUID, field: str, key: str) -> Place:
    return Place(organization_id, "idempotency_records", f"{principal_id} {field} {key}", "answer")


def _sealed_in(text: str) -> bytes:
    return b64decode(text.removeprefix(_MARK))


def _marked(content: Any) -> set[str]:
    """The sealed texts in an answer."""
    match content:
        case dict():
            return {text for part in content.values() for text in _marked(part)}
        case list():
            return {text for part in content for text in _marked(part)}
        case str() if content.startswith(_MARK):
            return {content}
        case _:
            return set()


def _replaced(content: Any, instead: Mapping[str, str | None]) -> Any:
    """The answer with other texts in the place of those."""
    match content:
        case dict():
            return {name: _replaced(part, instead) for name, part in content.items()}
        case list():
            return [_replaced(part, instead) for part in content]
        case str():
            return instead.get(content, content)
        case _:
            return content


async def delete_expired(tx: WriteTransaction, most: int) -> int:
    """Delete up to that many of the organization's keys that are no longer kept, as the worker; give how many."""
    return await tx.execute(_DELETE_EXPIRED, most=most)
