"""Who acts inside which organization."""

from dataclasses import dataclass
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
