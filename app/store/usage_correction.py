"""Corrections of usage events: each stands beside its event, and the newest says what the event counts for."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.store.query import Relation, any_of
from app.store.tables import UsageCorrection
from app.store.tenancy import Transaction

_corrections = Relation(UsageCorrection)

_OF: Final = _corrections.query(
    _corrections.select(_corrections.c.usage_event_id == any_of("event_ids")).order_by(
        _corrections.c.usage_event_id, _corrections.c.sequence
    )
)


async def load_corrections(tx: Transaction, event_ids: Sequence[UUID]) -> list[UsageCorrection]:
    """The corrections of those events, the oldest of each first."""
    return await tx.fetch(_OF, event_ids=list(event_ids))
