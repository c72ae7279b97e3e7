"""billingRun."""

from datetime import datetime
from typing import Final

import strawberry

from app.api.loaders.loader import loaded
from app.api.loaders.subscription import SubscriptionLoader
from app.api.mutations.payload import Change, Payload, left_out
from app.api.permission import Writes
from app.api.tenancy import Info
from app.api.types.input import given
from app.api.types.money import as_shown
from app.api.types.reference import SubscriptionRef
from app.operations.billing.run import run_billing

SECONDS_MAX: Final = 4
"""How long a run may take before it leaves the rest to another; a chunk that has begun is ended."""


@strawberry.input(description="What to bill.")
class BillingRunInput(Change):
    """A run."""

    until: datetime | None = left_out("Bill the periods that have ended by then: now where it is left out.")


@strawberry.type(
    description="A subscription whose billing failed. The others were billed, and the next run tries it again."
)
class BillingFailure:
    """A failure; its values are the operation's."""

    subscription: SubscriptionRef = loaded(SubscriptionLoader, "subscription_id", "Which subscription.")
    message: str = strawberry.field(description="Why, and what to do.")


@strawberry.type(description="What a billing run made.")
class BillingRunPayload(Payload):
    """What a run made, or why it did not begin."""

    invoices_generated: int = strawberry.field(default=0, description="How many invoices were made and finalized.")
    failures: list[BillingFailure] = strawberry.field(
        default_factory=list, description="What could not be billed, with nothing of it stored."
    )
    remaining: int = strawberry.field(
        default=0, description="How many subscriptions are still due since the time was up: a job goes on with them."
    )


@strawberry.type
class BillingMutations:
    """What can be done to the billing of all subscriptions."""

    @strawberry.mutation(
        extensions=[Writes("billing:run")],
        description="Bills every period of the active organization that has ended, as the daily run does.",
    )
    async def billing_run(self, info: Info, input: BillingRunInput) -> BillingRunPayload:
        """Bill what is due."""
        summary = await run_billing(info.context.db, given(input.until), seconds=SECONDS_MAX)
        return BillingRunPayload(
            invoices_generated=summary.invoices,
            failures=as_shown(summary.failures),
            remaining=summary.remaining,
        )
