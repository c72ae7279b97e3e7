"""The line that books a difference to usage that is invoiced already: what is right now less what was booked."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from app.domain.charge import ChargeLine, Explanation, LineItemKind, billable_beyond
from app.domain.money import bounded_minor, exact_decimals, figure, plain
from app.domain.price import PricingStep, UsagePrice, price_quantity

ROUNDING_OF_EACH: Final = "half away from zero, once for what is right now and once for what was booked before"


def adjustment_line(
    feature_key: str,
    feature_name: str,
    used: Decimal | None,
    booked: Mapping[Decimal, int],
    included: Decimal,
    price: UsagePrice,
) -> ChargeLine:
    """The price of what was used (None: nothing is owed) less that of the quantities that are booked, each so often.

    Each price is rounded by itself, as it was when it was booked: what was billed and this sum to what a right invoice
    would have said. The steps say all of it, roundings too, and sum to the amount. Raises Invalid as `usage_line` does.
    """
    wanted = Counter({} if used is None else {used: 1})
    wanted.subtract(booked)
    parts = [
        _priced(quantity, times, included, price)
        for quantity, times in sorted(wanted.items(), key=lambda part: (-part[1], part[0]))
        if times
    ]
    before = next(iter(booked)) if list(booked.values()) == [1] else None
    with exact_decimals():
        quantity = plain(sum((part.times * part.billable for part in parts), Decimal(0)))
    prices = {part.unit_price for part in parts if part.billable}
    amount = bounded_minor(sum(part.times * part.amount for part in parts))
    return ChargeLine(
        kind=LineItemKind.ADJUSTMENT,
        description=f"{feature_name}: {_change(used, before, booked)}",
        feature_key=feature_key,
        quantity=quantity,
        unit_price=prices.pop() if len(prices) == 1 else None,
        amount=amount,
        explanation=Explanation(
            used=None if used is None else plain(used),
            included=plain(included),
            billable=None if used is None else billable_beyond(used, included),
            steps=tuple(step for part in parts for step in part.steps),
            exact=Decimal(amount),
            rounding=ROUNDING_OF_EACH,
            used_before=None if before is None else plain(before),
            billable_before=None if before is None else billable_beyond(before, included),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Priced:
    """What a quantity that was used costs, `times` over: of which the adjustment takes the sum."""

    times: int
    billable: Decimal
    unit_price: Decimal | None
    amount: int
    steps: tuple[PricingStep, ...]


def _priced(used: Decimal, times: int, included: Decimal, price: UsagePrice) -> _Priced:
    """A quantity's price with its steps `times` over, told apart by "now" and "before", and its rounding as a step."""
    billable = billable_beyond(used, included)
    priced = price_quantity(price, billable)
    when = f"{'Now' if times > 0 else 'Before'} ({figure(used)} used)"
    with exact_decimals():
        steps = [
            PricingStep(
                f"{when}: {step.description}",
                plain(times * step.quantity),
                step.unit_price,
                plain(times * step.amount),
            )
            for step in priced.steps
        ]
        rounding = times * (priced.amount - priced.exact)
    if rounding:
        text = f"{when}: rounded to {figure(priced.amount)}"
        steps.append(PricingStep(text, Decimal(1), plain(rounding), plain(rounding)))
    if not steps:
        steps.append(PricingStep(f"{when}: nothing to price", Decimal(0), Decimal(0), Decimal(0)))
    return _Priced(times, billable, priced.unit_price, priced.amount, tuple(steps))


def _change(used: Decimal | None, before: Decimal | None, booked: Mapping[Decimal, int]) -> str:
    if used is None:
        return "what was booked before, taken back"
    if before is not None:
        return f"{figure(used)} used, billed as {figure(before)}"
    return f"{figure(used)} used, " + ("less what was booked before" if booked else "not billed before")
