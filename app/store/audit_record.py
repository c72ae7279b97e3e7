"""What was recorded of who did what: a list, and records by id."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import sqlalchemy as sa

from app.domain.audit import SEALED, ChainedRecord
from app.store.audit import records
from app.store.page import Key, Listing
from app.store.query import any_of, parameter
from app.store.tables import AuditRecord
from app.store.tenancy import Transaction

AuditRecordRow = records.row

_BY_ID: Final = records.where(records.c.id == any_of("ids"))

listing: Final = Listing(
    records,
    orders={"created_at": [Key("created_at", records.c.created_at), Key("sequence", records.c.sequence)]},
    filters={
        "record_type": records.c.record_type == parameter("record_type", sa.Text),
        "record_id": records.c.record_id == parameter("record_id", sa.Uuid),
        "action": records.c.action == parameter("action", sa.Text),
        "principal": records.c.principal == parameter("principal", sa.Text),
        "outcome": records.c.outcome == any_of("outcome", sa.Text),
        "created_from": records.c.created_at >= parameter("created_from", sa.DateTime(timezone=True)),
        "created_to": records.c.created_at < parameter("created_to", sa.DateTime(timezone=True)),
    },
)


async def load_audit_records(tx: Transaction, ids: Sequence[UUID]) -> list[AuditRecord]:
    """The records with those ids."""
    return await tx.fetch(_BY_ID, ids=list(ids))


def chained(row: AuditRecord) -> ChainedRecord:
    """What of a stored record is sealed."""
    return ChainedRecord(**{name: getattr(row, name) for name in SEALED})
