"""organization.update: the active organization's own particulars."""

from collections.abc import Mapping
from typing import Any

from app.store.audit import record
from app.store.organization import update_organization as store_organization
from app.store.tenancy import TenantDatabase


async def update_organization(db: TenantDatabase, changes: Mapping[str, Any]) -> None:
    """Change those attributes of the active organization, clean already; what is left out stays.

    One transaction with its audit record, which names the fields and hides the legal document.
    """
    async with db.write() as tx:
        await store_organization(tx, **changes, updated_at=tx.now)
        shown = {name: "***" if name == "legal_document" else value for name, value in changes.items()}
        await record(tx, "organization.update", tx.organization_id, shown)
