"""organization.export: all that an organization owns, into an archive."""

from app.archive.manifest import Manifest
from app.archive.writing import ArchiveWriter
from app.store.archive import owned_tables, pages, stored_columns
from app.store.audit import record
from app.store.tenancy import TenantDatabase


async def export_organization(db: TenantDatabase, archive: ArchiveWriter, revision: str) -> Manifest:
    """Write every row of every table that the organization owns, as one snapshot shows them, in bounded memory.

    `revision` is the database's. Two transactions: the audit record first, so that whoever exports is known even where
    the export breaks off, and the archive tells of itself; then the snapshot. Suspended organizations are exported too.
    """
    async with db.write(whatever_status=True) as tx:
        await record(tx, "organization.export", tx.organization_id)
        exported_at = tx.now
    async with db.read() as tx:
        for table in owned_tables():
            await archive.add(table, stored_columns(table), pages(tx, table))
    return archive.finish(revision=revision, organization_id=db.organization_id, exported_at=exported_at)
