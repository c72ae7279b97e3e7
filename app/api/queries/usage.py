"""Usage: a series over time, and the events behind it."""

from typing import Annotated, Any

import strawberry

from app.api.ids import CUSTOMER, NOBODY, optional_uuid_of
from app.api.loaders.meter import MeterByKeyLoader
from app.api.pagination import Connection, ListRequest, PageArguments, Paged, connection_of
from app.api.permission import Reads
from app.api.tenancy import Info
from app.api.types.argument import GroupBy, MeterKey, Window
from app.api.types.enums import UsageWindow
from app.api.types.input import given
from app.api.types.money import PeriodInput
from app.api.types.unmatched_usage_event import UnmatchedUsageEvent
from app.api.types.usage import SeriesArguments, UsageEvent, UsageEventFilter, UsageSeries, usage_series
from app.api.types.usage_conservation import UsageConservation
from app.store.conservation import load_conservation
from app.store.inbox import listing as inbox
from app.store.usage import listing


@strawberry.type
class UsageQueries:
    """Usage over time."""

    @strawberry.field(
        extensions=[Reads("usage:read")],
        description="How much of a meter the organization's customers (or one of them) used, in buckets.",
    )
    async def usage(
        self,
        info: Info,
        meter: MeterKey,
        period: Annotated[PeriodInput, strawberry.argument(description="The whole span.")],
        window: Window = UsageWindow.DAY,
        group_by: GroupBy = strawberry.UNSET,
        customer_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Of this customer alone.")
        ] = strawberry.UNSET,
    ) -> UsageSeries:
        """A series."""
        arguments = SeriesArguments(meter, period.to_domain(), window, tuple(given(group_by) or ()))
        return await usage_series(info, arguments, customer_id=optional_uuid_of(CUSTOMER, given(customer_id)))

    @strawberry.field(
        extensions=[Reads("usage:read"), Paged()], description="The events themselves, the latest to happen first."
    )
    async def usage_events(
        self,
        info: Info,
        page: PageArguments,
        filter: UsageEventFilter | None = strawberry.UNSET,
    ) -> Connection[UsageEvent]:
        """A page of events."""
        conditions = await _conditions(info, given(filter))
        request = ListRequest(page, conditions, order="occurred_at")
        return await connection_of(info, listing, request)

    @strawberry.field(
        extensions=[Reads("usage:read"), Paged()],
        description="The events that wait for a meter or customer, the last to come in first.",
    )
    async def unmatched_usage_events(self, info: Info, page: PageArguments) -> Connection[UnmatchedUsageEvent]:
        """A page of the inbox."""
        return await connection_of(info, inbox, ListRequest(page, {}, order="recorded_at"))

    @strawberry.field(
        extensions=[Reads("usage:read")],
        description="Where every event that happened in a period is by now, each counted where it is.",
    )
    async def usage_conservation(
        self, info: Info, period: Annotated[PeriodInput, strawberry.argument(description="When they happened.")]
    ) -> UsageConservation:
        """The counts, all of one snapshot."""
        span = period.to_domain()
        return UsageConservation.of(span, await load_conservation(await info.context.db.snapshot(), span))


async def _conditions(info: Info, filter: UsageEventFilter | None) -> dict[str, Any]:
    if filter is None:
        return {}
    conditions = filter.conditions()
    key = given(filter.meter)
    if key is not None:
        meter = await info.context.loaders.get(MeterByKeyLoader).load(key)
        conditions["meter_id"] = NOBODY if meter is None else meter.id
    return conditions
