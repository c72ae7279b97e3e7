"""The audit record: who did what, or was kept from it, in the transaction of what it records, sealed into a chain.

What was recorded is read in `audit_record.py`, and verified in `chain.py`.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.domain.audit import ChainedRecord, documented, record_hash
from app.store.query import Query, Relation, columns_of, new_id
from app.store.tables import AuditRecord
from app.store.tables.audit import AuditOutcome

if TYPE_CHECKING:
    from app.store.tenancy import WriteTransaction

records = Relation(AuditRecord)

_LOCK_CHAIN: Final = Query(
    "select last_sequence, head from audit_chains where organization_id = :organization_id for update"
)
_BEGIN_CHAIN: Final = Query(
    """
    insert into audit_chains (organization_id, last_sequence, head) values (:organization_id, 0, null)
    on conflict (organization_id) do nothing
    """
)
_EXTEND_CHAIN: Final = Query(
    """
    with ended as (
      update audit_chains set last_sequence = :last_sequence, head = :head where organization_id = :organization_id
    )
    insert into audit_records
      (organization_id, id, action, outcome, record_type, record_id, principal_kind, principal, reason, request_id,
       changes, created_at, sequence, hash)
    select :organization_id, g.id, g.action, g.outcome, g.record_type, g.record_id, g.principal_kind, g.principal,
           g.reason, g.request_id, g.changes ::jsonb, g.created_at, g.sequence, g.hash
    from unnest(:id ::uuid[], :action ::text[], :outcome ::text[], :record_type ::text[], :record_id ::uuid[],
                :principal_kind ::text[], :principal ::text[], :reason ::text[], :request_id ::text[],
                :changes ::text[], :created_at ::timestamptz[], :sequence ::bigint[], :hash ::bytea[])
         as g (id, action, outcome, record_type, record_id, principal_kind, principal, reason, request_id, changes,
               created_at, sequence, hash)
    """
)
"""`changes` comes as text: a list in a list would be an array of two dimensions to the driver."""


async def record(
    tx: "WriteTransaction",
    action: str,
    record_id: UUID | None,
    changes: Mapping[str, Any] | None = None,
    *,
    of: str | None = None,
    outcome: AuditOutcome = AuditOutcome.ALLOWED,
    reason: str | None = None,
) -> None:
    """Record an action such as `invoice.finalize` on a record; it is written with the commit, as a link of the chain.

    `changes` holds by field the value after, or a `Change`; sensitive ones are masked. `of` is the noun of the record
    where that is not the action's own. A savepoint that is undone takes what was recorded in it along.
    """
    noun = of or action.partition(".")[0]
    tx.recorded.append(
        {
            "id": new_id(),
            "action": action,
            "outcome": outcome,
            "record_type": None if record_id is None else noun,
            "record_id": record_id,
            "principal_kind": tx.actor.kind,
            "principal": tx.actor.name,
            "reason": reason,
            "request_id": tx.actor.request_id,
            "changes": documented(changes or {}),
            "created_at": tx.now,
        }
    )


async def record_all(tx: "WriteTransaction", action: str, changes: Mapping[UUID, Mapping[str, Any]]) -> None:
    """Record the same action on many records, each with its own changes."""
    for record_id, each in changes.items():
        await record(tx, action, record_id, each)


async def seal(tx: "WriteTransaction") -> None:
    """Write what was recorded, as the chain's next links: the last that happens before the commit.

    The row that ends the organization's chain is locked here, after whatever else the transaction locked, and nothing
    is locked after it: so nobody waits for it in a circle, and it is held no longer than the commit takes.
    """
    recorded, tx.recorded = tx.recorded, []
    if not recorded:
        return
    sequence, head = await _lock_chain(tx)
    links = []
    for content in recorded:
        sequence += 1
        head = record_hash(head, ChainedRecord(organization_id=tx.organization_id, sequence=sequence, **content))
        links.append({**content, "changes": json.dumps(content["changes"]), "sequence": sequence, "hash": head})
    await tx.execute(_EXTEND_CHAIN, **columns_of(links), last_sequence=sequence, head=head)


async def _lock_chain(tx: "WriteTransaction") -> tuple[int, bytes | None]:
    row = await tx.fetch_row(_LOCK_CHAIN)
    if row is None:
        await tx.execute(_BEGIN_CHAIN)
        row = await tx.fetch_row(_LOCK_CHAIN)
    if row is None:
        raise LookupError("The organization has no chain of audit records.")
    return row["last_sequence"], row["head"]
