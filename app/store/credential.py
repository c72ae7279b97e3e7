"""What API keys and members share: real time, the last owner, and the channel that says that something changed."""

from datetime import datetime
from typing import Final
from uuid import UUID

from app.domain.errors import InvalidState
from app.store.query import Query
from app.store.tenancy import WriteTransaction

CHANNEL: Final = "tallygate_credentials"
"""Says the organization in which a credential changed, or whose status did. Triggers say it, so that nobody forgets."""

_NOW: Final = Query("select now()", unfiltered_because="it touches no row")

_LOCK: Final = Query("select 1 from organizations where organization_id = :organization_id for no key update")

_HAS_OTHER_OWNER: Final = Query(
    """
    select exists (
      select from api_keys
      where organization_id = :organization_id and id <> :id and role = 'owner' and revoked_at is null
        and (expires_at is null or expires_at > now())
    ) or exists (
      select from members where organization_id = :organization_id and id <> :id and role = 'owner'
    ) or exists (
      select from organizations where organization_id = :organization_id and parent_id is not null
    )
    """
)


async def real_now(tx: WriteTransaction) -> datetime:
    """The transaction's instant of real time, by which credentials live, in a TEST organization too."""
    return await tx.fetch_value(_NOW)


async def check_not_last_owner(tx: WriteTransaction, id_: UUID, *path: str) -> None:
    """Go on where an organization keeps an owner without this one: a root needs one, a child can be entered.

    Raises InvalidState. Of two that go at once, one waits for the other and sees that it went.
    """
    await tx.execute(_LOCK)
    if not await tx.fetch_value(_HAS_OTHER_OWNER, id=id_):
        raise InvalidState("This is the organization's last owner: make another first.", *path)
