"""An organization's data keys over time: wrapped anew, renewed, destroyed. Only the worker's login may."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from app.store.query import Query
from app.store.transaction import Transaction, WriteTransaction
from app.store.vault.vault import DataKey


class Aged(NamedTuple):
    """A data key, and how old it is."""

    key: DataKey
    age: timedelta


_LOCK: Final = Query(
    """
    select organization_id, version, master_key_id, wrapped, now() - created_at as age from data_keys
    where organization_id = :organization_id order by version for update
    """
)
_KEYS: Final = Query(
    "select organization_id, version, master_key_id, wrapped from data_keys where organization_id = :organization_id",
    lambda row: DataKey(*row),
)
_REWRAP: Final = Query(
    """
    update data_keys set master_key_id = :master_key_id, wrapped = :wrapped
    where organization_id = :organization_id and version = :version
    """
)
_DESTROY: Final = Query(
    "update data_keys set wrapped = null where organization_id = :organization_id and wrapped is not null"
)


async def load_keys(tx: Transaction) -> list[DataKey]:
    """Every version of the organization's data key."""
    return await tx.fetch(_KEYS)


async def lock_keys(tx: WriteTransaction) -> list[Aged]:
    """The same, until the transaction ends nobody else's to change; the oldest first."""
    return [Aged(DataKey(*tuple(row)[:4]), row["age"]) for row in await tx.fetch(_LOCK)]


async def rewrap(tx: WriteTransaction, keys: Sequence[Aged], renew_after: timedelta | None) -> int:
    """Wrap keys under the current master key where another did, and make one where the newest is too old."""
    master, done = tx.vault.keys, 0
    for key, _ in keys:
        if key.wrapped is not None and key.master_key_id != master.current:
            plain = await master.unwrap(key.master_key_id, key.wrapped, key.context)
            wrapped = await master.wrap(plain, key.context)
            await tx.execute(_REWRAP, version=key.version, master_key_id=master.current, wrapped=wrapped)
            done += 1
    newest, age = keys[-1]
    if renew_after is not None and newest.wrapped is not None and age > renew_after:
        await tx.vault.make_key(tx, newest.version + 1)
        done += 1
    return done


async def destroy_keys(tx: WriteTransaction) -> int:
    """Forget the organization's data keys for good; how many there were."""
    return await tx.execute(_DESTROY)
