"""A versioned price list."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import strawberry

from app.api.ids import PLAN
from app.api.loaders.loader import loaded
from app.api.loaders.meter import MeterLoader
from app.api.loaders.plan import PlanFeaturesLoader, PlanLoader
from app.api.scalars import MinorUnits
from app.api.tenancy import Info
from app.api.types.enums import BillingTiming, Enforcement, FeatureType, Interval, PlanStatus, PricingModel
from app.api.types.money import Money, as_shown, money, money_field
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import MeterRef, OrganizationRef
from app.store.plan import PlanRow, price_from_document
from app.store.tables import PlanFeature as FeatureRow


@strawberry.type(description="A part of a price: what units up to a bound cost.")
class PriceTier:
    """A tier; its values are the domain's."""

    up_to: Decimal | None = strawberry.field(description="Inclusive upper bound; null is infinity.")
    unit_price: Decimal = strawberry.field(
        description=(
            "Minor units per unit, at most 12 decimals; for PACKAGE the price of a package, for PERCENTAGE the share."
        )
    )
    flat_fee: MinorUnits = strawberry.field(description="Charged once when the tier is entered.")


@strawberry.type(description="What usage costs.")
class UsagePrice:
    """What usage costs, in a plan's currency."""

    model: PricingModel = strawberry.field(description="How the tiers make a price of a quantity.")
    tiers: list[PriceTier] = strawberry.field(description="The tiers, ascending; the last has no upper bound.")
    package_size: Decimal | None = strawberry.field(
        description="PACKAGE: units in one package; a started package is charged whole."
    )
    minimum: Money | None = strawberry.field(description="The line costs at least this.")
    maximum: Money | None = strawberry.field(description="The line costs at most this.")


@strawberry.type(description="What a plan grants.")
class PlanFeature:
    """A feature of a plan version; its values are the store's rows."""

    key: str = strawberry.field(description="What programs name it by.")
    name: str = strawberry.field(description="For people; it stands on invoices.")
    type: FeatureType = strawberry.field(description="What kind of promise it is.")
    enforcement: Enforcement | None = strawberry.field(description="QUOTA: what happens at the limit.")
    meter: MeterRef | None = loaded(MeterLoader, "meter_id", "What counts its usage.")
    included: Decimal | None = strawberry.field(description="Units that the base price covers.")

    @strawberry.field(
        description="What usage beyond the included units costs; null where none is billed.",
        metadata={"loads": {"Plan": frozenset({"currency"})}},
    )
    async def price(feature: strawberry.Parent[FeatureRow], info: Info) -> UsagePrice | None:
        """Its price, in the plan's currency."""
        if feature.price is None:
            return None
        price = price_from_document(feature.price)
        bounds = [None, None]
        if price.minimum is not None or price.maximum is not None:
            plan = await info.context.loaders.get(PlanLoader).load(feature.plan_id)
            bounds = [
                None if bound is None else money(bound, plan.currency) for bound in (price.minimum, price.maximum)
            ]
        return UsagePrice(
            model=price.model,
            tiers=as_shown(price.tiers),
            package_size=price.package_size,
            minimum=bounds[0],
            maximum=bounds[1],
        )


@strawberry.type(description="A version of a plan. An active version never changes; a change is a new version.")
class Plan(Node, OrganizationOwned):
    """A plan version; its values are the store's rows."""

    id: strawberry.ID = id_field(PLAN)
    organization: OrganizationRef = owner_field()
    key: str = strawberry.field(description="What all its versions share.")
    version: int = strawberry.field(description="1, 2, 3 for a key.")
    name: str = strawberry.field(description="For people; it stands on invoices.")
    description: str | None = strawberry.field(description="What it is for.")
    status: PlanStatus = strawberry.field(description="Only an ACTIVE version can be subscribed to.")
    interval: Interval = strawberry.field(description="What its periods are counted in.")
    interval_count: int = strawberry.field(description="How many intervals one period has.")
    timing: BillingTiming = strawberry.field(description="When the base fee is billed.")
    trial_days: int = strawberry.field(description="How many days a new subscription to it is free.")
    features: list[PlanFeature] = loaded(PlanFeaturesLoader, "id", "What it grants.")
    created_at: datetime = strawberry.field(description="When it was made.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a plan's row."""
        return isinstance(value, PlanRow)

    base_price: Money = money_field("base_price_minor", "What a period costs for each seat.")
