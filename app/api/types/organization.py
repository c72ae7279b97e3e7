"""The tenant."""

from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from app.api.ids import ORGANIZATION
from app.api.loaders.loader import loaded
from app.api.loaders.organization import LegalDocumentLoader, OrganizationLoader
from app.api.pagination import Connection, ListRequest, PageArguments, Paged, connection_of
from app.api.scalars import CurrencyCode, Metadata, TimeZone
from app.api.tenancy import Info, Tenant
from app.api.types.enums import Mode, OrganizationStatus, PrincipalKind
from app.api.types.money import Address, address_of
from app.api.types.node import Node, id_field
from app.store import organization as store
from app.store.tables import Organization as Row


@strawberry.type(description="One organization is one tenant. Everything it owns is reached from inside it alone.")
class Organization(Node):
    """One organization; its values are the store's rows."""

    id: strawberry.ID = id_field(ORGANIZATION, "organization_id")
    parent: "Organization | None" = loaded(
        OrganizationLoader,
        "parent_id",
        "The organization above it; null where the credential may not enter that one.",
    )
    legal_name: str = strawberry.field(description="The name in the register.")
    doing_business_as: str | None = strawberry.field(description="The name that customers know.")
    legal_document: str | None = loaded(
        LegalDocumentLoader,
        "organization_id",
        "Masked to its last four characters unless the credential holds organization:sensitive.",
    )
    status: OrganizationStatus = strawberry.field(description="Whether it may change anything.")
    mode: Mode = strawberry.field(description="LIVE, or TEST with a clock of its own.")
    test_clock: datetime | None = strawberry.field(description="A TEST organization's own now; null where it is LIVE.")
    region: str = strawberry.field(description="Where this organization's data lives.")
    default_currency: CurrencyCode = strawberry.field(description="What new customers pay in.")
    time_zone: TimeZone = strawberry.field(description="Where its billing periods begin at midnight.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")
    deleted_at: datetime | None = strawberry.field(description="When it was deleted, if it was.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is an organization's row."""
        return isinstance(value, store.OrganizationRow)

    @strawberry.field(description="Where it sits.")
    def address(organization: strawberry.Parent[Row]) -> Address | None:
        """The postal address."""
        return address_of(organization.address)

    @strawberry.field(description="Whatever the organization keeps with itself.")
    def metadata(organization: strawberry.Parent[Row]) -> Metadata:
        """The metadata."""
        return Metadata(organization.properties)

    @strawberry.field(
        description="The organizations right below it; none where the credential may not enter them.",
        extensions=[Paged()],
    )
    async def children(
        organization: strawberry.Parent[Row],
        info: Info,
        page: PageArguments,
    ) -> Connection["Organization"]:
        """A page of its children."""
        request = ListRequest(
            page,
            enterable(info.context.tenant) | {"parent": organization.organization_id},
        )
        return await connection_of(info, store.listing, request)


@strawberry.type(description="Who is asking, and inside which organization.")
class Viewer:
    """Who is asking; its values are tenants."""

    @strawberry.field(description="What kind of credential.")
    def kind(tenant: strawberry.Parent[Tenant]) -> PrincipalKind:
        """The principal's kind."""
        return PrincipalKind(tenant.principal.kind)

    @strawberry.field(description="The credential's name.")
    def name(tenant: strawberry.Parent[Tenant]) -> str:
        """The principal's name."""
        return tenant.principal.name

    @strawberry.field(description="The role: a named set of scopes.")
    def role(tenant: strawberry.Parent[Tenant]) -> str:
        """The principal's role."""
        return tenant.principal.role

    @strawberry.field(description="What it may do: noun:verb.")
    def scopes(tenant: strawberry.Parent[Tenant]) -> list[str]:
        """The role's scopes."""
        return sorted(tenant.principal.scopes)

    organization: Organization = loaded(OrganizationLoader, "organization_id", "The active organization.")


def enterable(tenant: Tenant) -> dict[str, UUID]:
    """The filters that leave what the credential may enter: its own organization with all below, or its own alone."""
    if tenant.may("organization:enter"):
        return {"home": tenant.principal.home}
    return {"home": tenant.organization_id, "alone": tenant.organization_id}
