"""What a customer may use now."""

from decimal import Decimal
from typing import Annotated, cast

import strawberry

from app.api.errors import BadUserInput
from app.api.ids import CUSTOMER, optional_uuid_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.entitlement import Entitlement
from app.api.types.input import given
from app.domain.errors import NotFound
from app.domain.usage import bad_quantity

CustomerId = Annotated[
    strawberry.ID | None,
    strawberry.argument(description="Who asks: the organization's default customer where it is left out."),
]


@strawberry.type
class EntitlementQueries:
    """What a customer may use now."""

    @strawberry.field(
        extensions=[Reads("entitlement:read")],
        description=(
            "Whether a customer may use a feature now. It is answered from memory and takes nothing: reserve quota with"
            " usageReserve where parallel callers must not pass a limit together."
        ),
    )
    async def entitlement(
        self,
        info: Info,
        feature: Annotated[str, strawberry.argument(description="The feature's key.")],
        customer_id: CustomerId = strawberry.UNSET,
        quantity: Annotated[
            Decimal, strawberry.argument(description="May it use that many more, in the meter's units?")
        ] = Decimal(1),
    ) -> Entitlement:
        """An entitlement."""
        problem = bad_quantity(quantity)
        if problem is not None:
            raise BadUserInput(problem)
        customer = optional_uuid_of(CUSTOMER, given(customer_id))
        context = info.context
        answer = context.entitlements.recall(context.tenant.organization_id, customer, feature, quantity)
        if answer is not None:
            return cast("Entitlement", answer)
        try:
            answer = await context.entitlements.check(context.db, customer, feature, quantity)
        except NotFound as error:
            raise BadUserInput(error.message) from error
        return cast("Entitlement", answer)

    @strawberry.field(
        extensions=[Reads("entitlement:read")],
        description="Every feature that a customer's subscriptions grant, and whether 1 more of it may be used now.",
    )
    async def entitlements(self, info: Info, customer_id: CustomerId = strawberry.UNSET) -> list[Entitlement]:
        """All entitlements of a customer."""
        customer = optional_uuid_of(CUSTOMER, given(customer_id))
        try:
            answers = await info.context.entitlements.check_all(info.context.db, customer)
        except NotFound as error:
            raise BadUserInput(error.message) from error
        return cast("list[Entitlement]", answers)
