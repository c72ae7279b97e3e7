"""API keys: found by their prefix, compared as an HMAC in constant time, and remembered until somebody changes them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from app.api.credential.last_use import LastUse
from app.api.credential.principal import Principal
from app.domain.credential import is_same, secret_hash
from app.domain.role import Role
from app.store.cache import Found, NotifiedCache
from app.store.credential import CHANNEL
from app.store.notification import Listener
from app.store.system import FoundKey, SystemDatabase
from app.store.tables.organization import OrganizationStatus

KEPT: Final = timedelta(seconds=60)
ENTRIES_MAX: Final = 10_000

Candidate = tuple[bytes, Principal]
"""The hash of a secret, and whose it is."""


class ApiKeys:
    """The keys that this process has met. A rotation or a revocation anywhere is known here once it is committed."""

    def __init__(self, system: SystemDatabase, pepper: str, listener: Listener, last_use: LastUse) -> None:
        self._system = system
        self._pepper = pepper
        self._last_use = last_use
        self._known: NotifiedCache[str, Sequence[Candidate]] = NotifiedCache(
            listener, CHANNEL, kept=KEPT, entries_max=ENTRIES_MAX
        )

    def remembered(self, secret: str, prefix: str) -> Principal | None:
        """Whose key this is, as far as this process remembers it."""
        return self._of(self._known.get(prefix) or (), secret)

    async def principal(self, secret: str, prefix: str) -> Principal | None:
        """Whose key this is; None where it is unknown or not in force any more. Raises Unavailable."""
        return self._of(await self._known.fetch(prefix, lambda: self._found(prefix)) or (), secret)

    def _of(self, candidates: Sequence[Candidate], secret: str) -> Principal | None:
        if not candidates:
            return None
        given = secret_hash(secret, self._pepper)
        for expected, principal in candidates:
            if is_same(given, expected):
                self._last_use.note(principal)
                return principal
        return None

    async def _found(self, prefix: str) -> Found[Sequence[Candidate]] | None:
        keys = await self._system.find_api_keys(prefix)
        if not keys:
            return None
        return Found(
            value=[(key.secret_hash, _principal(key)) for key in keys],
            rests_on=frozenset(str(key.organization_id) for key in keys),
            lasts=min((key.lasts for key in keys if key.lasts is not None), default=None),
        )


def _principal(key: FoundKey) -> Principal:
    active = key.organization_status is OrganizationStatus.ACTIVE
    return Principal(
        "API_KEY", key.id, key.name, Role(key.role), key.organization_id, active, key.trusted_documents_only
    )
