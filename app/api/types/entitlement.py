"""What a customer may use, and quota that is held."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from app.api.ids import RESERVATION
from app.api.loaders.customer import CustomerLoader
from app.api.loaders.loader import loaded
from app.api.loaders.plan import PlanLoader
from app.api.loaders.subscription import SubscriptionLoader
from app.api.types.enums import Enforcement, EntitlementReason, FeatureType, ReservationStatus
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import CustomerRef, OrganizationRef, PlanRef, SubscriptionRef
from app.store.reservation import ReservationRow


@strawberry.type(description="The answer to: may this customer use this feature now?")
class Entitlement:
    """An entitlement; its values are the domain's."""

    feature: str = strawberry.field(description="The feature's key.")
    name: str = strawberry.field(description="Its name for people.")
    type: FeatureType = strawberry.field(description="What kind of promise it is.")
    enforcement: Enforcement | None = strawberry.field(description="For a QUOTA: what happens at its limit.")
    customer: CustomerRef = loaded(CustomerLoader, "customer_id", "Who asks.")
    subscription: SubscriptionRef | None = loaded(
        SubscriptionLoader,
        "subscription_id",
        "Which subscription answers: the first made of those that allow it; else the last that was asked.",
    )
    plan: PlanRef | None = loaded(PlanLoader, "plan_id", "The plan version that is in force on it.")
    allowed: bool = strawberry.field(description="Whether it may be used now, in the quantity that was asked for.")
    reason: EntitlementReason = strawberry.field(description="Why, or why not.")
    limit: Decimal | None = strawberry.field(description="What a period includes. Null is unlimited.")
    used: Decimal | None = strawberry.field(
        description=("Used in the current period, under the plan in force. Null where nothing is counted.")
    )
    reserved: Decimal | None = strawberry.field(
        description="Held by reservations that are neither settled nor released."
    )
    remaining: Decimal | None = strawberry.field(
        description="limit less used and reserved, 0 at least. Null where there is no limit."
    )
    resets_at: datetime | None = strawberry.field(
        description="When the current period ends. Null where nothing is counted."
    )


@strawberry.type(
    description="Quota taken before the work is done, so that parallel callers can never pass a HARD limit together."
)
class Reservation(Node, OrganizationOwned):
    """A reservation; its values are the store's rows."""

    id: strawberry.ID = id_field(RESERVATION)
    organization: OrganizationRef = owner_field()
    customer: CustomerRef = loaded(CustomerLoader, "customer_id", "For whom it is held.")
    subscription: SubscriptionRef = loaded(SubscriptionLoader, "subscription_id", "Whose quota is held.")
    feature: str = strawberry.field(description="The feature's key.")
    quantity: Decimal = strawberry.field(description="How much is held, in the meter's units.")
    settled_quantity: Decimal | None = strawberry.field(description="What was really used, once settled.")
    status: ReservationStatus = strawberry.field(description="Where it is in its life.")
    expires_at: datetime = strawberry.field(
        description="From then on it holds nothing, by the tenant's clock, if it is not settled or released before."
    )
    created_at: datetime = strawberry.field(
        description="When it was taken; what it holds, and is used of it, counts from then."
    )

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a reservation's row."""
        return isinstance(value, ReservationRow)
