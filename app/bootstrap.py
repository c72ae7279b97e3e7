"""tallygate bootstrap: an organization and its owner's key, in the database that is at hand."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from app.api.ids import ORGANIZATION, type_id, uuid_of
from app.api.scalars import parsed_currency, parsed_instant, parsed_time_zone
from app.complaint import Complaint
from app.development import Secrets, development_database
from app.operations.organization.bootstrap import bootstrap_organization
from app.store.connection import ConnectionPool
from app.store.migration import head_revision
from app.store.system import SystemDatabase
from app.store.tables.organization import Mode
from app.store.tenancy import Database


@dataclass(frozen=True, slots=True)
class BootstrapRequest:
    """What was given on the command line."""

    legal_name: str
    mode: str
    test_clock: str | None
    parent: str | None
    currency: str
    time_zone: str
    data_dir: Path


def bootstrap_here(request: BootstrapRequest) -> dict[str, str]:
    """Make the organization; answers its id and its owner's key. Raises Complaint, Refusal."""
    pepper = os.environ.get("TALLYGATE_API_KEY_PEPPER")
    url = os.environ.get("TALLYGATE_DATABASE_URL") or os.environ.get("DATABASE_URL")
    if url and pepper:
        return asyncio.run(_bootstrap(request, url, pepper))
    kept = Secrets.kept_in(request.data_dir)
    with development_database(request.data_dir, kept) as database:
        return asyncio.run(_bootstrap(request, database.app_url, kept.api_key_pepper))


async def _bootstrap(request: BootstrapRequest, url: str, pepper: str) -> dict[str, str]:
    try:
        test_clock = None if request.test_clock is None else parsed_instant(request.test_clock)
        currency, time_zone = parsed_currency(request.currency), parsed_time_zone(request.time_zone)
    except ValueError as error:
        raise Complaint(str(error)) from error
    pool = ConnectionPool(url, size=1)
    await pool.open()
    try:
        await SystemDatabase(pool).check_wall(head_revision())
        made = await bootstrap_organization(
            Database(pool),
            legal_name=request.legal_name,
            mode=Mode(request.mode),
            test_clock=test_clock,
            pepper=pepper,
            parent_id=None if request.parent is None else uuid_of(ORGANIZATION, request.parent),
            currency=currency,
            time_zone=time_zone,
        )
    finally:
        await pool.close()
    return {"organizationId": type_id(ORGANIZATION, made.organization_id), "apiKey": made.api_key}
