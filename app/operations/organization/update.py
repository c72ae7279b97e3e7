"""organization.update: the active organization's own particulars."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from app.domain.audit import differences
from app.store.audit import record
from app.store.organization import first_billing_run, lock_active
from app.store.organization import update_organization as store_organization
from app.store.tenancy import TenantDatabase


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
        await store_organization(tx, **changes, **moved, updated_at=tx.now)
        was = {name: getattr(before, name) for name in changes}
        await record(tx, "organization.update", tx.organization_id, differences(was, changes))
