"""subscriptionCreate, subscriptionChangePlan, subscriptionCancel, subscriptionPause, subscriptionResume."""

from datetime import datetime
from uuid import UUID

import strawberry

from app.api.ids import CUSTOMER, SUBSCRIPTION, optional_uuid_of, uuid_of
from app.api.loaders.invoice import InvoiceLoader
from app.api.loaders.subscription import SubscriptionLoader
from app.api.mutations.payload import EXPECTED_VERSION, Change, Payload, left_out, result
from app.api.permission import Writes
from app.api.scalars import Metadata
from app.api.tenancy import Info
from app.api.types.enums import CancelTiming, ProrationBehavior
from app.api.types.input import given
from app.api.types.invoice import Invoice
from app.api.types.subscription import Subscription
from app.operations.subscription.cancel import Cancellation, cancel_subscription
from app.operations.subscription.change_plan import PlanChange, change_subscription_plan
from app.operations.subscription.create import NewSubscription, create_subscription
from app.operations.subscription.pause import pause_subscription
from app.operations.subscription.resume import resume_subscription


@strawberry.input(description="A new subscription.")
class SubscriptionCreateInput(Change):
    """A new subscription."""

    customer_id: strawberry.ID | None = left_out("The organization's default customer where it is left out.")
    plan_key: str = strawberry.field(description="Which plan.")
    plan_version: int | None = left_out("The newest active version where it is left out.")
    quantity: int = strawberry.field(default=1, description="Seats: the base price is charged for each.")
    start_at: datetime | None = left_out(
        "Now where it is left out. It may lie in the past: the periods since then are billed by the next run."
    )
    billing_anchor: datetime | None = left_out(
        "What every period boundary is counted from: the trial's end, or the start, where it is left out."
    )
    metadata: Metadata | None = left_out("Whatever the organization keeps with it.")


@strawberry.input(description="What a subscription changes to.")
class SubscriptionChangePlanInput(Change):
    """A change of plan."""

    subscription_id: strawberry.ID = strawberry.field(description="Which subscription.")
    plan_key: str = strawberry.field(description="Which plan; the same one where only the seats change.")
    plan_version: int | None = left_out(
        "The newest active version where it is left out; the version that it is on may be archived."
    )
    quantity: int | None = left_out("Seats: the same as before where it is left out.")
    proration: ProrationBehavior = strawberry.field(
        default=ProrationBehavior.PRORATE_NEXT, description="What the change does to the money of the current period."
    )
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.input(description="From now on there is no base fee.")
class SubscriptionPauseInput(Change):
    """A pause."""

    subscription_id: strawberry.ID = strawberry.field(description="Which subscription.")
    resumes_at: datetime | None = left_out("When it resumes by itself; when it is resumed, where it is left out.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.input(description="The pause ends now.")
class SubscriptionResumeInput(Change):
    """The end of a pause."""

    subscription_id: strawberry.ID = strawberry.field(description="Which subscription.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.input(description="When a subscription ends.")
class SubscriptionCancelInput(Change):
    """A cancellation."""

    subscription_id: strawberry.ID = strawberry.field(description="Which subscription.")
    timing: CancelTiming = strawberry.field(default=CancelTiming.PERIOD_END, description="When it takes effect.")
    at: datetime | None = left_out("For AT.")
    reason: str | None = left_out("Why, for the record.")
    expected_version: int | None = left_out(EXPECTED_VERSION)


@strawberry.type(description="What came of a change to a subscription.")
class SubscriptionPayload(Payload):
    """A subscription, or why not."""

    subscription: Subscription | None = result("The subscription as it is now.")
    invoice: Invoice | None = result("What the change billed at once, if anything.")


@strawberry.type
class SubscriptionMutations:
    """What can be done to subscriptions."""

    @strawberry.mutation(extensions=[Writes("subscription:create")], description="Subscribes a customer to a plan.")
    async def subscription_create(self, info: Info, input: SubscriptionCreateInput) -> SubscriptionPayload:
        """Subscribe a customer."""
        new = NewSubscription(
            customer_id=optional_uuid_of(CUSTOMER, given(input.customer_id)),
            plan_key=input.plan_key,
            plan_version=given(input.plan_version),
            quantity=input.quantity,
            start_at=given(input.start_at),
            billing_anchor=given(input.billing_anchor),
            metadata=given(input.metadata),
        )
        return await _payload(info, *await create_subscription(info.context.db, new))

    @strawberry.mutation(
        extensions=[Writes("subscription:change_plan")],
        description=(
            "Puts a subscription on another plan version, or gives it other seats, from now on. Usage belongs to the"
            " plan that was in force when it occurred."
        ),
    )
    async def subscription_change_plan(self, info: Info, input: SubscriptionChangePlanInput) -> SubscriptionPayload:
        """Change a subscription's plan."""
        subscription_id = uuid_of(SUBSCRIPTION, input.subscription_id)
        change = PlanChange(
            plan_key=input.plan_key,
            plan_version=given(input.plan_version),
            quantity=given(input.quantity),
            proration=input.proration,
            expected_version=given(input.expected_version),
        )
        invoice_id = await change_subscription_plan(info.context.db, subscription_id, change)
        return await _payload(info, subscription_id, invoice_id)

    @strawberry.mutation(
        extensions=[Writes("subscription:cancel")],
        description=(
            "Sets the end. NOW (and AT a past instant) bills the last part at once: the base fee prorated, usage as it"
            " was."
        ),
    )
    async def subscription_cancel(self, info: Info, input: SubscriptionCancelInput) -> SubscriptionPayload:
        """Cancel a subscription."""
        subscription_id = uuid_of(SUBSCRIPTION, input.subscription_id)
        cancellation = Cancellation(
            timing=input.timing,
            at=given(input.at),
            reason=given(input.reason),
            expected_version=given(input.expected_version),
        )
        invoice_id = await cancel_subscription(info.context.db, subscription_id, cancellation)
        return await _payload(info, subscription_id, invoice_id)

    @strawberry.mutation(
        extensions=[Writes("subscription:pause")],
        description=(
            "Stops the base fee from now on; usage stays billable. What was paid in advance is credited on the next"
            " invoice."
        ),
    )
    async def subscription_pause(self, info: Info, input: SubscriptionPauseInput) -> SubscriptionPayload:
        """Pause a subscription."""
        subscription_id = uuid_of(SUBSCRIPTION, input.subscription_id)
        await pause_subscription(
            info.context.db,
            subscription_id,
            resumes_at=given(input.resumes_at),
            expected_version=given(input.expected_version),
        )
        return await _payload(info, subscription_id, None)

    @strawberry.mutation(
        extensions=[Writes("subscription:resume")], description="Ends a pause: the base fee counts again from now on."
    )
    async def subscription_resume(self, info: Info, input: SubscriptionResumeInput) -> SubscriptionPayload:
        """Resume a subscription."""
        subscription_id = uuid_of(SUBSCRIPTION, input.subscription_id)
        await resume_subscription(info.context.db, subscription_id, expected_version=given(input.expected_version))
        return await _payload(info, subscription_id, None)


async def _payload(info: Info, subscription_id: UUID, invoice_id: UUID | None) -> SubscriptionPayload:
    loaders = info.context.loaders
    return SubscriptionPayload(
        subscription=await loaders.get(SubscriptionLoader).load(subscription_id),
        invoice=None if invoice_id is None else await loaders.get(InvoiceLoader).load(invoice_id),
    )
