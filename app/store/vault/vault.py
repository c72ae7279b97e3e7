"""Sealing a value to its place, under the data key of its organization, and opening it there."""

import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.store.query import Query
from app.store.vault.master import KEY_BYTES, NONCE_BYTES, KeyService, Unreadable

if TYPE_CHECKING:
    from app.store.transaction import WriteTransaction

_FORMAT: Final = b"\x01"
_VERSION_BYTES: Final = 4
_HEADER_BYTES: Final = len(_FORMAT) + _VERSION_BYTES

KEPT_MAX: Final = 1_000
KEPT_SECONDS: Final = 300

_NEWEST: Final = Query(
    """
    select version, master_key_id, wrapped from data_keys
    where organization_id = :organization_id order by version desc limit 1
    """
)
_INSERT: Final = Query(
    """
    insert into data_keys (organization_id, version, master_key_id, wrapped, created_at)
    values (:organization_id, :version, :master_key_id, :wrapped, now())
    on conflict (organization_id, version) do nothing
    """
)


class NoMasterKey(Exception):
    """The process was given no master key, so it can neither seal nor open."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value belongs: it opens nowhere else."""

    organization_id: UUID
    table: str
    record: str
    column: str

    def bound(self) -> bytes:
        """What is authenticated along with the value."""
        return orjson.dumps([str(self.organization_id), self.table, self.record, self.column])


@dataclass(frozen=True, slots=True)
class DataKey:
    """A version of an organization's data key as it is stored; `wrapped` is None once it is destroyed."""

    organization_id: UUID
    version: int
    master_key_id: str
    wrapped: bytes | None

    @property
    def context(self) -> bytes:
        """What its wrapping is bound to."""
        return orjson.dumps(["data key", str(self.organization_id), self.version])


class Vault:
    """Seals and opens; keeps unwrapped keys for five minutes, a thousand of them at most.

    A key is looked up in the database whenever it is used, so that one that was destroyed opens nothing any more, in
    no process. What is kept is only the unwrapping.
    """

    def __init__(self, keys: KeyService | None = None) -> None:
        self._keys = keys
        self._unwrapped: OrderedDict[DataKey, tuple[int, AESGCM]] = OrderedDict()

    @property
    def keys(self) -> KeyService:
        """The service that wraps. Raises NoMasterKey."""
        if self._keys is None:
            raise NoMasterKey("Set TALLYGATE_MASTER_KEY or TALLYGATE_MASTER_KEY_FILE.")
        return self._keys

    async def seal(self, tx: "WriteTransaction", place: Place, text: str) -> bytes:
        """AES-256-GCM under the newest data key of the transaction's organization, which is made where there is none.

        The first bytes name the format and the key's version. Raises NoMasterKey.
        """
        if place.organization_id != tx.organization_id:
            raise AssertionError("A value is sealed inside its own organization.")
        key = await self._newest(tx)
        cipher = await self._cipher(key)
        nonce = os.urandom(NONCE_BYTES)
        header = _FORMAT + key.version.to_bytes(_VERSION_BYTES)
        return header + nonce + cipher.encrypt(nonce, text.encode(), header + place.bound())

    async def open(self, keys: Sequence[DataKey], place: Place, sealed: bytes) -> str | None:
        """The text that was sealed to that place; None where its key was destroyed: it is erased.

        `keys` are the organization's. Raises Unreadable, NoMasterKey.
        """
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        version = version_of(sealed)
        found = [key for key in keys if key.organization_id == place.organization_id and key.version == version]
        if not found:
            raise Unreadable("The data key that it was sealed with is not there.")
        if found[0].wrapped is None:
            return None
        cipher = await self._cipher(found[0])
        try:
            return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], header + place.bound()).decode()
        except InvalidTag as error:
            raise Unreadable("It was changed, or moved from another place.") from error

    async def make_key(self, tx: "WriteTransaction", version: int) -> None:
        """Store a new data key; whoever was faster with this version stays."""
        key = DataKey(tx.organization_id, version, self.keys.current, None)
        wrapped = await self.keys.wrap(os.urandom(KEY_BYTES), key.context)
        await tx.execute(_INSERT, version=version, master_key_id=key.master_key_id, wrapped=wrapped)

    async def _newest(self, tx: "WriteTransaction") -> DataKey:
        row: Any = await tx.fetch_row(_NEWEST)
        if row is None or row["wrapped"] is None:
            await self.make_key(tx, 1 if row is None else row["version"] + 1)
            row = await tx.fetch_row(_NEWEST)
        if row is None:
            raise LookupError("The data key that was made is gone.")
        return DataKey(tx.organization_id, *row)

    async def _cipher(self, key: DataKey) -> AESGCM:
        now = time.monotonic_ns()
        kept = self._unwrapped.get(key)
        if kept is not None and kept[0] > now:
            return kept[1]
        if key.wrapped is None:
            raise Unreadable("The data key is destroyed.")
        cipher = AESGCM(await self.keys.unwrap(key.master_key_id, key.wrapped, key.context))
        self._unwrapped.pop(key, None)
        self._unwrapped[key] = (now + KEPT_SECONDS * 10**9, cipher)
        while len(self._unwrapped) > KEPT_MAX:
            self._unwrapped.popitem(last=False)
        return cipher


def version_of(sealed: bytes) -> int:
    """The version of the data key that a value was sealed with. Raises Unreadable."""
    if len(sealed) <= _HEADER_BYTES + NONCE_BYTES or sealed[:1] != _FORMAT:
        raise Unreadable("It is not of a format that this program knows.")
    return int.from_bytes(sealed[1:_HEADER_BYTES])
