"""usageReserve, usageSettle, usageRelease."""

from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import strawberry

from app.api.ids import CUSTOMER, RESERVATION, optional_uuid_of, type_id, uuid_of
from app.api.loaders.reservation import ReservationLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.scalars import Properties
from app.api.tenancy import Info
from app.api.types.entitlement import Entitlement, Reservation
from app.api.types.input import given
from app.operations.usage.release import release_usage
from app.operations.usage.reserve import NewReservation, reserve_usage
from app.operations.usage.settle import Settlement, settle_usage
from app.store.entitlement import load_entitlement


@strawberry.input(description="Quota to hold.")
class UsageReserveInput(Change):
    """A new reservation."""

    feature: str = strawberry.field(description="The key of a QUOTA or METERED feature.")
    customer_id: strawberry.ID | None = left_out("The organization's default customer where it is left out.")
    quantity: Decimal = strawberry.field(description="How much, in the meter's units; above 0.")
    ttl_seconds: int = strawberry.field(
        default=60, description="How long it is held if it is neither settled nor released; 1 to 86,400."
    )


@strawberry.input(description="What was really used of a reservation.")
class UsageSettleInput(Change):
    """A settlement."""

    reservation_id: strawberry.ID = strawberry.field(description="Which reservation.")
    quantity: Decimal = strawberry.field(
        description="At most what was reserved where the limit is HARD. 0 records no event."
    )
    properties: Properties | None = left_out("What else was measured; kept with the usage event.")


@strawberry.input(description="A reservation that is not needed.")
class UsageReleaseInput(Change):
    """A release."""

    reservation_id: strawberry.ID = strawberry.field(description="Which reservation.")


@strawberry.type(description="What came of a change to a reservation.")
class ReservationPayload(Payload):
    """A reservation, or why not."""

    reservation: Reservation | None = result("The reservation as it is now.")

    @strawberry.field(description="Whether 1 more of the feature may be used after this; null where the rules refused.")
    async def entitlement(self, info: Info) -> Entitlement | None:
        """What is left, read inside the transaction."""
        if self.reservation is None:
            return None
        row = cast("Any", self.reservation)
        answer = await load_entitlement(await info.context.db.snapshot(), row.customer_id, row.feature)
        return cast("Entitlement", answer)


@strawberry.type
class ReservationMutations:
    """What can be done to reservations."""

    @strawberry.mutation(
        extensions=[Writes("usage:reserve")],
        description=(
            "Holds quota, all or nothing: refused with LIMIT_EXCEEDED where a HARD limit would be passed, however many"
            " ask at once."
        ),
    )
    async def usage_reserve(self, info: Info, input: UsageReserveInput) -> ReservationPayload:
        """Reserve quota."""
        new = NewReservation(
            customer_id=optional_uuid_of(CUSTOMER, given(input.customer_id)),
            feature=input.feature,
            quantity=input.quantity,
            ttl_seconds=input.ttl_seconds,
        )
        return await _payload(info, await reserve_usage(info.context.db, new))

    @strawberry.mutation(
        extensions=[Writes("usage:settle")],
        description="Records what was really used as one usage event and frees the rest.",
    )
    async def usage_settle(self, info: Info, input: UsageSettleInput) -> ReservationPayload:
        """Settle a reservation."""
        reservation_id = uuid_of(RESERVATION, input.reservation_id)
        settlement = Settlement(
            reservation_id=reservation_id,
            event_id=type_id(RESERVATION, reservation_id),
            quantity=input.quantity,
            properties=given(input.properties),
        )
        await settle_usage(info.context.db, settlement)
        return await _payload(info, reservation_id)

    @strawberry.mutation(extensions=[Writes("usage:release")], description="Gives back what a reservation holds.")
    async def usage_release(self, info: Info, input: UsageReleaseInput) -> ReservationPayload:
        """Release a reservation."""
        reservation_id = uuid_of(RESERVATION, input.reservation_id)
        await release_usage(info.context.db, reservation_id)
        return await _payload(info, reservation_id)


async def _payload(info: Info, reservation_id: UUID) -> ReservationPayload:
    return ReservationPayload(reservation=await info.context.loaders.get(ReservationLoader).load(reservation_id))
