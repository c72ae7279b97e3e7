"""ledger.adjust, and what the books hold whatever is posted: balance, order, two times (E8, B2)."""

import asyncio
import itertools
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.ids import CUSTOMER, uuid_of
from app.domain.errors import Invalid
from app.operations.ledger.adjust import Adjustment, adjust_ledger
from app.store.balance import load_customer_balances, load_total_balances
from app.store.tables.organization import Mode
from app.store.tenancy import Database
from tests.caller import Caller, Founder
from tests.operations.steps import codes, customer, database_of, finalized, instant, refusal, set_clock

SELECT = """ledgerEntry { type description debit { amount currency } credit { amount currency }
runningBalance { amount currency } effectiveAt createdAt externalReference customer { isDefault } invoice { id } }"""
MOST = 2**53 - 1


async def adjust(caller: Caller, amount: int, **more: Any) -> dict[str, Any]:
    given = {"amount": amount, "currency": "USD", "description": "Frobozz", **more}
    return await caller.attempt("ledgerAdjust", given, SELECT)


@pytest.mark.parametrize(("amount", "debit", "credit"), [(77, 77, 0), (-77, 0, 77), (MOST, MOST, 0), (-MOST, 0, MOST)])
async def test_an_adjustment_raises_or_lowers_what_is_owed(
    tester: Caller, amount: int, debit: int, credit: int
) -> None:
    """Positive is a debit, negative a credit; for the default customer, now, where nothing else is said (E8)."""
    entry = (await adjust(tester, amount))["ledgerEntry"]
    assert entry == {
        "type": "ADJUSTMENT",
        "description": "Frobozz",
        "debit": {"amount": debit, "currency": "USD"},
        "credit": {"amount": credit, "currency": "USD"},
        "runningBalance": {"amount": amount, "currency": "USD"},
        "effectiveAt": "2026-05-20T00:00:00Z",
        "createdAt": "2026-05-20T00:00:00Z",
        "externalReference": None,
        "customer": {"isDefault": True},
        "invoice": None,
    }


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"amount": 0}, "INVALID", "amount"),
        ({"description": ""}, "INVALID", "description"),
        ({"description": "x" * 501}, "INVALID", "description"),
        ({"externalReference": "x" * 256}, "INVALID", "externalReference"),
        ({"customerId": "cus_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "customerId"),
        ({"customerId": "xyzzy"}, "NOT_FOUND", "customerId"),
        ({"invoiceId": "inv_01h455vb4pex5vsknk084sn02q"}, "NOT_FOUND", "invoiceId"),
    ],
)
async def test_an_adjustment_that_breaks_a_rule_posts_nothing(
    tester: Caller, change: dict[str, Any], code: str, path: str
) -> None:
    """0 changes nothing and is refused; so is what names nobody's customer or invoice."""
    payload = await tester.attempt(
        "ledgerAdjust", {"amount": 7, "currency": "USD", "description": "x", **change}, SELECT
    )
    assert (payload["ledgerEntry"], refusal(payload)) == (None, (code, path))
    assert await tester.data("{ ledgerEntries { totalCount } balances { amount } }") == {
        "ledgerEntries": {"totalCount": 0},
        "balances": [],
    }


@pytest.mark.parametrize("amount", [MOST + 1, -MOST - 1])
async def test_no_amount_is_beyond_2_53(tester: Caller, amount: int) -> None:
    """The API knows no such number; the operation itself, asked past it, refuses it at `amount` (M4, M24)."""
    answer = await tester.ask(
        "mutation($input: LedgerAdjustInput!) { ledgerAdjust(input: $input) { userErrors { code } } }",
        input={"amount": amount, "currency": "USD", "description": "Frobozz"},
    )
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
    with pytest.raises(Invalid) as refused:
        await adjust_ledger(tester.database, Adjustment(None, amount, "USD", "Frobozz", None, None, None))
    assert refused.value.path == ("amount",)
    assert (await tester.data("{ ledgerEntries { totalCount } }"))["ledgerEntries"]["totalCount"] == 0


async def test_a_balance_never_passes_its_bounds(tester: Caller) -> None:
    """2^53-1 and 1 more is refused either side of zero, and the balance stays."""
    for sign in (1, -1):
        customer_id = await customer(tester)
        await adjust(tester, sign * MOST, customerId=customer_id)
        assert refusal(await adjust(tester, sign, customerId=customer_id)) == ("INVALID", "amount")
        assert codes(await adjust(tester, -sign, customerId=customer_id)) == []
        read = "query($id: ID!) { customer(id: $id) { balances { amount } ledgerEntries { totalCount } } }"
        assert (await tester.data(read, id=customer_id))["customer"] == {
            "balances": [{"amount": sign * (MOST - 1)}],
            "ledgerEntries": {"totalCount": 2},
        }


