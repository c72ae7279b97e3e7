"""Members."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.member import load_members
from app.store.query import in_order_of
from app.store.tables import Member
from app.store.tenancy import Transaction


class MemberLoader(TenantLoader[UUID, Member | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[Member | None]:
        """The member of each id."""
        return in_order_of(keys, await load_members(tx, keys), lambda row: row.id)
