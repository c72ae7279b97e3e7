"""A year of months anchored on the 31st, in America/New_York."""

from tests.operations.steps import plan, subscription
from tests.stories.conftest import Company
from tests.stories.telling import advance, invoices, lines


async def test_a_year_of_months_anchored_on_the_31st(company: Company) -> None:
    """M46: each boundary is counted from the 31st at local midnight, clamped to the month's end, through both changes
    of the clock; each month is billed once and whole."""
    caller = await company("2026-01-31T05:00:00Z", time_zone="America/New_York")
    await plan(caller, "pro", 9900)
    subscription_id = await subscription(caller)
    await advance(caller, "2027-01-31T05:00:00Z")
    found = await invoices(caller, subscription_id)
    assert [invoice["period"]["start"] for invoice in found] == [
        "2026-01-31T05:00:00Z",
        "2026-02-28T05:00:00Z",
        "2026-03-31T04:00:00Z",
        "2026-04-30T04:00:00Z",
        "2026-05-31T04:00:00Z",
        "2026-06-30T04:00:00Z",
        "2026-07-31T04:00:00Z",
        "2026-08-31T04:00:00Z",
        "2026-09-30T04:00:00Z",
        "2026-10-31T04:00:00Z",
        "2026-11-30T05:00:00Z",
        "2026-12-31T05:00:00Z",
    ]
    assert [lines(invoice) for invoice in found] == [[("BASE_FEE", 9900)]] * 12
    assert [invoice["finalizedAt"] for invoice in found] == [invoice["period"]["end"] for invoice in found]
    assert [invoice["number"] for invoice in found][-3:] == ["INV-2026-0010", "INV-2026-0011", "INV-2027-0001"]