async def test_an_adjustment_belongs_to_its_own_customers_invoice(tester: Caller) -> None:
    """Of another customer it is INVALID, in another currency CURRENCY_MISMATCH."""
    other = await customer(tester)
    invoice_id = await finalized(tester, 700)
    assert refusal(await adjust(tester, -7, invoiceId=invoice_id, customerId=other)) == ("INVALID", "invoiceId")
    assert refusal(await adjust(tester, -7, invoiceId=invoice_id, currency="EUR")) == ("CURRENCY_MISMATCH", "currency")
    entry = (await adjust(tester, -7, invoiceId=invoice_id))["ledgerEntry"]
    assert (entry["invoice"], entry["runningBalance"]["amount"]) == ({"id": invoice_id}, 693)


async def test_each_currency_has_its_own_balance(tester: Caller) -> None:
    """Nothing is converted; balances come in the order of their codes."""
    for amount, currency in [(7, "USD"), (-70, "JPY"), (700, "USD"), (1, "KWD")]:
        await adjust(tester, amount, currency=currency)
    found = await tester.data(
        "{ balances { amount currency decimal } customers { nodes { balances { amount currency } } } }"
    )
    assert found["balances"] == [
        {"amount": -70, "currency": "JPY", "decimal": "-70"},
        {"amount": 1, "currency": "KWD", "decimal": "0.001"},
        {"amount": 707, "currency": "USD", "decimal": "7.07"},
    ]
    assert [balance["amount"] for balance in found["customers"]["nodes"][0]["balances"]] == [-70, 1, 707]


async def test_a_correction_counts_from_then_and_was_known_from_now(
    tester: Caller, administrator: asyncpg.Connection
) -> None:
    """asOf asks what counted at an instant, knownAt what was recorded by one; both are inclusive."""
    await set_clock(administrator, tester, "2026-06-10T00:00:00Z")
    await adjust(tester, 900, effectiveAt="2026-06-01T00:00:00Z")
    await set_clock(administrator, tester, "2026-06-20T00:00:00Z")
    await adjust(tester, -50, effectiveAt="2026-06-05T00:00:00Z")
    await adjust(tester, 8000, effectiveAt="2026-07-01T00:00:00Z")
    read = """query($asOf: DateTime, $knownAt: DateTime) { balances(asOf: $asOf, knownAt: $knownAt) { amount }
    customers { nodes { balances(asOf: $asOf, knownAt: $knownAt) { amount } } } }"""
    for as_of, known_at, amount in [
        (None, None, 8850),
        ("2026-05-31T23:59:59.999999Z", None, None),
        ("2026-06-01T00:00:00Z", None, 900),
        ("2026-06-05T00:00:00Z", None, 850),
        ("2026-06-05T00:00:00Z", "2026-06-19T23:59:59.999999Z", 900),
        ("2026-06-05T00:00:00Z", "2026-06-20T00:00:00Z", 850),
        (None, "2026-06-09T00:00:00Z", None),
        (None, "2026-06-10T00:00:00Z", 900),
        ("2026-06-30T00:00:00Z", None, 850),
        ("9999-12-31T00:00:00Z", "9999-12-31T00:00:00Z", 8850),
        ("1000-01-01T00:00:00Z", None, None),
    ]:
        found = await tester.data(read, asOf=as_of, knownAt=known_at)
        expected = [] if amount is None else [{"amount": amount}]
        assert found["balances"] == found["customers"]["nodes"][0]["balances"] == expected


async def test_thirty_at_once_follow_each_other(tester: Caller, administrator: asyncpg.Connection) -> None:
    """Parallel postings to one statement are ordered: each running balance is the sum up to it."""
    answers = await asyncio.gather(*(adjust(tester, amount) for amount in range(1, 31)))
    assert all(codes(answer) == [] for answer in answers)
    await check_books(administrator, tester)
    assert (await tester.data("{ balances { amount } }"))["balances"] == [{"amount": sum(range(1, 31))}]


