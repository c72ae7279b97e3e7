"""The enumerations: the domain's own, named and described for the schema."""

from enum import StrEnum
from typing import Any, cast

import strawberry

from app.domain import charge, entitlement, invoice, ledger, period, plan, price, reservation, subscription, usage
from app.store.tables import audit, organization


class OrderDirection(StrEnum):
    """Which end of a list comes first."""

    ASC = "ASC"
    DESC = "DESC"


class InvoiceOrderField(StrEnum):
    """What invoices are ordered by."""

    CREATED_AT = "CREATED_AT"
    FINALIZED_AT = "FINALIZED_AT"
    DUE_AT = "DUE_AT"
    TOTAL = "TOTAL"


class PrincipalKind(StrEnum):
    """What kind of credential asks."""

    API_KEY = "API_KEY"
    USER = "USER"


for _enum, _description in (
    (OrderDirection, "Which end of a list comes first."),
    (InvoiceOrderField, "What invoices are ordered by."),
    (PrincipalKind, "What kind of credential asks."),
    (organization.OrganizationStatus, "Whether an organization may change anything."),
    (organization.Mode, "LIVE lives by real time, TEST by a clock of its own."),
    (usage.Aggregation, "How a meter turns the events of a span into one quantity; of no events it is 0."),
    (usage.UsageWindow, "The width of a bucket, in the organization's time zone."),
    (usage.UsageVerdict, "What became of an event that was sent."),
    (plan.PlanStatus, "The life of a plan version: DRAFT, then ACTIVE, then ARCHIVED."),
    (plan.BillingTiming, "When the base fee of a period is billed."),
    (plan.FeatureType, "What kind of promise a feature is."),
    (
        plan.Enforcement,
        "HARD blocks at the limit and bills nothing beyond it; SOFT lets usage on and bills the overage.",
    ),
    (entitlement.EntitlementReason, "Why a customer may use a feature now, or may not."),
    (reservation.ReservationStatus, "Where a reservation is in its life."),
    (price.PricingModel, "How tiers make a price of a quantity."),
    (period.Interval, "What a billing period is counted in."),
    (subscription.SubscriptionStatus, "Where a subscription is in its life."),
    (subscription.ProrationBehavior, "What a change of plan in the middle of a period does to the money."),
    (subscription.CancelTiming, "When a cancellation takes effect."),
    (invoice.InvoiceStatus, "DRAFT > FINALIZED > PAID; FINALIZED > VOID; DRAFT > VOID; nothing else."),
    (invoice.PaymentState, "What came of asking for the money, beside the status."),
    (invoice.BillingReason, "Why an invoice was made."),
    (charge.LineItemKind, "What a line is for."),
    (audit.AuditOutcome, "What came of what was tried."),
    (ledger.EntryType, "What an entry on a customer's statement is."),
):
    strawberry.enum(_enum, name="LedgerEntryType" if _enum is ledger.EntryType else None, description=_description)

for _enum, _descriptions in (
    (
        subscription.ProrationBehavior,
        {
            "PRORATE_NOW": "Credit the rest of the old plan and charge the rest of the new one, now.",
            "PRORATE_NEXT": "The same lines, on the next invoice.",
            "NONE": "Change without money until the period ends.",
            "RESET_PERIOD": "End the period now, bill it, and start a new one.",
        },
    ),
    (
        subscription.CancelTiming,
        {
            "NOW": "At once: the last part is billed now.",
            "PERIOD_END": "When the period that is running ends, or the trial.",
            "AT": "At the instant `at`, in the current period's past or in the future.",
        },
    ),
    (
        subscription.SubscriptionStatus,
        {
            "TRIALING": "It runs and costs nothing yet.",
            "ACTIVE": "It runs and is billed.",
            "PAST_DUE": "Its payments failed; it goes on being billed.",
            "PAUSED": "No base fee counts; usage does.",
            "CANCELED": "It has ended.",
        },
    ),
    (
        plan.BillingTiming,
        {
            "IN_ADVANCE": "The base fee of a period as it begins, usage once it has ended.",
            "IN_ARREARS": "Base fee and usage once the period has ended.",
        },
    ),
    (
        entitlement.EntitlementReason,
        {
            "GRANTED": "Included, or without a limit.",
            "OVERAGE": "Within a SOFT limit's overage: allowed, and billed.",
            "LIMIT_REACHED": "A HARD limit would be passed.",
            "FEATURE_NOT_IN_PLAN": "No plan that the customer is on has it.",
            "NO_ACTIVE_SUBSCRIPTION": "The customer has no subscription that is TRIALING, ACTIVE or PAST_DUE.",
        },
    ),
    (
        reservation.ReservationStatus,
        {
            "HELD": "It holds quota.",
            "SETTLED": "What was used is recorded; the rest is free.",
            "RELEASED": "Given back unused.",
            "EXPIRED": "Its time is over: it holds nothing.",
        },
    ),
    (
        audit.AuditOutcome,
        {
            "ALLOWED": "It was done.",
            "DENIED": "The credential may not, or there is no such record in the organization.",
            "FAILED": "It was tried and failed for a reason of the server's own; nothing was stored.",
        },
    ),
    (
        usage.UsageVerdict,
        {
            "DUPLICATE": "Counted before: nothing was added.",
            "UNMATCHED": "Stored, and waiting for the customer or meter that it names to exist.",
            "REJECTED": "Not stored: see message.",
        },
    ),
):
    for _value in cast("Any", _enum).__strawberry_definition__.values:
        _value.description = _descriptions.get(_value.name)

Aggregation = usage.Aggregation
AuditOutcome = audit.AuditOutcome
BillingReason = invoice.BillingReason
BillingTiming = plan.BillingTiming
CancelTiming = subscription.CancelTiming
Enforcement = plan.Enforcement
EntitlementReason = entitlement.EntitlementReason
FeatureType = plan.FeatureType
Interval = period.Interval
InvoiceStatus = invoice.InvoiceStatus
LedgerEntryType = ledger.EntryType
LineItemKind = charge.LineItemKind
Mode = organization.Mode
OrganizationStatus = organization.OrganizationStatus
PaymentState = invoice.PaymentState
PlanStatus = plan.PlanStatus
PricingModel = price.PricingModel
ProrationBehavior = subscription.ProrationBehavior
ReservationStatus = reservation.ReservationStatus
SubscriptionStatus = subscription.SubscriptionStatus
UsageVerdict = usage.UsageVerdict
UsageWindow = usage.UsageWindow
