"""Demo data that looks like a real software company's, made through the operations."""

from collections.abc import Callable
from dataclasses import dataclass

from app.api.ids import ORGANIZATION, type_id
from app.operations.organization.bootstrap import bootstrap_organization
from app.store.tables.organization import Mode
from app.store.tenancy import Database


@dataclass(frozen=True, slots=True)
class DemoOrganization:
    """An organization of the demo and its owner's key."""

    legal_name: str
    organization_id: str
    api_key: str


async def load_demo(database: Database, pepper: str, progress: Callable[[float], None]) -> list[DemoOrganization]:
    """Make the demo organizations and all that is in them; `progress` is told the part that is done, 0 to 1."""
    made = await bootstrap_organization(
        database, legal_name="Northwind Software", mode=Mode.LIVE, test_clock=None, pepper=pepper
    )
    progress(1.0)
    return [DemoOrganization("Northwind Software", type_id(ORGANIZATION, made.organization_id), made.api_key)]
