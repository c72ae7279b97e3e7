"""meterCreate, planCreate, planPublish, planArchive."""

from decimal import Decimal
from typing import Any

import strawberry

from app.api.ids import PLAN, uuid_of
from app.api.loaders.meter import MeterLoader
from app.api.loaders.plan import PlanLoader
from app.api.mutations.payload import Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.scalars import CurrencyCode, MinorUnits
from app.api.tenancy import Info
from app.api.types.enums import Aggregation, BillingTiming, Enforcement, FeatureType, Interval, PricingModel
from app.api.types.input import given
from app.api.types.meter import Meter
from app.api.types.plan import Plan
from app.domain.price import Tier, UsagePrice
from app.operations.meter.create import NewMeter, create_meter
from app.operations.plan.archive import archive_plan
from app.operations.plan.create import NewFeature, NewPlan, create_plan
from app.operations.plan.publish import publish_plan


@strawberry.input(description="A new meter.")
class MeterCreateInput(Change):
    """A new meter."""

    key: str = strawberry.field(description="What events and plans name it by; unique.")
    name: str = strawberry.field(description="For people.")
    unit: str | None = left_out("What it counts: calls, GB, seats.")
    aggregation: Aggregation = strawberry.field(description="How events make one quantity.")
    property: str | None = left_out("UNIQUE: the event property that is counted.")


@strawberry.type(description="What came of a new meter.")
class MeterPayload(Payload):
    """A meter, or why not."""

    meter: Meter | None = result("The meter.")


@strawberry.input(description="A part of a price.")
class PriceTierInput:
    """A tier."""

    up_to: Decimal | None = left_out("Inclusive upper bound; null is infinity.")
    unit_price: Decimal = strawberry.field(
        description=(
            "Minor units per unit, at most 12 decimals; for PACKAGE the price of a package, for PERCENTAGE the share."
        )
    )
    flat_fee: MinorUnits = strawberry.field(default=MinorUnits(0), description="Charged once when the tier is entered.")


@strawberry.input(description="What usage costs.")
class UsagePriceInput:
    """A price."""

    model: PricingModel = strawberry.field(description="How the tiers make a price of a quantity.")
    tiers: list[PriceTierInput] = strawberry.field(
        description="Ascending; the last has no upper bound. PER_UNIT, PACKAGE and PERCENTAGE have one."
    )
    package_size: Decimal | None = left_out("PACKAGE: units in one package.")
    minimum: MinorUnits | None = left_out("The line costs at least this.")
    maximum: MinorUnits | None = left_out("The line costs at most this.")

    def to_domain(self) -> UsagePrice:
        """The price."""
        return UsagePrice(
            model=self.model,
            tiers=tuple(
                Tier(up_to=given(tier.up_to), unit_price=tier.unit_price, flat_fee=tier.flat_fee) for tier in self.tiers
            ),
            package_size=given(self.package_size),
            minimum=given(self.minimum),
            maximum=given(self.maximum),
        )


@strawberry.input(description="What a plan grants.")
class PlanFeatureInput:
    """A feature."""

    key: str = strawberry.field(description="What programs name it by; unique in the plan.")
    name: str = strawberry.field(description="For people; it stands on invoices.")
    type: FeatureType = strawberry.field(description="What kind of promise it is.")
    enforcement: Enforcement | None = left_out("QUOTA: what happens at the limit.")
    meter: str | None = left_out("QUOTA, METERED: the key of the meter that counts it.")
    included: Decimal | None = left_out("Units that the base price covers.")
    price: UsagePriceInput | None = left_out("METERED, SOFT QUOTA: what usage beyond them costs.")


