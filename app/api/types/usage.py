"""Usage: events, and quantities over time."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import strawberry

from app.api.errors import BadUserInput
from app.api.ids import CUSTOMER, SUBSCRIPTION, USAGE_EVENT, uuid_of
from app.api.loaders.customer import CustomerLoader
from app.api.loaders.loader import loaded
from app.api.loaders.meter import MeterByKeyLoader, MeterLoader
from app.api.loaders.subscription import SubscriptionLoader
from app.api.loaders.usage_event import CorrectionsLoader
from app.api.scalars import Properties
from app.api.tenancy import Info
from app.api.types.enums import UsageWindow
from app.api.types.filters import span
from app.api.types.input import given
from app.api.types.meter import Meter
from app.api.types.money import Period, PeriodInput, as_shown
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import CustomerRef, MeterRef, OrganizationRef, SubscriptionRef
from app.domain.period import Period as DomainPeriod
from app.domain.usage import bucket_periods
from app.store.quantity import SeriesRequest, load_buckets, load_total
from app.store.subscription import load_clock
from app.store.tables import UsageEvent as Row
from app.store.usage import UsageEventRow

BUCKETS_MAX: Final = 5_000
GROUP_BY_MAX: Final = 5


@strawberry.type(description="What an event counts for since it was corrected.")
class UsageCorrection:
    """A correction; its values are the store's rows."""

    quantity: Decimal = strawberry.field(description="In place of the event's own; 0 takes it back.")
    reason: str = strawberry.field(description="Why, as who corrected it said.")
    created_at: datetime = strawberry.field(description="When it was corrected.")


@strawberry.type(description="One measured fact.")
class UsageEvent(Node, OrganizationOwned):
    """A usage event; its values are the store's rows."""

    id: strawberry.ID = id_field(USAGE_EVENT)
    organization: OrganizationRef = owner_field()
    meter: MeterRef = loaded(MeterLoader, "meter_id", "What counts it.")
    customer: CustomerRef = loaded(CustomerLoader, "customer_id", "Who used it.")
    subscription: SubscriptionRef | None = loaded(
        SubscriptionLoader, "subscription_id", "Which subscription carried it when it came; null where none did."
    )
    event_id: str = strawberry.field(
        description="The sender's id of the event; unique with source in its organization."
    )
    source: str = strawberry.field(description="Who sent it.")
    quantity: Decimal = strawberry.field(description="How much, in the meter's units, as it was sent.")
    corrections: list[UsageCorrection] = loaded(
        CorrectionsLoader, "id", "What corrected it, the oldest first; the newest counts."
    )
    properties: Properties = strawberry.field(description="What else was measured.")
    occurred_at: datetime = strawberry.field(description="When it happened.")
    recorded_at: datetime = strawberry.field(description="When it came in.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a usage event's row."""
        return isinstance(value, UsageEventRow)

    @strawberry.field(description="What it counts for: its newest correction's quantity, or its own; 0 is taken back.")
    async def effective_quantity(event: strawberry.Parent[Row], info: Info) -> Decimal:
        """The quantity that counts."""
        corrections = await info.context.loaders.get(CorrectionsLoader).load(event.id)
        return corrections[-1].quantity if corrections else event.quantity


@strawberry.type(description="A part of a series.")
class UsageBucket:
    """A bucket of a series."""

    period: Period = strawberry.field(description="The bucket's span, cut to the series.")
    group: list[str] = strawberry.field(description="The values of groupBy, in its order.")
    value: Decimal = strawberry.field(description="The meter's quantity in it.")
    events: int = strawberry.field(description="How many events made it.")


@strawberry.type(description="How much of a meter was used, over time.")
class UsageSeries:
    """A series."""

    meter: Meter = strawberry.field(description="What counts it.")
    period: Period = strawberry.field(description="The whole span.")
    window: UsageWindow = strawberry.field(description="The width of a bucket.")
    total: Decimal = strawberry.field(description="The meter's quantity over the whole span.")
    buckets: list[UsageBucket] = strawberry.field(
        description="In order of time; those without events hold 0, unless the series is grouped."
    )


@strawberry.input(description="Which events: all conditions hold.")
class UsageEventFilter:
    """Which events."""

    meter: str | None = strawberry.field(default=strawberry.UNSET, description="Counted by the meter of this key.")
    customer_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Of this customer.")
    subscription_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Carried by this subscription."
    )
    occurred_at: PeriodInput | None = strawberry.field(
        default=strawberry.UNSET, description="That happened inside this span."
    )

    def conditions(self) -> dict[str, Any]:
        """The conditions by name, but for the meter, which is named by its key."""
        found: dict[str, Any] = {}
        if given(self.customer_id) is not None:
            found["customer_id"] = uuid_of(CUSTOMER, str(self.customer_id))
        if given(self.subscription_id) is not None:
            found["subscription_id"] = uuid_of(SUBSCRIPTION, str(self.subscription_id))
        return found | span("occurred", self.occurred_at)


@dataclass(frozen=True, slots=True)
class SeriesArguments:
    """What a series is asked for."""

    meter: str
    period: DomainPeriod
    window: UsageWindow
    group_by: tuple[str, ...]


async def usage_series(
    info: Info, arguments: SeriesArguments, *, subscription_id: UUID | None = None, customer_id: UUID | None = None
) -> UsageSeries:
    """Count usage in buckets. Raises BadUserInput for an unknown meter and for more buckets than are given."""
    meter = await info.context.loaders.get(MeterByKeyLoader).load(arguments.meter)
    if meter is None:
        raise BadUserInput("No meter has this key.")
    if len(arguments.group_by) > GROUP_BY_MAX:
        raise BadUserInput(f"Group by at most {GROUP_BY_MAX} properties.")
    tx = await info.context.db.snapshot()
    zone, _ = await load_clock(tx)
    request = SeriesRequest(
        meter=meter,
        period=arguments.period,
        group_by=arguments.group_by,
        subscription_id=subscription_id,
        customer_id=customer_id,
    )
    periods = bucket_periods(arguments.period, arguments.window, zone, BUCKETS_MAX)
    if periods is None:
        raise BadUserInput(f"That makes more than {BUCKETS_MAX:,} buckets: take a shorter period or a wider window.")
    found = await load_buckets(tx, request, periods, BUCKETS_MAX + 1)
    if len(found) > BUCKETS_MAX:
        raise BadUserInput(f"That makes more than {BUCKETS_MAX:,} buckets: group by less.")
    by_place: dict[int, list[Any]] = {}
    for bucket in found:
        by_place.setdefault(bucket.place, []).append(bucket)
    buckets = []
    for place, period in enumerate(periods):
        inside = by_place.get(place, [])
        buckets += [
            UsageBucket(period=as_shown(period), group=list(b.group), value=b.value, events=b.events) for b in inside
        ]
        if not inside and not arguments.group_by:
            buckets.append(UsageBucket(period=as_shown(period), group=[], value=Decimal(0), events=0))
    return UsageSeries(
        meter=meter,
        period=as_shown(arguments.period),
        window=arguments.window,
        total=await load_total(tx, request),
        buckets=buckets,
    )
