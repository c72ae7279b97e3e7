"""usage.match: {} matches the organization's waiting events whose meter and customer exist by now."""

from collections.abc import Mapping
from typing import Any

from app.operations.usage.match import match_usage
from app.store.tenancy import TenantDatabase


async def do_usage_match(db: TenantDatabase, _payload: Mapping[str, Any]) -> None:
    """Match one batch; where there may be more, it has enqueued itself again."""
    await match_usage(db)