async def check_books(administrator: asyncpg.Connection, caller: Caller) -> None:
    """Every transaction sums to 0 per currency with two postings or more; running balances follow; kept is summed."""
    organization_id = caller.database.organization_id
    unbalanced = await administrator.fetch(
        """select transaction_id, currency from ledger_entries where organization_id = $1
        group by transaction_id, currency having sum(debit_minor - credit_minor) <> 0 or count(*) < 2""",
        organization_id,
    )
    assert unbalanced == []
    entries = await administrator.fetch(
        """select customer_id, currency, sequence, debit_minor - credit_minor as difference, running_balance_minor,
        created_at from ledger_entries where organization_id = $1 and customer_id is not null
        order by customer_id, currency, sequence""",
        organization_id,
    )
    kept = {
        (row["customer_id"], row["currency"]): row["balance_minor"]
        for row in await administrator.fetch(
            "select customer_id, currency, balance_minor from accounts where organization_id = $1 and code = $2",
            organization_id,
            "RECEIVABLE",
        )
    }
    for whose, group in itertools.groupby(entries, key=lambda entry: (entry["customer_id"], entry["currency"])):
        statement = list(group)
        assert [entry["sequence"] for entry in statement] == list(range(1, len(statement) + 1))
        sums = list(itertools.accumulate(entry["difference"] for entry in statement))
        assert [entry["running_balance_minor"] for entry in statement] == sums
        assert [entry["created_at"] for entry in statement] == sorted(entry["created_at"] for entry in statement)
        assert kept[whose] == sums[-1]


BEGIN = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
HOURS = st.integers(-500, 500)
POSTING = st.tuples(
    st.integers(0, 2),
    st.integers(-(10**9), 10**9).filter(bool),
    st.sampled_from(["USD", "JPY"]),
    st.one_of(st.none(), HOURS),
    HOURS,
)


@pytest.fixture(scope="module")
async def bookkeeper(founder: Founder) -> Caller:
    return await founder.organization(mode=Mode.TEST, test_clock=instant("2026-01-01T00:00:00Z"))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    history=st.lists(POSTING, max_size=12),
    questions=st.lists(st.tuples(st.none() | HOURS, st.none() | HOURS), max_size=6),
)
async def test_balances_are_a_replay_from_zero(
    bookkeeper: Caller,
    database: Database,
    owner_url: str,
    history: list[tuple[int, int, str, int | None, int]],
    questions: list[tuple[int | None, int | None]],
) -> None:
    """After any history, told in any order of time, a balance sums what its two instants let in (B2, M43)."""
    caller = bookkeeper
    ids = [uuid_of(CUSTOMER, await customer(caller)) for _ in range(3)]
    oracle: list[tuple[int, str, int, datetime, datetime]] = []
    recorded: dict[tuple[int, str], datetime] = {}
    for who, amount, currency, effective, now in history:
        at = BEGIN + timedelta(hours=now)
        counts_from = None if effective is None else BEGIN + timedelta(hours=effective)
        adjustment = Adjustment(ids[who], amount, currency, "Frobozz", None, counts_from, None)
        await adjust_ledger(database_of(database, caller, at), adjustment)
        # A statement is recorded in order: a clock that stands earlier than its last entry waits for it.
        recorded[who, currency] = created = max(at, recorded.get((who, currency), at))
        oracle.append((who, currency, amount, counts_from or created, created))
    async with database_of(database, caller).read() as tx:
        for as_of, known_at in [(None, None), *questions]:
            until, known = (None if h is None else BEGIN + timedelta(hours=h) for h in (as_of, known_at))
            expected: dict[tuple[int, str], int] = {}
            for who, currency, amount, effective_at, created_at in oracle:
                if (until is None or effective_at <= until) and (known is None or created_at <= known):
                    expected[who, currency] = expected.get((who, currency), 0) + amount
            rows = await load_customer_balances(tx, ids, until, known)
            assert {(ids.index(row[0]), row[1]): row[2] for row in rows} == expected
    administrator = await asyncpg.connect(owner_url)
    try:
        await check_books(administrator, caller)
        kept = dict(
            await administrator.fetch(
                """select currency, sum(debit_minor - credit_minor) from ledger_entries
                where organization_id = $1 and customer_id is not null group by currency""",
                caller.database.organization_id,
            )
        )
    finally:
        await administrator.close()
    async with database_of(database, caller).read() as tx:
        assert {row[0]: Decimal(row[1]) for row in await load_total_balances(tx, None, None)} == kept


async def test_the_whole_life_of_invoices_keeps_the_books(tester: Caller, administrator: asyncpg.Connection) -> None:
    """Charges, payments (partial and over), voids and adjustments side by side: every transaction balances."""
    for number in range(6):
        invoice_id = await finalized(tester, 700 + number)
        match number % 3:
            case 0:
                await tester.change("invoiceVoid", {"invoiceId": invoice_id}, "invoice { id }")
            case 1:
                for amount in (7, 1000):
                    await tester.change(
                        "invoiceMarkPaid", {"invoiceId": invoice_id, "amount": amount}, "invoice { id }"
                    )
            case _:
                await adjust(tester, -70, invoiceId=invoice_id)
    await check_books(administrator, tester)
