"""organization.import: an organization comes back out of its archive, under the ids that it had."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson

from app.archive.manifest import DamagedArchive
from app.archive.reading import ArchiveReader
from app.domain.errors import NotFound
from app.store.archive import INVOICES, LINES, ORGANIZATIONS, owned_tables, restore, restore_invoices, stored_columns
from app.store.audit import record
from app.store.chain import verify_audit, verify_ledger
from app.store.organization import depth_under
from app.store.tenancy import Actor, Database, WriteTransaction


@dataclass(frozen=True, slots=True)
class Place:
    """Where the organization goes: below the parent that it had, below another, or as a root."""

    as_root: bool = False
    parent_id: UUID | None = None


async def import_organization(
    database: Database, archive: ArchiveReader, place: Place, revision: str, actor: Actor
) -> UUID:
    """Put every row of an archive back, verify its chains, and give the organization's id.

    One transaction: all of it or nothing. Raises DamagedArchive for one of another revision or other tables,
    Unrestorable for rows that the database refuses, AlreadyExists, NotFound for a parent that is not here.
    """
    _check_fits(archive, revision)
    async with database.found_organization(actor, restored=archive.manifest.organization_id) as tx:
        await _restore_organization(tx, archive, place)
        for table in owned_tables():
            if table == INVOICES:
                await restore_invoices(tx, archive.pages)
            elif table not in (ORGANIZATIONS, LINES):
                for page in archive.pages(table):
                    await restore(tx, table, page)
        if not (await verify_ledger(tx)).intact:
            raise DamagedArchive("The chain of its ledger is broken: the books are not what was written into them.")
        if not (await verify_audit(tx)).intact:
            raise DamagedArchive("The chain of its audit records is broken: they are not what was recorded.")
        await record(tx, "organization.import", tx.organization_id)
    return archive.manifest.organization_id


def _check_fits(archive: ArchiveReader, revision: str) -> None:
    if archive.manifest.revision != revision:
        raise DamagedArchive(
            f"It was made at revision {archive.manifest.revision}, and this program is at {revision}: import it with"
            " the release that made it, migrate, and export it anew."
        )
    if {member.table: set(member.columns) for member in archive.manifest.members} != {
        table: set(stored_columns(table)) for table in owned_tables()
    }:
        raise DamagedArchive("Its tables or columns are not those of this program.")


async def _restore_organization(tx: WriteTransaction, archive: ArchiveReader, place: Place) -> None:
    """Put the organization's own row back, at its place. From here on its own clock is the transaction's."""
    rows = [orjson.loads(line) for page in archive.pages(ORGANIZATIONS) for line in page]
    if len(rows) != 1:
        raise DamagedArchive("It holds more than one organization, or none.")
    row = rows[0]
    if place.as_root or place.parent_id is not None:
        row["parent_id"] = None if place.parent_id is None else str(place.parent_id)
    if row["parent_id"] is not None:
        parent_id = UUID(row["parent_id"])
        if await depth_under(tx, parent_id, parent_id) == 0:
            raise NotFound("Its parent is not here: import that first, or say where it goes.", "parentId")
    await restore(tx, ORGANIZATIONS, [orjson.dumps(row).decode()])
    tx.now = tx.now if row["test_clock"] is None else datetime.fromisoformat(row["test_clock"])
