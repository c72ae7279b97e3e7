"""Audit records."""

from collections.abc import Sequence
from uuid import UUID

from app.api.loaders.loader import TenantLoader
from app.store.audit_record import load_audit_records
from app.store.query import in_order_of
from app.store.tables import AuditRecord
from app.store.tenancy import Transaction


class AuditRecordLoader(TenantLoader[UUID, AuditRecord | None]):
    """By id."""

    async def load_batch(self, tx: Transaction, keys: Sequence[UUID]) -> list[AuditRecord | None]:
        """The record of each id."""
        return in_order_of(keys, await load_audit_records(tx, keys), lambda row: row.id)
