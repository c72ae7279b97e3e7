"""data_key.shred: what an organization sealed can never be read again, in no backup that its keys are not in."""

from app.store.audit import record
from app.store.tenancy import TenantDatabase
from app.store.vault.rotation import destroy_keys


async def shred_data_keys(db: TenantDatabase) -> int:
    """Destroy the organization's data keys and give how many; what they sealed reads as null. The books stay.

    Every process sees it at once. Repeating it destroys what was made since.
    """
    async with db.write(whatever_status=True) as tx:
        destroyed = await destroy_keys(tx)
        if destroyed:
            await record(tx, "data_key.shred", tx.organization_id, {"keys": destroyed}, of="organization")
        return destroyed
