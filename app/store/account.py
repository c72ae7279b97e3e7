"""The accounts that a batch of postings touches: found at once, opened where they are missing, moved at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from app.domain.errors import Invalid
from app.domain.ledger import CUSTOMERS_OWN, AccountCode
from app.domain.money import MINOR_MAX
from app.store.query import Query, Relation, columns_of, new_id
from app.store.tables import Account
from app.store.tenancy import WriteTransaction

accounts = Relation(Account)

AccountKey = tuple[AccountCode, str, UUID | None]
"""Code, currency and, where it is a customer's own, the customer."""

_TOUCHED: Final = Query(
    """
    select a.id, a.code, a.currency, a.customer_id, a.balance_minor, a.entry_count, a.last_posted_at
    from unnest(:customer_ids ::uuid[], :currencies ::text[]) as wanted (customer_id, currency)
    join accounts a on a.organization_id = :organization_id and a.ledger_id = :ledger_id
      and a.code in ('RECEIVABLE', 'CUSTOMER_CREDIT')
      and a.currency = wanted.currency and a.customer_id = wanted.customer_id
    union all
    select a.id, a.code, a.currency, null, null, null, null
    from accounts a
    where a.organization_id = :organization_id and a.ledger_id = :ledger_id
      and a.currency = any(:currencies ::text[]) and a.customer_id is null
    """
)
_OPEN: Final = accounts.insert_many()
_MOVE: Final = accounts.update_many("balance_minor", "entry_count", "last_posted_at")


@dataclass(slots=True)
class Statement:
    """Where a customer's statement in one currency stands, as its receivable's row carries it."""

    receivable_id: UUID
    balance: int
    count: int
    last_posted_at: datetime

    def extend(self, difference: int) -> None:
        """Count one more entry. Raises Invalid where the balance passes its bounds."""
        self.balance += difference
        self.count += 1
        if abs(self.balance) > MINOR_MAX:
            raise Invalid("The customer's balance would pass 2^53-1 minor units.", "amount")


@dataclass(slots=True)
class Accounts:
    """The accounts of a batch; to be read and moved only under the lock of their ledger's row."""

    ledger_id: UUID
    ids: dict[AccountKey, UUID] = field(default_factory=dict)
    statements: dict[tuple[UUID, str], Statement] = field(default_factory=dict)

    def id_of(self, code: AccountCode, currency: str, customer_id: UUID) -> UUID:
        """The customer's own account, or the book's where the code is not a customer's."""
        return self.ids[_key(code, currency, customer_id)]

    async def find(self, tx: WriteTransaction, wanted: Iterable[tuple[AccountCode, str, UUID]]) -> None:
        """Find the accounts of (code, currency, customer), each with its customer's statement; open what is missing."""
        keys = {_key(*each) for each in wanted}
        statements = {(customer_id, currency) for _, currency, customer_id in keys if customer_id is not None}
        keys |= {(AccountCode.RECEIVABLE, currency, customer_id) for customer_id, currency in statements}
        found = await tx.fetch(
            _TOUCHED,
            ledger_id=self.ledger_id,
            customer_ids=[customer_id for customer_id, _ in statements],
            currencies=[currency for _, currency in statements],
        )
        for row in found:
            code = AccountCode(row["code"])
            self.ids[code, row["currency"], row["customer_id"]] = row["id"]
            if code is AccountCode.RECEIVABLE:
                self.statements[row["customer_id"], row["currency"]] = Statement(
                    row["id"], row["balance_minor"], row["entry_count"], row["last_posted_at"]
                )
        await self._open(tx, sorted(keys - self.ids.keys(), key=str))

    async def move(self, tx: WriteTransaction) -> None:
        """Store where the statements stand now."""
        moved = [
            {
                "id": statement.receivable_id,
                "balance_minor": statement.balance,
                "entry_count": statement.count,
                "last_posted_at": statement.last_posted_at,
            }
            for statement in self.statements.values()
        ]
        await tx.execute(_MOVE, **columns_of(moved))

    async def _open(self, tx: WriteTransaction, missing: list[AccountKey]) -> None:
        rows = []
        for code, currency, customer_id in missing:
            account_id = self.ids[code, currency, customer_id] = new_id()
            carries = code is AccountCode.RECEIVABLE
            if carries and customer_id is not None:
                self.statements[customer_id, currency] = Statement(account_id, 0, 0, tx.now)
            rows.append(
                {
                    "id": account_id,
                    "ledger_id": self.ledger_id,
                    "code": code,
                    "currency": currency,
                    "customer_id": customer_id,
                    "balance_minor": 0 if carries else None,
                    "entry_count": 0 if carries else None,
                    "last_posted_at": tx.now if carries else None,
                    "created_at": tx.now,
                }
            )
        if rows:
            await tx.execute(_OPEN, **columns_of(rows))


def _key(code: AccountCode, currency: str, customer_id: UUID) -> AccountKey:
    return code, currency, customer_id if code in CUSTOMERS_OWN else None
