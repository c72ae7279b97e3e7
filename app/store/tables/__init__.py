"""The tables as SQLModel classes, one noun a file: what migrations are compared with and queries are built from."""

from app.store.tables.allowance import Allowance
from app.store.tables.api_key import ApiKey
from app.store.tables.audit import AuditChain, AuditRecord
from app.store.tables.column import TENANT_TABLES, metadata
from app.store.tables.customer import Customer
from app.store.tables.data_key import DataKey
from app.store.tables.idempotency import IdempotencyRecord
from app.store.tables.invoice import Invoice, InvoiceLineItem, InvoiceNumber
from app.store.tables.late_usage import LateUsage
from app.store.tables.ledger import Account, Ledger, LedgerEntry, LedgerTransaction
from app.store.tables.member import Member
from app.store.tables.meter import Meter
from app.store.tables.organization import Organization
from app.store.tables.plan import Plan, PlanFeature
from app.store.tables.reservation import QuotaCounter, Reservation
from app.store.tables.subscription import Subscription, SubscriptionPause, SubscriptionPhase
from app.store.tables.trusted_document import TrustedDocument
from app.store.tables.usage import (
    UnmatchedUsageEvent,
    UsageCorrection,
    UsageEvent,
    UsageHour,
    UsageHourValue,
    UsageIdentity,
)

__all__ = [
    "TENANT_TABLES",
    "Account",
    "Allowance",
    "ApiKey",
    "AuditChain",
    "AuditRecord",
    "Customer",
    "DataKey",
    "IdempotencyRecord",
    "Invoice",
    "InvoiceLineItem",
    "InvoiceNumber",
    "LateUsage",
    "Ledger",
    "LedgerEntry",
    "LedgerTransaction",
    "Member",
    "Meter",
    "Organization",
    "Plan",
    "PlanFeature",
    "QuotaCounter",
    "Reservation",
    "Subscription",
    "SubscriptionPause",
    "SubscriptionPhase",
    "TrustedDocument",
    "UnmatchedUsageEvent",
    "UsageCorrection",
    "UsageEvent",
    "UsageHour",
    "UsageHourValue",
    "UsageIdentity",
    "metadata",
]
