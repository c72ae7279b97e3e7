"""Who acts inside which organization."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID
from zoneinfo import ZoneInfo

from app.store.tables.organization import Mode, OrganizationStatus


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, for the audit record: the principal's kind and name, and the request that it acts through."""

    kind: str
    name: str
    request_id: str


@dataclass(frozen=True, slots=True)
class TenantFacts:
    """What every operation wants to know of its organization."""

    status: OrganizationStatus
    mode: Mode
    zone: ZoneInfo
    default_currency: str
    region: str


class Matter(StrEnum):
    """What a piece of news is about."""

    TERMS = "terms"
    """What is granted: subscriptions, their plans and periods, the tenant's clock."""
    USAGE = "usage"
    """What is used of it, and what is held."""
    CATALOG = "catalog"
    """What features are called."""

    __hash__ = str.__hash__  # that of an enumeration is a function in Python, and each check of memory asks it twice


@dataclass(frozen=True, slots=True)
class News:
    """Something changed that processes keep in memory: of one customer, or of all where None.

    Where the organization is None, too, it may be anything of that matter, in any organization.
    """

    organization_id: UUID | None
    matter: Matter
    customer_id: UUID | None
