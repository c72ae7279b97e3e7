"""Members: which organizations a token's subject may act in, and as what."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from app.api.credential.principal import Principal
from app.domain.role import Role
from app.store.cache import Found, NotifiedCache
from app.store.credential import CHANNEL
from app.store.notification import Listener
from app.store.system import FoundMember, SystemDatabase
from app.store.tables.organization import OrganizationStatus

KEPT: Final = timedelta(seconds=30)
ENTRIES_MAX: Final = 10_000

Membership = tuple[Principal, int | None]
"""Who the subject is in an organization, and how far that one lies above the organization that was named."""


class Memberships:
    """The memberships that this process has met. One that is taken away anywhere is gone here once it is committed."""

    def __init__(self, system: SystemDatabase, listener: Listener) -> None:
        self._system = system
        self._known: NotifiedCache[tuple[str, UUID | None], Sequence[Membership]] = NotifiedCache(
            listener, CHANNEL, kept=KEPT, entries_max=ENTRIES_MAX
        )

    async def of(self, subject: str, organization_id: UUID | None) -> Sequence[Membership]:
        """A subject's memberships in an organization and above it, the nearest first; where none is named, up to two.

        Raises Unavailable.
        """
        key = (subject, organization_id)
        return await self._known.fetch(key, lambda: self._found(subject, organization_id)) or ()

    async def _found(self, subject: str, organization_id: UUID | None) -> Found[Sequence[Membership]] | None:
        members = await self._system.find_members(subject, organization_id)
        if not members:
            return None
        return Found(
            value=[(_principal(member, subject), member.depth) for member in members],
            rests_on=frozenset(str(member.organization_id) for member in members),
        )


def _principal(member: FoundMember, subject: str) -> Principal:
    active = member.organization_status is OrganizationStatus.ACTIVE
    return Principal("USER", member.id, subject, Role(member.role), member.organization_id, active)
