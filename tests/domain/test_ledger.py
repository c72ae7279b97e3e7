"""What each business event posts: two sides that balance, and statements that end where they should."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Invalid
from app.domain.ledger import AccountCode, EntryType, is_balanced, postings_for
from app.domain.money import MINOR_MAX

CHARGE, PAYMENT, CREDIT, REFUND, ADJUSTMENT = EntryType


def owed(entry: EntryType, amount: int) -> int:
    """By how much the event raises what the customer owes: all of its postings but the counterpart, which is last."""
    return sum(posting.debit - posting.credit for posting in postings_for(entry, amount)[:-1])


@pytest.mark.parametrize(
    ("entry", "amount", "difference", "against"),
    [
        (CHARGE,      9900,  9900, AccountCode.REVENUE),
        (PAYMENT,     9900, -9900, AccountCode.CASH),
        (CREDIT,      9900, -9900, AccountCode.REVENUE),
        (REFUND,      9900,  9900, AccountCode.CASH),
        (ADJUSTMENT,  9900,  9900, AccountCode.ADJUSTMENTS),
        (ADJUSTMENT, -9900, -9900, AccountCode.ADJUSTMENTS),
    ],
)  # fmt: skip
def test_each_event_has_two_sides(entry: EntryType, amount: int, difference: int, against: AccountCode) -> None:
    """What a customer owes moves against the account that says why (E8, M9)."""
    assert owed(entry, amount) == difference
    assert postings_for(entry, amount)[-1].account is against


@pytest.mark.parametrize(
    ("events", "balances"),
    [
        ([(CHARGE, 9900), (PAYMENT, 9900)],                                      [9900, 0]),
        ([(CHARGE, 9900), (CREDIT, 9900), (CHARGE, 9900), (PAYMENT, 9900)],      [9900, 0, 9900, 0]),
        ([(CHARGE, 9900), (PAYMENT, 9900), (CREDIT, 5000), (REFUND, 5000)],      [9900, 0, -5000, 0]),
        ([(CHARGE, 9900), (PAYMENT, 4900), (ADJUSTMENT, -5000)],                 [9900, 5000, 0]),
    ],
)  # fmt: skip
def test_a_statement_ends_where_it_should(events: list[tuple[EntryType, int]], balances: list[int]) -> None:
    """A void takes its charge back; money that is credited and paid out is not the customer's twice (M8, E8)."""
    assert list(accumulate(owed(entry, amount) for entry, amount in events)) == balances


@given(st.sampled_from(EntryType), st.integers(1, MINOR_MAX))
def test_every_event_balances(entry: EntryType, amount: int) -> None:
    """Debits equal credits over two postings or more, whatever happened (M9)."""
    assert is_balanced(postings_for(entry, amount))


@pytest.mark.parametrize("amount", [0, MINOR_MAX + 1, -MINOR_MAX - 1])
def test_refuses_what_changes_nothing_or_too_much(amount: int) -> None:
    """0 is no event, and an amount lies within 2^53-1 either side of it."""
    with pytest.raises(Invalid):
        postings_for(ADJUSTMENT, amount)
