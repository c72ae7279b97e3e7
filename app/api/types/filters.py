"""The filters and orders of lists, and the lists that hang under a parent."""

from collections.abc import Callable
from typing import Any

import strawberry

from app.api.ids import CUSTOMER, INVOICE, NOUN_OF, SUBSCRIPTION, parsed, uuid_of
from app.api.pagination import ConnectionsUnder, ListRequest, PageArguments
from app.api.scalars import MinorUnits
from app.api.tenancy import Info
from app.api.types.enums import (
    AuditOutcome,
    InvoiceOrderField,
    InvoiceStatus,
    LedgerEntryType,
    OrderDirection,
    PaymentState,
    SubscriptionStatus,
)
from app.api.types.input import given
from app.api.types.money import PeriodInput
from app.store import invoice, ledger, subscription


@strawberry.input(description="Which subscriptions: all conditions hold.")
class SubscriptionFilter:
    """Which subscriptions."""

    status: list[SubscriptionStatus] | None = strawberry.field(default=strawberry.UNSET, description="In one of these.")
    plan_key: str | None = strawberry.field(default=strawberry.UNSET, description="To any version of this plan.")
    customer_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Of this customer.")

    def conditions(self) -> dict[str, Any]:
        """The conditions by name."""
        return _given(
            ("status", self.status, list),
            ("plan_key", self.plan_key, str),
            ("customer_id", self.customer_id, lambda value: uuid_of(CUSTOMER, value)),
        )


@strawberry.input(description="Which invoices: all conditions hold.")
class InvoiceFilter:
    """Which invoices."""

    status: list[InvoiceStatus] | None = strawberry.field(default=strawberry.UNSET, description="In one of these.")
    payment_state: list[PaymentState] | None = strawberry.field(
        default=strawberry.UNSET, description="In one of these."
    )
    customer_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Of this customer.")
    subscription_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="Of this subscription."
    )
    number: str | None = strawberry.field(default=strawberry.UNSET, description="With this number.")
    finalized_at: PeriodInput | None = strawberry.field(
        default=strawberry.UNSET, description="Finalized inside this span."
    )
    min_total: MinorUnits | None = strawberry.field(default=strawberry.UNSET, description="At least this total.")
    max_total: MinorUnits | None = strawberry.field(default=strawberry.UNSET, description="At most this total.")

    def conditions(self) -> dict[str, Any]:
        """The conditions by name. Raises Invalid for a span that ends before it begins."""
        found = _given(
            ("status", self.status, list),
            ("payment_state", self.payment_state, list),
            ("customer_id", self.customer_id, lambda value: uuid_of(CUSTOMER, value)),
            ("subscription_id", self.subscription_id, lambda value: uuid_of(SUBSCRIPTION, value)),
            ("number", self.number, str),
            ("min_total", self.min_total, int),
            ("max_total", self.max_total, int),
        )
        return found | span("finalized", self.finalized_at)


@strawberry.input(description="How invoices are ordered; the id breaks ties.")
class InvoiceOrder:
    """How invoices are ordered."""

    field: InvoiceOrderField = strawberry.field(
        default=InvoiceOrderField.CREATED_AT, description="By what; where it is missing, it counts as the earliest."
    )
    direction: OrderDirection = strawberry.field(default=OrderDirection.DESC, description="Which end comes first.")


@strawberry.input(description="Which entries: all conditions hold.")
class LedgerEntryFilter:
    """Which entries."""

    type: list[LedgerEntryType] | None = strawberry.field(default=strawberry.UNSET, description="Of these types.")
    customer_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="Of this customer.")
    invoice_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description="For this invoice.")
    effective_at: PeriodInput | None = strawberry.field(
        default=strawberry.UNSET, description="That count from inside this span."
    )

    def conditions(self) -> dict[str, Any]:
        """The conditions by name. Raises Invalid for a span that ends before it begins."""
        found = _given(
            ("type", self.type, list),
            ("customer_id", self.customer_id, lambda value: uuid_of(CUSTOMER, value)),
            ("invoice_id", self.invoice_id, lambda value: uuid_of(INVOICE, value)),
        )
        return found | span("effective", self.effective_at)


