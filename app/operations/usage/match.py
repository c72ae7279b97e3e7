"""usage.match: what waited is matched, where that is more than was matched at once."""

from app.store.inbox import match_waiting
from app.store.tenancy import TenantDatabase


async def match_usage(db: TenantDatabase) -> int:
    """Match some thousand waiting events whose meter and customer exist; how many. Repeating it goes on from there."""
    async with db.write() as tx:
        return await match_waiting(tx)
