"""organization.update: the active organization's own particulars."""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from app.domain.audit import Change, differences, masked
from app.store.audit import record
from app.store.organization import first_billing_run, lock_active, seal_legal_document
from app.store.organization import update_organization as store_organization
from app.store.tenancy import TenantDatabase

_DOCUMENT: Final = "legal_document"


async def update_organization(db: TenantDatabase, changes: Mapping[str, Any]) -> None:
    """Change those attributes of the active organization, clean already; what is left out stays.

    Another time zone moves the next billing run to its own 00:05. One transaction with its audit record, which shows
    what changed and hides the legal document.
    """
    async with db.write() as tx:
        before = await lock_active(tx)
        moved = {}
        if "time_zone" in changes:
            zone = ZoneInfo(changes["time_zone"])
            moved["next_billing_run_at"] = first_billing_run(tx.facts.mode, zone, tx.now)
        stored = {name: value for name, value in changes.items() if name != _DOCUMENT}
        if _DOCUMENT in changes:
            stored["legal_document_sealed"] = await seal_legal_document(tx, changes[_DOCUMENT])
        await store_organization(tx, **stored, **moved, updated_at=tx.now)
        was = {name: getattr(before, name) for name in changes if name != _DOCUMENT}
        shown = differences(was, {name: value for name, value in changes.items() if name != _DOCUMENT})
        if _DOCUMENT in changes:
            shown[_DOCUMENT] = Change(masked(before.legal_document_sealed), masked(changes[_DOCUMENT]))
        await record(tx, "organization.update", tx.organization_id, shown)
