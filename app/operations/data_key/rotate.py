"""data_key.rotate: all of an organization's keys under the current master key, all it sealed under its newest key."""

from datetime import timedelta

from app.store.audit import record
from app.store.idempotency import reseal_answers
from app.store.organization import reseal_legal_document
from app.store.tenancy import TenantDatabase
from app.store.vault.rotation import lock_keys, rewrap


async def rotate_data_keys(db: TenantDatabase, renew_after: timedelta | None) -> int:
    """Wrap data keys anew, make a new one where the newest is older than `renew_after`, and seal anew what is behind.

    Gives how many keys and values were changed; repeating it changes nothing. Others seal and open meanwhile: old keys
    stay. One transaction, whatever the organization's status. Raises Unreadable, NoMasterKey.
    """
    async with db.write(whatever_status=True) as tx:
        keys = await lock_keys(tx)
        if not keys:
            return 0
        rewrapped = await rewrap(tx, keys, renew_after)
        resealed = await reseal_legal_document(tx) + await reseal_answers(tx)
        if rewrapped or resealed:
            changes = {"keys": rewrapped, "values": resealed}
            await record(tx, "data_key.rotate", tx.organization_id, changes, of="organization")
        return rewrapped + resealed
