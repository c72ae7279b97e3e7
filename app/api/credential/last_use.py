"""When keys were last used: noted in memory by the request, written now and then by nobody whom a client waits for."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import structlog

from app.api.credential.principal import Principal
from app.operations.api_key.note_use import note_api_key_use
from app.store.tenancy import Actor, Database

log = structlog.get_logger(__name__)

WRITE_SECONDS: Final = 5
"""How long a use waits to be written."""

AGAIN_SECONDS: Final = 60
"""How long a key is left alone once its use was written."""

KEYS_MAX: Final = 10_000
"""Of how many keys uses are remembered; those beyond it are written with a later use."""

CLOSE_SECONDS: Final = 2


class LastUse:
    """The keys that were used and are not written yet. What is lost with the process was an observation."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[UUID, UUID] = {}
        self._written: set[UUID] = set()
        self._forget_at = 0

    def note(self, principal: Principal) -> None:
        """A key was used just now."""
        if principal.id not in self._written and len(self._waiting) < KEYS_MAX:
            self._waiting[principal.id] = principal.home

    @asynccontextmanager
    async def written(self) -> AsyncGenerator[None]:
        """Write in the background for as long as the block runs, and once more at its end."""
        task = asyncio.create_task(self._keep_writing())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.write(), CLOSE_SECONDS)

    async def write(self) -> None:
        """Write what was noted, organization by organization, one transaction at a time; what fails is left."""
        if time.monotonic_ns() >= self._forget_at:
            self._forget_at = time.monotonic_ns() + AGAIN_SECONDS * 1_000_000_000
            self._written.clear()
        used, self._waiting = self._waiting, {}
        self._written |= used.keys()
        keys_of: dict[UUID, list[UUID]] = {}
        for key_id, organization_id in used.items():
            keys_of.setdefault(organization_id, []).append(key_id)
        actor = Actor("SYSTEM", "last use", "last use")
        for organization_id, key_ids in keys_of.items():
            try:
                await note_api_key_use(self._database.tenant(organization_id, actor), key_ids)
            except Exception as error:  # noqa: BLE001 - nobody asked for it, and nobody is to suffer
                log.warning("api_key.use_not_noted", exception=repr(error))

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.write()
