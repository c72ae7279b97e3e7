"""organizationCreate, organizationUpdate."""

from datetime import datetime

import strawberry

from app.api.ids import ORGANIZATION, optional_uuid_of
from app.api.loaders.organization import OrganizationLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.scalars import CurrencyCode, Metadata, TimeZone
from app.api.tenancy import Info
from app.api.types.enums import Mode
from app.api.types.input import address_document, changes, given
from app.api.types.money import AddressInput
from app.api.types.organization import Organization
from app.domain.errors import Invalid
from app.domain.text import metadata, optional_text, text
from app.operations.organization.create import NewOrganization, create_organization
from app.operations.organization.update import update_organization


@strawberry.input(description="A new organization below the active one.")
class OrganizationCreateInput(Change):
    """A new organization."""

    parent_id: strawberry.ID | None = left_out(
        "The active organization or one of its descendants; the active one where it is left out."
    )
    legal_name: str = strawberry.field(description="The name in the register.")
    doing_business_as: str | None = left_out("The name that customers know.")
    legal_document: str | None = left_out("The tax id or registration.")
    address: AddressInput | None = left_out("Where it sits.")
    mode: Mode = strawberry.field(default=Mode.LIVE, description="LIVE, or TEST with a clock of its own.")
    test_clock: datetime | None = left_out(
        "Where a TEST organization's clock starts: the real now where it is left out."
    )
    region: str | None = left_out("Where its data lives: the parent's region where it is left out.")
    default_currency: CurrencyCode = strawberry.field(
        default=CurrencyCode("USD"), description="What its customers pay in unless they say otherwise."
    )
    time_zone: TimeZone = strawberry.field(
        default=TimeZone("UTC"), description="Where its billing periods begin at midnight."
    )
    metadata: Metadata | None = left_out("Whatever the organization keeps with itself.")


@strawberry.input(description="Changes to the active organization; what is left out stays.")
class OrganizationUpdateInput(Change):
    """Changes to an organization."""

    legal_name: str | None = left_out("The name in the register; it cannot be taken away.")
    doing_business_as: str | None = left_out("The name that customers know; null takes it away.")
    legal_document: str | None = left_out("The tax id or registration; null takes it away.")
    address: AddressInput | None = left_out("Where it sits; null takes it away.")
    time_zone: TimeZone | None = left_out("Where its billing periods begin at midnight.")
    metadata: Metadata | None = left_out("Whatever it keeps with itself, whole; null empties it.")


@strawberry.type(description="What came of a change to an organization.")
class OrganizationPayload(Payload):
    """An organization, or why not."""

    organization: Organization | None = result("The organization as it is now.")


@strawberry.type
class OrganizationMutations:
    """What can be done to organizations."""

    @strawberry.mutation(
        extensions=[Writes("organization:create")],
        description=(
            "Makes a child of the active organization or of one of its descendants. Enter it with X-Organization-ID."
        ),
    )
    async def organization_create(self, info: Info, input: OrganizationCreateInput) -> OrganizationPayload:
        """Make a child organization."""
        new = NewOrganization(
            legal_name=input.legal_name,
            doing_business_as=given(input.doing_business_as),
            legal_document=given(input.legal_document),
            address=address_document(input.address),
            mode=input.mode,
            test_clock=given(input.test_clock),
            region=given(input.region),
            default_currency=input.default_currency,
            time_zone=input.time_zone,
            metadata=given(input.metadata),
        )
        parent_id = optional_uuid_of(ORGANIZATION, given(input.parent_id))
        organization_id = await create_organization(info.context.db, new, parent_id)
        return OrganizationPayload(
            organization=await info.context.loaders.get(OrganizationLoader).load(organization_id)
        )

    @strawberry.mutation(
        extensions=[Writes("organization:update")], description="Changes the active organization's particulars."
    )
    async def organization_update(self, info: Info, input: OrganizationUpdateInput) -> OrganizationPayload:
        """Change the active organization."""
        changed = changes(
            input,
            {
                "legal_name": lambda value: text(_kept(value, "legalName"), "legalName"),
                "doing_business_as": lambda value: optional_text(value, "doingBusinessAs"),
                "legal_document": lambda value: optional_text(value, "legalDocument", longest=100),
                "address": address_document,
                "time_zone": lambda value: _kept(value, "timeZone"),
                "metadata": lambda value: metadata(value, "metadata"),
            },
        )
        if "metadata" in changed:
            changed["properties"] = changed.pop("metadata")
        await update_organization(info.context.db, changed)
        active = info.context.tenant.organization_id
        return OrganizationPayload(organization=await info.context.loaders.get(OrganizationLoader).load(active))


def _kept(value: str | None, name: str) -> str:
    if value is None:
        raise Invalid("This cannot be taken away: leave it out or give another.", name)
    return value
