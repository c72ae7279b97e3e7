"""organization.create: a child of the active organization or of one of its descendants."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.clock import clock_at
from app.domain.errors import Invalid
from app.domain.text import metadata, optional_text, text
from app.store.audit import record
from app.store.organization import check_parent, found
from app.store.tables.organization import Mode, OrganizationStatus
from app.store.tenancy import TenantDatabase


@dataclass(frozen=True, slots=True)
class NewOrganization:
    """What a new organization is made of."""

    legal_name: str
    doing_business_as: str | None
    legal_document: str | None
    address: Mapping[str, Any] | None
    mode: Mode
    test_clock: datetime | None
    region: str | None
    default_currency: str
    time_zone: str
    metadata: Mapping[str, str] | None


async def create_organization(db: TenantDatabase, new: NewOrganization, parent_id: UUID | None) -> UUID:
    """Make a child organization and give its id; it has no key yet: one enters it to make one.

    The parent is the active organization where `parent_id` is left out, else it or one of its descendants.
    Raises NotFound, Invalid, LimitExceeded. One transaction: the child, its default customer and ledger, and an audit
    record on either side.
    """
    if new.test_clock is not None and new.mode is not Mode.TEST:
        raise Invalid("Only a TEST organization has a clock of its own.", "testClock")
    async with db.write() as tx:
        parent = parent_id or tx.organization_id
        await check_parent(tx, tx.organization_id, parent)
        region = new.region or tx.facts.region
        if region != tx.facts.region:
            raise Invalid(f"This installation keeps data in {tx.facts.region}.", "region")
        async with tx.found_organization() as child:
            await found(
                child,
                parent_id=parent,
                legal_name=text(new.legal_name, "legalName"),
                doing_business_as=optional_text(new.doing_business_as, "doingBusinessAs"),
                legal_document=optional_text(new.legal_document, "legalDocument", longest=100),
                address=new.address,
                status=OrganizationStatus.ACTIVE,
                mode=new.mode,
                test_clock=clock_at(new.test_clock or child.now) if new.mode is Mode.TEST else None,
                region=region,
                default_currency=new.default_currency,
                time_zone=new.time_zone,
                properties=metadata(new.metadata, "metadata"),
            )
            await record(child, "organization.create", child.organization_id, {"legalName": new.legal_name})
        await record(tx, "organization.create", child.organization_id, {"legalName": new.legal_name})
        return child.organization_id
