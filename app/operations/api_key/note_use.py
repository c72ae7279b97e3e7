"""api_key.note_use: when keys were last used."""

from collections.abc import Sequence
from uuid import UUID

from app.store.api_key import note_use
from app.store.tenancy import TenantDatabase


async def note_api_key_use(db: TenantDatabase, key_ids: Sequence[UUID]) -> None:
    """Note that keys of the organization were used now, at most once a minute for each; in a suspended one too.

    It is an observation, not a change that anybody asked for: no audit record.
    """
    async with db.write(whatever_status=True) as tx:
        await note_use(tx, key_ids)
