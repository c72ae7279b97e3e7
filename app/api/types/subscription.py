"""A customer's commitment to a plan."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from app.api.ids import SUBSCRIPTION
from app.api.loaders.customer import CustomerLoader
from app.api.loaders.loader import batched, loaded
from app.api.loaders.plan import PlanLoader
from app.api.loaders.subscription import CurrentPeriodLoader, PendingAdjustmentsLoader, UpcomingBillLoader
from app.api.pagination import Connection, PageArguments, Paged
from app.api.scalars import Metadata
from app.api.tenancy import Info
from app.api.types.argument import GroupBy, MeterKey, Window
from app.api.types.enums import SubscriptionStatus, UsageWindow
from app.api.types.filters import InvoiceFilter, InvoiceOrder, invoices_under
from app.api.types.input import given
from app.api.types.invoice import InvoicePreview, preview_of, preview_of_adjustment
from app.api.types.money import Period, PeriodInput, as_shown
from app.api.types.node import Node, OrganizationOwned, id_field, owner_field
from app.api.types.reference import CustomerRef, InvoiceRef, OrganizationRef, PlanRef
from app.api.types.usage import SeriesArguments, UsageSeries, usage_series
from app.store.subscription import SubscriptionRow
from app.store.tables import Subscription as Row


@strawberry.type(description="A customer's commitment to a plan.")
class Subscription(Node, OrganizationOwned):
    """A subscription as it is at the tenant's now; its values are the store's rows."""

    id: strawberry.ID = id_field(SUBSCRIPTION)
    organization: OrganizationRef = owner_field()
    customer: CustomerRef = loaded(CustomerLoader, "customer_id", "Who is billed.")
    plan: PlanRef = loaded(PlanLoader, "plan_id", "The plan version that it is on.")
    status: SubscriptionStatus = strawberry.field(description="Where it is in its life.")
    quantity: int = strawberry.field(description="Seats: the base price is charged for each.")
    current_period: Period = loaded(
        CurrentPeriodLoader, "id", "The period that is running by the tenant's clock; the last one once it has ended."
    )
    billing_anchor: datetime = strawberry.field(
        description="Every period boundary is counted from here, in the organization's time zone."
    )
    trial_end: datetime | None = strawberry.field(
        description="When its trial ends or ended, if it has one; the base fee starts with the period that begins then."
    )
    cancel_requested_at: datetime | None = strawberry.field(description="When a cancellation was asked for.")
    cancel_at: datetime | None = strawberry.field(description="When it ends, once a cancellation is requested.")
    ended_at: datetime | None = strawberry.field(description="When it ended, once it has.")
    paused_at: datetime | None = strawberry.field(description="Since when it is PAUSED, while it is.")
    resumes_at: datetime | None = strawberry.field(description="When its pause ends by itself, if it does.")
    version: int = strawberry.field(description="Grows with each change; give it as expectedVersion.")
    created_at: datetime = strawberry.field(description="When it was made.")
    updated_at: datetime = strawberry.field(description="When it was last changed.")

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        """Whether a value is a subscription's row."""
        return isinstance(value, SubscriptionRow)

    @strawberry.field(description="Whatever the organization keeps with it.")
    def metadata(subscription: strawberry.Parent[Row]) -> Metadata:
        """The metadata."""
        return Metadata(subscription.properties)

    @strawberry.field(description="How much of a meter it used, in buckets; in its current period where none is given.")
    async def usage(
        subscription: strawberry.Parent[Row],
        info: Info,
        meter: MeterKey,
        period: Annotated[
            PeriodInput | None,
            strawberry.argument(description="The whole span; the current period where it is left out."),
        ] = strawberry.UNSET,
        window: Window = UsageWindow.DAY,
        group_by: GroupBy = strawberry.UNSET,
    ) -> UsageSeries:
        """A series of its usage."""
        asked = given(period)
        if asked is None:
            span = await info.context.loaders.get(CurrentPeriodLoader).load(subscription.id)
        else:
            span = asked.to_domain()
        arguments = SeriesArguments(meter, span, window, tuple(given(group_by) or ()))
        return await usage_series(
            info, arguments, subscription_id=subscription.id, customer_id=subscription.customer_id
        )

    @batched("id", "Its invoices, the newest first.", [Paged()])
    def invoices(
        info: Info,
        page: PageArguments,
        filter: InvoiceFilter | None = strawberry.UNSET,
        order_by: InvoiceOrder | None = strawberry.UNSET,
    ) -> Connection[InvoiceRef]:
        """A page of its invoices."""
        return as_shown(invoices_under(info, "subscription", page, filter, order_by))

    @strawberry.field(description="The invoice that the current period would give if it ended now. Nothing is stored.")
    async def upcoming_invoice(subscription: strawberry.Parent[Row], info: Info) -> InvoicePreview:
        """What the current period would cost."""
        return preview_of(await info.context.loaders.get(UpcomingBillLoader).load(subscription.id))

    @strawberry.field(
        description=(
            "What the next billing run would book for periods that are invoiced already and whose usage changed since:"
            " an ADJUSTMENT for each, below 0 where it gives back. Nothing is stored."
        )
    )
    async def pending_adjustments(subscription: strawberry.Parent[Row], info: Info) -> list[InvoicePreview]:
        """What late and corrected usage would cost."""
        adjustments = await info.context.loaders.get(PendingAdjustmentsLoader).load(subscription.id)
        return [preview_of_adjustment(adjustment) for adjustment in adjustments]
