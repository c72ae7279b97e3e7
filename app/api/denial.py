"""What was denied, in the audit records of the organization that it was asked of or from."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from app.api.credential.principal import Principal
from app.domain.errors import Refusal
from app.store.audit import record
from app.store.connection import Unavailable
from app.store.tables.audit import AuditOutcome
from app.store.tenancy import Actor, TenantDatabase

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Denial:
    """An action that the principal may not do, and why."""

    action: str
    reason: str

    @classmethod
    def of_scope(cls, scope: str) -> "Denial":
        """The action that a scope is for, of a principal that lacks it."""
        return cls(scope.replace(":", "."), f"lacks the scope {scope}")


def actor_of(principal: Principal, request_id: str) -> Actor:
    """The principal, as audit records name it."""
    return Actor(principal.kind, f"{principal.name} ({principal.id})", request_id)


async def record_denials(db: TenantDatabase, denied: Collection[Denial]) -> None:
    """Record what was denied, each once, whatever the organization's status (M39); a failure is logged."""
    try:
        async with db.write(whatever_status=True) as tx:
            for denial in sorted(denied):
                await record(tx, denial.action, None, outcome=AuditOutcome.DENIED, reason=denial.reason)
    except (Refusal, Unavailable):
        actions = ", ".join(sorted(denial.action for denial in denied))
        log.warning("audit.denial_not_recorded", request_id=db.actor.request_id, actions=actions)
