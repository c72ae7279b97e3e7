"""What no transaction of its own records: denials, failures, looks. They are recorded as the operation ends."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

import structlog

from app.api.credential.principal import Principal
from app.api.ids import NOUN_OF, parsed
from app.domain.errors import Refusal
from app.store.audit import record
from app.store.connection import Unavailable
from app.store.tables.audit import AuditOutcome
from app.store.tenancy import Actor, CommitLost, TenantDatabase

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Act:
    """An action, what came of it and why; `record_type` is the noun of the record that was meant, where one was."""

    action: str
    outcome: AuditOutcome
    reason: str | None = None
    record_type: str | None = None
    record_id: UUID | None = None

    @classmethod
    def denied(cls, action: str, reason: str) -> "Act":
        """What the principal may not do, and why."""
        return cls(action, AuditOutcome.DENIED, reason)

    @classmethod
    def lacking(cls, scope: str) -> "Act":
        """The action that a scope is for, of a principal that lacks it."""
        return cls.denied(action_of(scope), f"lacks the scope {scope}")

    def about(self, arguments: Mapping[str, Any]) -> "Act":
        """The act, with the record that was meant: the first argument that is an id of what its name says."""
        for name, value in arguments.items():
            prefix, record_id = parsed(value) if isinstance(value, str) and name.endswith("id") else ("", None)
            noun = NOUN_OF.get(prefix)
            if noun is not None and name in ("id", f"{noun}_id", *_ALSO.get(noun, ())):
                return replace(self, record_type=noun, record_id=record_id)
        return self


_ALSO: Final = {"organization": ("parent_id",)}
"""Names under which an id of a noun comes, beside its own."""


def action_of(scope: str) -> str:
    """The action that a scope is for: invoice:finalize -> invoice.finalize."""
    return scope.replace(":", ".")


def actor_of(principal: Principal, request_id: str) -> Actor:
    """The principal, as audit records name it."""
    return Actor(principal.kind, f"{principal.name} ({principal.id})", request_id)


async def record_acts(db: TenantDatabase, acts: Collection[Act]) -> None:
    """Record acts in a transaction of their own, whatever the organization's status (M39); a failure is logged."""
    try:
        async with db.write(whatever_status=True) as tx:
            for act in acts:
                await record(tx, act.action, act.record_id, of=act.record_type, outcome=act.outcome, reason=act.reason)
    except (Refusal, Unavailable, CommitLost):
        actions = ", ".join(act.action for act in acts)
        log.warning("audit.not_recorded", request_id=db.actor.request_id, actions=actions)
