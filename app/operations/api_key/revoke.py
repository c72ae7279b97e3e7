"""api_key.revoke."""

from uuid import UUID

from app.domain.errors import InvalidState
from app.domain.role import Role, check_within
from app.store.api_key import lock_api_key, revoke
from app.store.audit import record
from app.store.credential import check_not_last_owner, real_now
from app.store.tenancy import TenantDatabase


async def revoke_api_key(db: TenantDatabase, key_id: UUID, *, held: frozenset[str]) -> None:
    """End a key and all its secrets, in every process at once; in a suspended organization too.

    Raises NotFound, InvalidState where it is revoked already or a root's last owner, NotAllowed.
    """
    async with db.write(whatever_status=True) as tx:
        key = await lock_api_key(tx, key_id)
        check_within(held, Role(key.role))
        if key.revoked_at is not None:
            raise InvalidState("This API key is revoked already.", "apiKeyId")
        if key.role == Role.OWNER:
            await check_not_last_owner(tx, key_id, "apiKeyId")
        await revoke(tx, key_id, await real_now(tx))
        await record(tx, "api_key.revoke", key_id)
