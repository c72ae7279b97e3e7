"""Invoice numbers: gapless and unique per issuer and year, drawn by the finalizing transaction (E6, M10, M11)."""

import asyncio
from datetime import UTC, datetime

import asyncpg
import pytest

from app.api.ids import INVOICE, uuid_of
from app.operations.invoice.finalize import finalize_invoice
from app.store.finalization import finalize_draft
from app.store.invoice import lock_invoice
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from tests.caller import Caller, Founder
from tests.operations.steps import database_of, draft, finalized, instant, set_clock

NUMBERS = "{ invoices(first: 100, orderBy: {field: FINALIZED_AT, direction: ASC}) { nodes { number status } } }"


async def number_of(caller: Caller, invoice_id: str) -> str | None:
    return (await caller.data("query($id: ID!) { invoice(id: $id) { number } }", id=invoice_id))["invoice"]["number"]


@pytest.mark.parametrize(
    ("zone", "now", "number"),
    [
        ("UTC", "2026-12-31T23:30:00Z", "INV-2026-0001"),
        ("Asia/Tokyo", "2026-12-31T23:30:00Z", "INV-2027-0001"),
        ("America/New_York", "2027-01-01T04:59:59Z", "INV-2026-0001"),
        ("America/New_York", "2027-01-01T05:00:00Z", "INV-2027-0001"),
        ("Pacific/Kiritimati", "2026-12-31T10:00:00Z", "INV-2027-0001"),
    ],
)
async def test_the_year_is_the_issuers(founder: Founder, zone: str, now: str, number: str) -> None:
    """M10: counted in the issuer's time zone, so that 23:30 in London's New Year's Eve is next year in Tokyo."""
    caller = await founder.organization(mode=Mode.TEST, test_clock=instant(now), time_zone=zone)
    assert await number_of(caller, await finalized(caller, 7)) == number


async def test_each_year_and_each_issuer_counts_for_itself(
    tester: Caller, stranger: Caller, administrator: asyncpg.Connection
) -> None:
    """M10: a series leaks nothing of another tenant's volume, and begins anew with each year."""
    found = [await number_of(tester, await finalized(tester, 7)) for _ in range(2)]
    other = await number_of(stranger, await finalized(stranger, 7))
    await set_clock(administrator, tester, "2027-01-01T00:00:00Z")
    found.append(await number_of(tester, await finalized(tester, 7)))
    assert found == ["INV-2026-0001", "INV-2026-0002", "INV-2027-0001"]
    assert other == f"INV-{datetime.now(UTC).year}-0001"


async def test_a_deleted_draft_wastes_no_number(tester: Caller) -> None:
    """E5: a draft waits without a number, and the first that is finalized has the first."""
    deleted, kept = await draft(tester, 7), await draft(tester, 7)
    assert await number_of(tester, deleted) is await number_of(tester, kept) is None
    await tester.change("invoiceDeleteDraft", {"invoiceId": deleted}, "deletedId")
    await tester.change("invoiceFinalize", {"invoiceId": kept}, "invoice { id }")
    assert await number_of(tester, kept) == "INV-2026-0001"


async def test_9_999_is_followed_by_10_000(tester: Caller, administrator: asyncpg.Connection) -> None:
    """M12: at least four digits and as many as it takes; none is cut off, none comes twice."""
    await finalized(tester, 7)
    await administrator.execute(
        "update invoice_numbers set last_value = 9998 where organization_id = $1", tester.database.organization_id
    )
    found = [await number_of(tester, await finalized(tester, 7)) for _ in range(3)]
    assert found == ["INV-2026-9999", "INV-2026-10000", "INV-2026-10001"]


