"""Which organizations a command is for."""

from typing import TYPE_CHECKING
from uuid import UUID

from rich.markup import escape

from app.cli.terminal import fail

if TYPE_CHECKING:
    from app.worker import WorkerDatabase

PAGE = 500


async def wanted_organizations(database: "WorkerDatabase", organization: str | None, *, live: bool) -> list[UUID]:
    """The one that was named, or every active one (of the LIVE ones alone, where `live`)."""
    from app.api.ids import ORGANIZATION, uuid_of  # noqa: PLC0415
    from app.store.tables.organization import Mode  # noqa: PLC0415

    if organization is not None:
        id_ = uuid_of(ORGANIZATION, organization)
        if not await database.system.is_under(id_, id_):
            fail(f"No organization has the id {escape(organization)}.")
        return [id_]
    modes = [Mode.LIVE] if live else list(Mode)
    found: list[UUID] = []
    while page := await database.system.active_organizations(modes, found[-1] if found else None, PAGE):
        found += page
    return found
