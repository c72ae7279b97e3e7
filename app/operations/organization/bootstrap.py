"""organization.bootstrap: how the first credential comes to be."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.domain.clock import clock_at
from app.domain.credential import PREFIX_ENTROPY_BYTES, SECRET_ENTROPY_BYTES, api_key_from_entropy, secret_hash
from app.domain.errors import Invalid
from app.domain.role import Role
from app.domain.text import text
from app.store.api_key import insert_api_key
from app.store.audit import record
from app.store.organization import check_parent, found
from app.store.query import new_id
from app.store.tables.organization import Mode, OrganizationStatus
from app.store.tenancy import Actor, Database


@dataclass(frozen=True, slots=True)
class Bootstrapped:
    """A new organization and its owner's key, shown this once."""

    organization_id: UUID
    api_key: str


async def bootstrap_organization(
    database: Database,
    *,
    legal_name: str,
    mode: Mode,
    test_clock: datetime | None,
    pepper: str,
    parent_id: UUID | None = None,
    currency: str = "USD",
    time_zone: str = "UTC",
    at: datetime | None = None,
) -> Bootstrapped:
    """Make an organization with an owner's key: a root, or a child of any other, since the operator asks.

    Raises Invalid, NotFound for an unknown parent; repeating it makes another.
    """
    if test_clock is not None and mode is not Mode.TEST:
        raise Invalid("Only a TEST organization has a clock of its own.", "testClock")
    key = api_key_from_entropy(secrets.token_bytes(PREFIX_ENTROPY_BYTES + SECRET_ENTROPY_BYTES), test=mode is Mode.TEST)
    async with database.found_organization(Actor("SYSTEM", "tallygate bootstrap", "bootstrap"), at) as tx:
        if parent_id is not None:
            await check_parent(tx, parent_id, parent_id)
        await found(
            tx,
            parent_id=parent_id,
            legal_name=text(legal_name, "legalName"),
            doing_business_as=None,
            legal_document=None,
            address=None,
            status=OrganizationStatus.ACTIVE,
            mode=mode,
            test_clock=clock_at(test_clock or tx.now) if mode is Mode.TEST else None,
            region="default",
            default_currency=currency,
            time_zone=time_zone,
            properties={},
        )
        await insert_api_key(
            tx,
            id=new_id(),
            name="owner",
            prefix=key.prefix,
            secret_hash=secret_hash(key.secret, pepper),
            role=Role.OWNER,
            created_at=tx.now,
            expires_at=None,
        )
        await record(tx, "organization.bootstrap", tx.organization_id)
        return Bootstrapped(tx.organization_id, key.secret)
