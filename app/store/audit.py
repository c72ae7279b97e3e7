"""The audit record: who did what, or was kept from it, in the transaction of what it records."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from app.store.query import Relation, columns_of, new_id
from app.store.tables import AuditRecord
from app.store.tables.audit import AuditOutcome
from app.store.tenancy import WriteTransaction

_INSERT: Final = Relation(AuditRecord).insert()
_INSERT_MANY: Final = Relation(AuditRecord).insert_many()


async def record(
    tx: WriteTransaction,
    action: str,
    record_id: UUID | None,
    changes: Mapping[str, Any] | None = None,
    *,
    outcome: AuditOutcome = AuditOutcome.ALLOWED,
    reason: str | None = None,
) -> None:
    """Record an action such as `invoice.finalize` on a record; `changes` holds the new values by field."""
    await tx.execute(_INSERT, **_values(tx, action, record_id, changes or {}, outcome, reason))


async def record_all(tx: WriteTransaction, action: str, changes: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Record the same action on many records, each with its own changes."""
    rows = [_values(tx, action, key, each, AuditOutcome.ALLOWED, None) for key, each in changes.items()]
    if rows:
        await tx.execute(_INSERT_MANY, **columns_of(rows))


def _values(
    tx: WriteTransaction,
    action: str,
    record_id: UUID | None,
    changes: Mapping[str, Any],
    outcome: AuditOutcome,
    reason: str | None,
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "action": action,
        "outcome": outcome,
        "record_id": record_id,
        "principal_kind": tx.actor.kind,
        "principal": tx.actor.name,
        "reason": reason,
        "request_id": tx.actor.request_id,
        "changes": [{"field": field, "after": value} for field, value in changes.items()],
        "created_at": tx.now,
    }
