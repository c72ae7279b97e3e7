"""testClockAdvance."""

from datetime import datetime

import strawberry

from app.api.loaders.organization import OrganizationLoader
from app.api.mutations.organization import OrganizationPayload
from app.api.mutations.payload import Change
from app.api.permission import Writes
from app.api.tenancy import Info
from app.operations.test_clock.advance import advance_test_clock


@strawberry.input(description="How far a TEST organization's clock moves.")
class TestClockAdvanceInput(Change):
    """A step forward."""

    __test__ = False  # Pytest takes a class whose name begins so for a test.

    to: datetime = strawberry.field(description="Later than the clock stands, by at most two years.")


@strawberry.type
class ClockMutations:
    """What can be done to the clock of a TEST organization."""

    @strawberry.mutation(
        extensions=[Writes("test_clock:advance")],
        description=(
            "Moves a TEST organization's now forward, and does on the way, in order, all that falls due: trials end,"
            " periods are billed, pauses end, cancellations take effect."
        ),
    )
    async def test_clock_advance(self, info: Info, input: TestClockAdvanceInput) -> OrganizationPayload:
        """Move the clock."""
        await advance_test_clock(info.context.db, input.to)
        active = info.context.tenant.organization_id
        return OrganizationPayload(organization=await info.context.loaders.get(OrganizationLoader).load(active))