async def test_sixty_at_once_with_a_fifth_undone_leave_no_gap(
    tester: Caller, database: Database, administrator: asyncpg.Connection
) -> None:
    """M11: twelve of sixty are rolled back after they drew their number; the others have 1 to 48 exactly."""
    drafts = [await draft(tester, 7) for _ in range(60)]

    async def finalize(place: int, invoice_id: str) -> None:
        handle = database_of(database, tester)
        await handle.hold_write()
        try:
            await finalize_invoice(handle, uuid_of(INVOICE, invoice_id), due_in_days=None, expected_version=None)
        finally:
            await handle.release(commit=place % 5 != 0)

    gate = asyncio.Semaphore(7)

    async def one_of_seven(place: int, invoice_id: str) -> None:
        async with gate:
            await finalize(place, invoice_id)

    await asyncio.gather(*(one_of_seven(place, invoice_id) for place, invoice_id in enumerate(drafts)))
    found = (await tester.data(NUMBERS))["invoices"]["nodes"]
    numbers = sorted(node["number"] for node in found if node["number"])
    assert numbers == [f"INV-2026-{n:04}" for n in range(1, 49)]
    assert [node["status"] for node in found].count("DRAFT") == 12
    charges = await administrator.fetchval(
        "select count(*) from ledger_entries where organization_id = $1 and type = 'CHARGE' and sequence is not null",
        tester.database.organization_id,
    )
    assert charges == 48


async def test_twenty_four_at_once_with_a_third_failing_leave_no_gap(
    tester: Caller, database: Database, administrator: asyncpg.Connection
) -> None:
    """M11: eight of 24 fail after they drew their number, inside the transaction; the others have 1 to 16 exactly."""
    drafts = [await draft(tester, 7) for _ in range(24)]

    class Torn(Exception):
        pass

    async def finalize(place: int, invoice_id: str) -> str | None:
        async with database_of(database, tester).write() as tx:
            found = await lock_invoice(tx, uuid_of(INVOICE, invoice_id))
            assert found is not None
            final = await finalize_draft(tx, found)
            if place % 3 == 1:
                raise Torn
            return final.number

    done = await asyncio.gather(*(finalize(*each) for each in enumerate(drafts)), return_exceptions=True)
    assert sum(isinstance(each, Torn) for each in done) == 8
    numbers = sorted(each for each in done if isinstance(each, str))
    assert numbers == [f"INV-2026-{n:04}" for n in range(1, 17)]
    found = (await tester.data(NUMBERS))["invoices"]["nodes"]
    assert sorted(node["number"] for node in found if node["number"]) == numbers
    assert await number_of(tester, await finalized(tester, 7)) == "INV-2026-0017"
    counted = "select last_value from invoice_numbers where organization_id = $1"
    assert await administrator.fetchval(counted, tester.database.organization_id) == 17


async def test_of_two_drafts_the_first_voided_the_second_is_the_first(tester: Caller) -> None:
    """M13: a voided draft has no number to waste, and a voided invoice keeps its own: golden INV-2026-0001."""
    first, second, third = [await draft(tester, 7) for _ in range(3)]
    await tester.change("invoiceVoid", {"invoiceId": first}, "invoice { number }")
    for invoice_id in (second, third):
        await tester.change("invoiceFinalize", {"invoiceId": invoice_id}, "invoice { number }")
    await tester.change("invoiceVoid", {"invoiceId": second}, "invoice { number }")
    found = [await number_of(tester, invoice_id) for invoice_id in (first, second, third)]
    assert found == [None, "INV-2026-0001", "INV-2026-0002"]


async def test_twenty_who_finalize_one_draft_at_once_number_and_charge_it_once(tester: Caller) -> None:
    """M11: one succeeds, nineteen are INVALID_STATE, one CHARGE is written and no number burnt."""
    invoice_id = await draft(tester, 7)
    answers = await asyncio.gather(
        *(tester.attempt("invoiceFinalize", {"invoiceId": invoice_id}, "invoice { number }") for _ in range(20))
    )
    assert sorted(str(answer["invoice"]) for answer in answers) == ["None"] * 19 + ["{'number': 'INV-2026-0001'}"]
    assert (await tester.data("{ ledgerEntries { totalCount } }"))["ledgerEntries"]["totalCount"] == 1
    assert await number_of(tester, await finalized(tester, 7)) == "INV-2026-0002"
