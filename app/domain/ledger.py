"""Double entry: what each business event posts, and that it balances."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX


class AccountCode(StrEnum):
    """The accounts of an organization's billing ledger; RECEIVABLE and CUSTOMER_CREDIT are a customer's own."""

    RECEIVABLE = "RECEIVABLE"
    CUSTOMER_CREDIT = "CUSTOMER_CREDIT"
    REVENUE = "REVENUE"
    CASH = "CASH"
    ADJUSTMENTS = "ADJUSTMENTS"


CUSTOMERS_OWN: frozenset[AccountCode] = frozenset({AccountCode.RECEIVABLE, AccountCode.CUSTOMER_CREDIT})
"""One of each for a customer and a currency; their postings together are the customer's statement."""


class EntryType(StrEnum):
    """What an entry on a customer's statement is."""

    CHARGE = "CHARGE"
    PAYMENT = "PAYMENT"
    CREDIT = "CREDIT"
    REFUND = "REFUND"
    ADJUSTMENT = "ADJUSTMENT"


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a transaction: minor units, exactly one of the two above 0."""

    account: AccountCode
    debit: int = 0
    credit: int = 0


COUNTER_ACCOUNT: dict[EntryType, AccountCode] = {
    EntryType.CHARGE: AccountCode.REVENUE,
    EntryType.PAYMENT: AccountCode.CASH,
    EntryType.CREDIT: AccountCode.REVENUE,
    EntryType.REFUND: AccountCode.CASH,
    EntryType.ADJUSTMENT: AccountCode.ADJUSTMENTS,
}
"""What stands against the customer's own accounts, by type."""

RAISES: frozenset[EntryType] = frozenset({EntryType.CHARGE, EntryType.REFUND})
"""The types that raise what the customer owes. REFUND pays credit out, so the balance ends where it was (M8)."""


KEPT: frozenset[EntryType] = frozenset({EntryType.PAYMENT, EntryType.CREDIT})
"""The types of which a part, or all, may be kept as the customer's credit."""


def postings_for(entry: EntryType, amount: int, kept: int = 0) -> tuple[Posting, ...]:
    """The postings for `amount` minor units: the customer's own first, their counterpart last; they sum to 0.

    `amount` is above 0, but for ADJUSTMENT, where below 0 lowers what is owed. `kept`, 0 to `amount`, is the part of a
    PAYMENT or CREDIT that nothing was due for: it goes to CUSTOMER_CREDIT. Raises Invalid for 0 or out of bounds.
    """
    if amount == 0:
        raise Invalid("An amount of 0 changes nothing: give another.", "amount")
    if abs(amount) > MINOR_MAX:
        raise Invalid("The amount is too large: at most 2^53-1 minor units.", "amount")
    if kept and (entry not in KEPT or not 0 < kept <= amount):
        raise AssertionError("Only what came in, or was credited, can be kept.")
    raises = amount > 0 if entry is EntryType.ADJUSTMENT else entry in RAISES
    owed, against = AccountCode.RECEIVABLE, COUNTER_ACCOUNT[entry]
    units = abs(amount)
    if raises:
        return Posting(owed, debit=units), Posting(against, credit=units)
    settled = (Posting(owed, credit=units - kept),) if units > kept else ()
    credited = (Posting(AccountCode.CUSTOMER_CREDIT, credit=kept),) if kept else ()
    return *settled, *credited, Posting(against, debit=units)


def is_balanced(postings: Sequence[Posting]) -> bool:
    """Whether debits equal credits over two postings or more."""
    return len(postings) >= 2 and sum(p.debit - p.credit for p in postings) == 0
