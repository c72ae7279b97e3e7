"""What the invoices of subscriptions account for: read from them, and stored with them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from app.domain.coverage import Count, CountKey, Coverage, FeeKey, FeeSpan
from app.domain.period import Period
from app.domain.timeline import cut_to
from app.store.query import Query
from app.store.tenancy import Transaction

_LIVE: Final = Query(
    """
    select i.id, i.subscription_id, i.status = 'DRAFT', i.reason = 'ADJUSTMENT', i.number, i.period_start, i.period_end,
           i.created_at, i.covers
    from unnest(:ids ::uuid[], :since ::timestamptz[]) as s (id, since)
    join invoices i on i.organization_id = :organization_id and i.subscription_id = s.id
      and i.period_end >= s.since and i.status <> 'VOID' and i.covers is not null
    """
)


@dataclass(frozen=True, slots=True)
class Draft:
    """An invoice of a subscription's period that waits for review, or an adjustment that waits for the next run."""

    id: UUID
    period: Period
    created_at: datetime
    covers: Coverage


@dataclass(slots=True)
class Accounts:
    """What a subscription's invoices account for: those that are final, and its drafts. Drafts of adjustments stand
    beside them: until they are final they book nothing, and are drawn up anew.
    """

    final: Coverage = field(default_factory=Coverage)
    drafts: list[Draft] = field(default_factory=list)
    adjustments: list[Draft] = field(default_factory=list)
    numbers: dict[str, tuple[Period, ...]] = field(default_factory=dict)

    @property
    def live(self) -> Coverage:
        """What both account for."""
        return sum((draft.covers for draft in self.drafts), self.final)

    def draft_of(self, period: Period) -> Draft | None:
        """The draft of the period that begins with that one."""
        return next((draft for draft in self.drafts if draft.period.start == period.start), None)

    def adjustment_of(self, period: Period) -> Draft | None:
        """The draft of the adjustment of the period that begins with that one."""
        return next((draft for draft in self.adjustments if draft.period.start == period.start), None)

    def numbers_of(self, period: Period) -> list[str]:
        """The numbers of the final invoices that bill a period's usage."""
        return [
            number
            for number, spans in self.numbers.items()
            if any(cut_to(span, period.start, period.end) for span in spans)
        ]

    def without(self, draft: Draft) -> Coverage:
        """What all but one of the drafts account for."""
        return sum((other.covers for other in self.drafts if other is not draft), self.final)


async def load_accounts(tx: Transaction, since: Mapping[UUID, datetime]) -> dict[UUID, Accounts]:
    """What the live invoices of each subscription account for, of periods that end at an instant or later."""
    accounts: dict[UUID, Accounts] = defaultdict(Accounts)
    for invoice_id, subscription_id, is_draft, adjusts, number, start, end, created_at, document in await tx.fetch(
        _LIVE, ids=list(since), since=list(since.values())
    ):
        covers, found = coverage_from_document(document), accounts[subscription_id]
        if is_draft:
            drafts = found.adjustments if adjusts else found.drafts
            drafts.append(Draft(invoice_id, Period(start, end), created_at, covers))
        else:
            found.final += covers
            found.numbers[number] = covers.usage
    return accounts


def document_from_coverage(covers: Coverage) -> dict[str, Any]:
    """What an invoice accounts for, as it is stored."""
    return {
        "fees": [
            {
                "plan": str(span.key.plan_id),
                "quantity": span.key.quantity,
                "anchor": span.key.anchor,
                "start": span.period.start,
                "end": span.period.end,
                "wholeStart": span.whole.start,
                "wholeEnd": span.whole.end,
                "times": span.times,
            }
            for span in covers.fees
        ],
        "usage": [[period.start, period.end] for period in covers.usage],
        "counts": [
            {
                "plan": str(count.key.plan_id),
                "feature": count.key.feature_key,
                "periodStart": count.key.period_start,
                "quantity": f"{count.quantity:f}",
                "times": count.times,
            }
            for count in covers.counts
        ],
    }


def coverage_from_document(document: Mapping[str, Any]) -> Coverage:
    """What `document_from_coverage` stored."""
    return Coverage(
        fees=tuple(
            FeeSpan(
                key=FeeKey(UUID(fee["plan"]), fee["quantity"], _instant(fee["anchor"])),
                period=Period(_instant(fee["start"]), _instant(fee["end"])),
                whole=Period(_instant(fee["wholeStart"]), _instant(fee["wholeEnd"])),
                times=fee["times"],
            )
            for fee in document["fees"]
        ),
        usage=tuple(Period(_instant(start), _instant(end)) for start, end in document["usage"]),
        counts=tuple(
            Count(
                key=CountKey(UUID(count["plan"]), count["feature"], _instant(count["periodStart"])),
                quantity=Decimal(count["quantity"]),
                times=count["times"],
            )
            for count in document["counts"]
        ),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
