"""usageRecord, usageCorrect."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from app.api.execution.inputs import batch
from app.api.ids import CUSTOMER, SUBSCRIPTION, optional_uuid_of
from app.api.loaders.invoice import InvoiceLoader
from app.api.loaders.usage_event import UsageEventLoader
from app.api.mutations.payload import Change, Payload, Rehearsable, left_out, result
from app.api.permission import Writes
from app.api.scalars import Properties
from app.api.tenancy import Info
from app.api.types.enums import UsageVerdict
from app.api.types.input import given
from app.api.types.invoice import Invoice
from app.api.types.usage import UsageEvent
from app.operations.usage.correct import Correction, correct_usage
from app.operations.usage.record import EVENTS_MAX, NewEvent, record_usage


@strawberry.input(description="One measured fact.")
class UsageEventInput:
    """An event."""

    event_id: str = strawberry.field(description="The sender's id: the same source and id count once.")
    source: str = strawberry.field(default="api", description="Who sends it.")
    meter: str = strawberry.field(description="The key of the meter that counts it.")
    customer_id: strawberry.ID | None = left_out(
        "One of customerId, externalCustomerId and subscriptionId; the default customer where all are left out."
    )
    external_customer_id: str | None = left_out("The customer, by the organization's own id of it.")
    subscription_id: strawberry.ID | None = left_out("The subscription that it is for.")
    quantity: Decimal = strawberry.field(default=Decimal(1), description="How much, in the meter's units; 0 or more.")
    occurred_at: datetime | None = left_out(
        "Now where it is left out; from 35 days in the past to 15 minutes in the future."
    )
    properties: Properties | None = left_out("What else was measured.")


@strawberry.input(description="Events to record.")
class UsageRecordInput(Rehearsable):
    """Events."""

    events: list[UsageEventInput] = batch(EVENTS_MAX, f"At most {EVENTS_MAX:,}.")


@strawberry.type(description="What became of an event.")
class UsageEventResult:
    """What became of an event."""

    index: int = strawberry.field(description="Its place in the call, from 0.")
    event_id: str = strawberry.field(description="The sender's id of it.")
    verdict: UsageVerdict = strawberry.field(description="What became of it.")
    message: str | None = strawberry.field(description="Why, where it was not simply taken.")


@strawberry.type(description="Answered once the accepted events are durable.")
class UsageRecordPayload(Payload):
    """What became of the events."""

    accepted: int = strawberry.field(default=0, description="How many were new and are stored.")
    duplicates: int = strawberry.field(default=0, description="How many were counted before.")
    unmatched: int = strawberry.field(default=0, description="How many wait for what they name.")
    rejected: int = strawberry.field(default=0, description="How many are not stored.")
    every_result: strawberry.Private[list[UsageEventResult]] = strawberry.UNSET

    @strawberry.field(
        description=("A result for each event that was not simply ACCEPTED, in order; ask for all with all: true.")
    )
    def results(
        self, all: Annotated[bool, strawberry.argument(description="Those that were ACCEPTED too.")] = False
    ) -> list[UsageEventResult]:
        """The results that want attention, or all of them."""
        found = [] if self.every_result is strawberry.UNSET else self.every_result
        return [result for result in found if all or result.verdict is not UsageVerdict.ACCEPTED]


@strawberry.input(description="Which event, and what it counts for from now on.")
class UsageCorrectInput(Change):
    """A correction."""

    source: str = strawberry.field(default="api", description="Who sent it.")
    event_id: str = strawberry.field(description="The sender's id of it.")
    quantity: Decimal = strawberry.field(description="In the meter's units; 0 takes the event back.")
    reason: str = strawberry.field(description="Why; it stays beside the event.")


@strawberry.type(description="What came of a correction.")
class UsageCorrectPayload(Payload):
    """A corrected event, or why not."""

    event: UsageEvent | None = result("The event, as it was sent, with its corrections.")
    adjustment: Invoice | None = result(
        "Where the event's period is invoiced and an amount differs: the ADJUSTMENT that books the difference to that"
        " period. It is a DRAFT, gathers what is corrected until the next billing run, and is finalized by that; null"
        " to those who may not see drafts."
    )


@strawberry.type
class UsageMutations:
    """What can be done to usage."""

    @strawberry.mutation(
        extensions=[Writes("usage:record")],
        description="Records up to 1,000 events. The same source and eventId count once, however often they are sent.",
    )
    async def usage_record(self, info: Info, input: UsageRecordInput) -> UsageRecordPayload:
        """Record events."""
        results = await record_usage(info.context.db, [_event(event) for event in input.events])
        verdicts = [result.verdict for result in results]
        return UsageRecordPayload(
            accepted=verdicts.count(UsageVerdict.ACCEPTED),
            duplicates=verdicts.count(UsageVerdict.DUPLICATE),
            unmatched=verdicts.count(UsageVerdict.UNMATCHED),
            rejected=verdicts.count(UsageVerdict.REJECTED),
            every_result=[
                UsageEventResult(index=index, event_id=event.event_id, verdict=result.verdict, message=result.message)
                for index, (event, result) in enumerate(zip(input.events, results, strict=True))
            ],
        )

    @strawberry.mutation(
        extensions=[Writes("usage:correct")],
        description=(
            "Takes an event back, or gives it another quantity. The original stays, with its correction beside it;"
            " whatever counted it counts anew, an invoiced period by an adjustment."
        ),
    )
    async def usage_correct(self, info: Info, input: UsageCorrectInput) -> UsageCorrectPayload:
        """Correct an event."""
        correction = Correction(
            source=input.source, event_id=input.event_id, quantity=input.quantity, reason=input.reason
        )
        corrected = await correct_usage(info.context.db, correction)
        loaders = info.context.loaders
        adjustment_id = corrected.adjustment_id
        return UsageCorrectPayload(
            event=await loaders.get(UsageEventLoader).load(corrected.event_id),
            adjustment=None if adjustment_id is None else await loaders.get(InvoiceLoader).load(adjustment_id),
        )


def _event(event: UsageEventInput) -> NewEvent:
    return NewEvent(
        event_id=event.event_id,
        source=event.source,
        meter=event.meter,
        customer_id=optional_uuid_of(CUSTOMER, given(event.customer_id)),
        external_customer_id=given(event.external_customer_id),
        subscription_id=optional_uuid_of(SUBSCRIPTION, given(event.subscription_id)),
        quantity=event.quantity,
        occurred_at=given(event.occurred_at),
        properties=given(event.properties),
    )