@strawberry.input(description="Which audit records: all conditions hold.")
class AuditRecordFilter:
    """Which audit records."""

    record_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="About this record, of whatever type."
    )
    action: str | None = strawberry.field(default=strawberry.UNSET, description="Of this action: invoice.finalize.")
    outcome: list[AuditOutcome] | None = strawberry.field(
        default=strawberry.UNSET, description="With one of these outcomes."
    )
    principal: str | None = strawberry.field(
        default=strawberry.UNSET, description="By this principal, spelled as the records spell it."
    )
    created_at: PeriodInput | None = strawberry.field(default=strawberry.UNSET, description="Inside this span.")

    def conditions(self) -> dict[str, Any]:
        """The conditions by name. Raises Invalid for a span that ends before it begins."""
        found = _given(
            ("action", self.action, str), ("outcome", self.outcome, list), ("principal", self.principal, str)
        )
        record_id = given(self.record_id)
        if record_id is not None:
            prefix, uuid = parsed(record_id)
            found |= {"record_type": NOUN_OF.get(prefix, ""), "record_id": uuid}
        return found | span("created", self.created_at)


def span(name: str, period: PeriodInput | None) -> dict[str, Any]:
    """The two conditions of a span of time."""
    found = given(period)
    if found is None:
        return {}
    domain = found.to_domain()
    return {f"{name}_from": domain.start, f"{name}_to": domain.end}


def subscription_list(page: PageArguments, filter: SubscriptionFilter | None) -> ListRequest:
    """What a list of subscriptions asks for."""
    return ListRequest(page, _conditions(filter))


def invoice_list(
    info: Info, page: PageArguments, filter: InvoiceFilter | None, order: InvoiceOrder | None
) -> ListRequest:
    """What a list of invoices asks for; drafts are in it for those who may see them."""
    by = given(order) or InvoiceOrder()
    return ListRequest(
        page,
        _conditions(filter) | {"with_drafts": info.context.sees_drafts},
        order=_INVOICE_ORDERS[by.field],
        descending=by.direction is OrderDirection.DESC,
    )


_INVOICE_ORDERS = {
    InvoiceOrderField.CREATED_AT: "created_at",
    InvoiceOrderField.FINALIZED_AT: "finalized_at",
    InvoiceOrderField.DUE_AT: "due_at",
    InvoiceOrderField.TOTAL: "total",
}


def ledger_entry_list(page: PageArguments, filter: LedgerEntryFilter | None) -> ListRequest:
    """What a list of entries asks for."""
    return ListRequest(page, _conditions(filter))


def subscriptions_under(
    info: Info, parent: str, page: PageArguments, filter: SubscriptionFilter | None
) -> ConnectionsUnder:
    """The subscriptions of each parent."""
    return ConnectionsUnder(info, subscription.listing, subscription_list(page, filter), parent)


def audit_record_list(page: PageArguments, filter: AuditRecordFilter | None) -> ListRequest:
    """What a list of audit records asks for."""
    return ListRequest(page, _conditions(filter))


def invoices_under(
    info: Info, parent: str, page: PageArguments, filter: InvoiceFilter | None, order: InvoiceOrder | None
) -> ConnectionsUnder:
    """The invoices of each parent."""
    return ConnectionsUnder(info, invoice.listing, invoice_list(info, page, filter, order), parent)


def ledger_entries_under(
    info: Info, parent: str, page: PageArguments, filter: LedgerEntryFilter | None
) -> ConnectionsUnder:
    """The entries of each parent."""
    return ConnectionsUnder(info, ledger.listing, ledger_entry_list(page, filter), parent)


def _conditions(filter: Any) -> dict[str, Any]:
    found = given(filter)
    return {} if found is None else found.conditions()


def _given(*conditions: tuple[str, Any, Callable[[Any], Any]]) -> dict[str, Any]:
    return {name: convert(value) for name, value, convert in conditions if given(value) is not None}
