"""Who may do what: scopes are `noun:verb`, a role is a named set of them. This table is the only one."""

from enum import StrEnum
from typing import Final

from app.domain.errors import Invalid, NotAllowed

READS: Final = frozenset(
    {
        "viewer:read",
        "node:read",
        "organization:read",
        "customer:read",
        "meter:read",
        "plan:read",
        "subscription:read",
        "usage:read",
        "entitlement:read",
        "invoice:read",
        "ledger:read",
    }
)

_CATALOG: Final = frozenset({"meter:create", "plan:create", "plan:publish", "plan:archive"})
_CUSTOMERS: Final = frozenset(
    {
        "customer:create",
        "customer:update",
        "subscription:create",
        "subscription:change_plan",
        "subscription:cancel",
        "subscription:pause",
        "subscription:resume",
        "usage:record",
        "usage:reserve",
        "usage:settle",
        "usage:release",
        "usage:correct",
    }
)
_INVOICES: Final = frozenset(
    {
        "invoice:draft",
        "invoice:generate",
        "invoice_line_item:add",
        "invoice_line_item:remove",
        "invoice:delete_draft",
        "invoice:finalize",
        "invoice:mark_paid",
        "invoice:void",
        "ledger:adjust",
        "billing:run",
    }
)
_TENANCY: Final = frozenset(
    {
        "organization:create",
        "organization:update",
        "organization:enter",
        "organization:sensitive",
    }
)

_KEYS: Final = frozenset({"api_key:read", "api_key:create", "api_key:rotate", "api_key:revoke"})
_MEMBERS: Final = frozenset({"member:read", "member:add", "member:remove"})

_CLOCK: Final = frozenset({"test_clock:advance"})

_AUDIT: Final = frozenset({"audit:read"})

_DOCUMENTS: Final = frozenset({"trusted_document:read", "trusted_document:register", "trusted_document:remove"})

SCOPES: Final = READS | _DOCUMENTS | _CATALOG | _CUSTOMERS | _INVOICES | _TENANCY | _KEYS | _MEMBERS | _CLOCK | _AUDIT


class Role(StrEnum):
    """A named set of scopes."""

    OWNER = "owner"
    ADMIN = "admin"
    BILLING = "billing"
    DEVELOPER = "developer"
    SUPPORT = "support"
    INGEST = "ingest"


WATCHED: Final = frozenset({Role.SUPPORT})
"""Roles that look into what is not their own business: each look at one invoice is recorded (A4)."""

SCOPES_OF: Final[dict[Role, frozenset[str]]] = {
    Role.OWNER: SCOPES,
    Role.ADMIN: SCOPES - {"organization:sensitive"},
    Role.BILLING: READS | _CUSTOMERS | _INVOICES | _CLOCK,
    Role.DEVELOPER: READS | _DOCUMENTS | _CATALOG | _CUSTOMERS | _CLOCK | _KEYS | {"invoice:draft", "invoice:generate"},
    Role.SUPPORT: READS | _AUDIT,
    Role.INGEST: frozenset({"viewer:read", "usage:record"}),
}


def role_named(name: str, *path: str) -> Role:
    """The role of that name. Raises Invalid."""
    try:
        return Role(name)
    except ValueError as error:
        raise Invalid(f"Give one of the roles {', '.join(Role)}.", *path) from error


def check_within(held: frozenset[str], role: Role) -> None:
    """Go on where all that a role may do is held: nobody hands out, renews or takes away more than they have.

    Raises NotAllowed.
    """
    if not SCOPES_OF[role] <= held:
        raise NotAllowed(f"This credential does not hold all that the role {role} may do.")
