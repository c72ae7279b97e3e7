"""usage.rebuild: the hours' numbers, counted anew from the events that they are of."""

from datetime import datetime, timedelta

from app.store.audit import record
from app.store.tenancy import TenantDatabase
from app.store.usage_hour import HourDifference, load_differences, load_first_hour, mend_hours

STEP = timedelta(days=7)


async def rebuild_usage(
    db: TenantDatabase, since: datetime | None = None
) -> tuple[list[HourDifference], datetime | None]:
    """Compare a week's hours with their events, mend those that differ, and give these and where the next week begins.

    The week is the one that begins at `since`, or the first of all; after the last one, nothing begins. Hours whose
    events are no longer kept are left alone. What differs is audited. Repeating it finds nothing more.
    """
    async with db.write() as tx:
        start = since or await load_first_hour(tx)
        if start is None:
            return [], None
        end = start + STEP
        differences = await load_differences(tx, start, end)
        if differences:
            await mend_hours(tx, differences)
            await record(tx, "usage.rebuild", None, {"hours": len(differences)})
        return differences, (end if end <= tx.now + STEP else None)
