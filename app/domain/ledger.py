"""Double entry: what each business event posts, and that it balances."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.domain.errors import Invalid
from app.domain.money import MINOR_MAX


class AccountCode(StrEnum):
    """The accounts of an organization's billing ledger; a RECEIVABLE is one customer's, in one currency."""

    RECEIVABLE = "RECEIVABLE"
    REVENUE = "REVENUE"
    CASH = "CASH"
    ADJUSTMENTS = "ADJUSTMENTS"


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
"""What stands against the customer's receivable, by type."""

RAISES: frozenset[EntryType] = frozenset({EntryType.CHARGE, EntryType.REFUND})
"""The types that raise what the customer owes. REFUND pays credit out, so the balance ends where it was (M8)."""


def postings_for(entry: EntryType, amount: int) -> tuple[Posting, Posting]:
    """The receivable's posting and its counterpart for `amount` minor units; they sum to 0.

    `amount` is above 0, but for ADJUSTMENT, where below 0 lowers what is owed. Raises Invalid for 0 or out of bounds.
    """
    if amount == 0:
        raise Invalid("An amount of 0 changes nothing: give another.", "amount")
    if abs(amount) > MINOR_MAX:
        raise Invalid("The amount is too large: at most 2^53-1 minor units.", "amount")
    raises = amount > 0 if entry is EntryType.ADJUSTMENT else entry in RAISES
    owed, against = AccountCode.RECEIVABLE, COUNTER_ACCOUNT[entry]
    units = abs(amount)
    if raises:
        return Posting(owed, debit=units), Posting(against, credit=units)
    return Posting(owed, credit=units), Posting(against, debit=units)


def is_balanced(postings: Sequence[Posting]) -> bool:
    """Whether debits equal credits over two postings or more."""
    return len(postings) >= 2 and sum(p.debit - p.credit for p in postings) == 0
