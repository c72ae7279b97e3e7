"""Which organizations a command is for."""

from enum import Enum
from typing import TYPE_CHECKING
from uuid import UUID

from rich.markup import escape

from app.cli.terminal import fail

if TYPE_CHECKING:
    from app.worker import WorkerDatabase

PAGE = 500


class Every(Enum):
    """Of which organizations a command is, where none is named."""

    ACTIVE_LIVE = "active and LIVE"
    ACTIVE = "active"
    EVER = "whatever its status"


async def named_organization(database: "WorkerDatabase", organization: str) -> UUID:
    """The one with that id. Fails where there is none."""
    from app.api.ids import ORGANIZATION, uuid_of  # noqa: PLC0415

    id_ = uuid_of(ORGANIZATION, organization)
    if not await database.system.is_under(id_, id_):
        fail(f"No organization has the id {escape(organization)}.")
    return id_


async def wanted_organizations(database: "WorkerDatabase", organization: str | None, every: Every) -> list[UUID]:
    """The one that was named, or every one of those."""
    from app.store.tables.organization import Mode  # noqa: PLC0415

    if organization is not None:
        return [await named_organization(database, organization)]
    modes = [Mode.LIVE] if every is Every.ACTIVE_LIVE else list(Mode)
    found: list[UUID] = []
    while True:
        last = found[-1] if found else None
        if every is Every.EVER:
            page = await database.system.all_organizations(last, PAGE)
        else:
            page = await database.system.active_organizations(modes, last, PAGE)
        if not page:
            return found
        found += page
