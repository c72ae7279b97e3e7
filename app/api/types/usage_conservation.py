"""Where every event of a period is."""

import strawberry

from app.api.types.money import Period, as_shown
from app.domain.period import Period as DomainPeriod
from app.store.conservation import Conservation


@strawberry.type(
    description="Every event that came in is somewhere: received = billed + pending + unmatched + corrected."
)
class UsageConservation:
    """Counts of a period's events, each counted where those events are."""

    period: Period = strawberry.field(description="When they happened.")
    received: int = strawberry.field(description="How many came in, each once.")
    billed: int = strawberry.field(description="On an invoice, or covered by an included allowance of one.")
    pending: int = strawberry.field(
        description="In a period that is not invoiced yet, or come after it was, for the next billing run."
    )
    unmatched: int = strawberry.field(description="Those that wait for their customer or meter.")
    corrected: int = strawberry.field(description="Taken back by a correction.")
    holds: bool = strawberry.field(description="Whether the counts add up.")

    @classmethod
    def of(cls, period: DomainPeriod, counted: Conservation) -> "UsageConservation":
        """The counts as they are shown."""
        return cls(period=as_shown(period), holds=counted.holds, **counted._asdict())