@strawberry.input(description="A new version of a plan.")
class PlanCreateInput(Change):
    """A new plan version."""

    key: str = strawberry.field(description="What all its versions share.")
    name: str = strawberry.field(description="For people; it stands on invoices.")
    description: str | None = left_out("What it is for.")
    currency: CurrencyCode = strawberry.field(description="What it is priced in.")
    base_price: MinorUnits = strawberry.field(description="What a period costs for each seat, in minor units.")
    interval: Interval = strawberry.field(default=Interval.MONTH, description="What its periods are counted in.")
    interval_count: int = strawberry.field(default=1, description="How many intervals one period has.")
    timing: BillingTiming = strawberry.field(
        default=BillingTiming.IN_ARREARS,
        description="When the base fee is billed: as a period begins, or as it ends.",
    )
    trial_days: int = strawberry.field(
        default=0, description="How many days a new subscription to it is free: 0 to 730."
    )
    features: list[PlanFeatureInput] = strawberry.field(default_factory=list, description="What it grants.")


@strawberry.input(description="Which draft to publish.")
class PlanPublishInput(Change):
    """A plan to publish."""

    plan_id: strawberry.ID = strawberry.field(description="Which plan version.")


@strawberry.input(description="Which plan to archive.")
class PlanArchiveInput(Change):
    """A plan to archive."""

    plan_id: strawberry.ID = strawberry.field(description="Which plan version.")


@strawberry.type(description="What came of a change to a plan.")
class PlanPayload(Payload):
    """A plan, or why not."""

    plan: Plan | None = result("The plan version as it is now.")


@strawberry.type
class CatalogMutations:
    """What can be done to meters and plans."""

    @strawberry.mutation(
        extensions=[Writes("meter:create")],
        description="Makes a meter. Events that named its key already are matched to it.",
    )
    async def meter_create(self, info: Info, input: MeterCreateInput) -> MeterPayload:
        """Make a meter."""
        new = NewMeter(
            key=input.key,
            name=input.name,
            unit=given(input.unit),
            aggregation=input.aggregation,
            property=given(input.property),
        )
        meter_id = await create_meter(info.context.db, new)
        return MeterPayload(meter=await info.context.loaders.get(MeterLoader).load(meter_id))

    @strawberry.mutation(
        extensions=[Writes("plan:create")],
        description="Creates version 1 of a key, or its next version, as a DRAFT.",
    )
    async def plan_create(self, info: Info, input: PlanCreateInput) -> PlanPayload:
        """Make a plan version."""
        new = NewPlan(
            key=input.key,
            name=input.name,
            description=given(input.description),
            currency=input.currency,
            base_price=input.base_price,
            interval=input.interval,
            interval_count=input.interval_count,
            timing=input.timing,
            trial_days=input.trial_days,
            features=[_feature(feature) for feature in input.features],
        )
        return PlanPayload(plan=await _plan(info, await create_plan(info.context.db, new)))

    @strawberry.mutation(
        extensions=[Writes("plan:publish")],
        description="DRAFT > ACTIVE: opens the version to subscriptions. It never changes again.",
    )
    async def plan_publish(self, info: Info, input: PlanPublishInput) -> PlanPayload:
        """Publish a plan version."""
        plan_id = uuid_of(PLAN, input.plan_id)
        await publish_plan(info.context.db, plan_id)
        return PlanPayload(plan=await _plan(info, plan_id))

    @strawberry.mutation(
        extensions=[Writes("plan:archive")],
        description="ACTIVE > ARCHIVED: closes the version to new subscriptions; those that are on it stay.",
    )
    async def plan_archive(self, info: Info, input: PlanArchiveInput) -> PlanPayload:
        """Archive a plan version."""
        plan_id = uuid_of(PLAN, input.plan_id)
        await archive_plan(info.context.db, plan_id)
        return PlanPayload(plan=await _plan(info, plan_id))


async def _plan(info: Info, plan_id: Any) -> Any:
    return await info.context.loaders.get(PlanLoader).load(plan_id)


def _feature(feature: PlanFeatureInput) -> NewFeature:
    price = given(feature.price)
    return NewFeature(
        key=feature.key,
        name=feature.name,
        type=feature.type,
        enforcement=given(feature.enforcement),
        meter=given(feature.meter),
        included=given(feature.included),
        price=None if price is None else price.to_domain(),
    )
