"""What holds of every price and every quantity."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor, inf
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.domain.price import PricingModel, Tier, UsagePrice, price_quantity, validate_price

UNIT_PRICES = st.decimals(0, 20, places=1) | st.decimals(0, 10_000, places=12)
"""Coarse ones make halves, which are what rounding is about."""
QUANTITIES = st.decimals(0, 100_000, places=6)
AMOUNTS = st.integers(0, 100_000)
TIERED = (PricingModel.GRADUATED, PricingModel.VOLUME)


NO_FEES = st.just(0)


@st.composite
def prices(
    draw: st.DrawFn,
    models: tuple[PricingModel, ...] = tuple(PricingModel),
    flat_fees: st.SearchStrategy[int] = AMOUNTS,
) -> UsagePrice:
    """Valid prices of the models."""
    model = draw(st.sampled_from(models))
    bounds = st.lists(st.decimals("0.001", 90_000, places=3), max_size=4 if model in TIERED else 0, unique=True)
    size = draw(st.decimals("0.01", 5000, places=2)) if model is PricingModel.PACKAGE else None
    low, high = sorted((draw(AMOUNTS), draw(AMOUNTS)))
    return UsagePrice(
        model,
        tuple(Tier(up_to, draw(UNIT_PRICES), draw(flat_fees)) for up_to in [*sorted(draw(bounds)), None]),
        size,
        draw(st.sampled_from([None, low])),
        draw(st.sampled_from([None, high])),
    )


@st.composite
def prices_and_quantities(draw: st.DrawFn) -> tuple[UsagePrice, Decimal]:
    """A price, and a quantity that may be none, whole, or the last unit of a tier."""
    price = draw(prices())
    bounds = [tier.up_to for tier in price.tiers if tier.up_to is not None]
    whole = st.integers(0, 100).map(Decimal)
    return price, draw(st.sampled_from([*bounds, Decimal(0)]) | whole | QUANTITIES)


@given(prices(), QUANTITIES)
def test_the_steps_are_the_calculation(price: UsagePrice, quantity: Decimal) -> None:
    """Each step's product is its amount, and the steps sum to the exact amount."""
    validate_price(price, ())
    priced = price_quantity(price, quantity)
    for step in priced.steps:
        assert Fraction(step.quantity) * Fraction(step.unit_price) == Fraction(step.amount)
    assert sum(Fraction(step.amount) for step in priced.steps) == Fraction(priced.exact)


@settings(max_examples=400)
@given(prices_and_quantities())
def test_rounds_the_sum_once(case: tuple[UsagePrice, Decimal]) -> None:
    """The exact amount, and it alone, is rounded, a half upwards: no step was rounded before (E7, M6, M7)."""
    price, quantity = case
    priced = price_quantity(price, quantity)
    assert priced.amount == floor(Fraction(priced.exact) + Fraction(1, 2))


@given(prices_and_quantities())
def test_costs_what_fractions_say(case: tuple[UsagePrice, Decimal]) -> None:
    """Every model gives what its definition gives, written anew in fractions that cannot round (M2, M36)."""
    price, quantity = case
    assert Fraction(price_quantity(price, quantity).exact) == by_definition(price, Fraction(quantity))


def by_definition(price: UsagePrice, quantity: Fraction) -> Fraction:
    """The oracle: each tier as (what lies below it, up to where, unit price, flat fee)."""
    tiers, below = [], Fraction(0)
    for tier in price.tiers:
        above = inf if tier.up_to is None else Fraction(tier.up_to)
        tiers.append((below, above, Fraction(tier.unit_price), tier.flat_fee))
        below = Fraction(above) if above != inf else below
    match price.model:
        case PricingModel.GRADUATED:
            exact = sum(
                ((min(quantity, above) - low) * each + fee for low, above, each, fee in tiers if quantity > low),
                Fraction(0),
            )
        case PricingModel.PACKAGE:
            assert price.package_size is not None
            (_, _, each, fee) = tiers[0]
            exact = ceil(quantity / Fraction(price.package_size)) * each + (fee if quantity else 0)
        case _:
            reached = [(each, fee) for low, above, each, fee in tiers if low < quantity <= above]
            exact = sum((quantity * each + fee for each, fee in reached), Fraction(0))
    least = exact if price.minimum is None else max(exact, Fraction(price.minimum))
    return least if price.maximum is None else min(least, Fraction(price.maximum))


@given(prices(), QUANTITIES)
def test_stays_within_its_bounds(price: UsagePrice, quantity: Decimal) -> None:
    """No line falls below its minimum or rises above its maximum."""
    amount = price_quantity(price, quantity).amount
    assert price.minimum is None or amount >= price.minimum
    assert price.maximum is None or amount <= price.maximum


@given(prices((PricingModel.GRADUATED,)), QUANTITIES, QUANTITIES)
def test_graduated_never_falls(price: UsagePrice, one: Decimal, other: Decimal) -> None:
    """More usage never costs less under GRADUATED."""
    less, more = sorted((one, other))
    assert price_quantity(price, less).exact <= price_quantity(price, more).exact


@given(prices((PricingModel.GRADUATED,), NO_FEES), st.data())
def test_graduated_is_continuous(price: UsagePrice, data: st.DataObject) -> None:
    """Without flat fees no bound makes the price jump: a sliver of usage costs a sliver."""
    bounds = [tier.up_to for tier in price.tiers if tier.up_to is not None]
    quantity = data.draw(st.sampled_from([*bounds, Decimal(0)]) | QUANTITIES)
    sliver = Decimal("0.000001")
    before = Fraction(price_quantity(price, quantity).exact)
    after = Fraction(price_quantity(price, quantity + sliver).exact)
    dearest = max(tier.unit_price for tier in price.tiers)
    assert 0 <= after - before <= Fraction(sliver) * Fraction(dearest)


@given(prices((PricingModel.GRADUATED,), NO_FEES), st.data())
def test_graduated_meets_at_its_bounds(price: UsagePrice, data: st.DataObject) -> None:
    """A bound belongs to the tier below, and a unit beyond it costs the next tier's price (M35)."""
    price = replace(price, minimum=None, maximum=None)
    assume(len(price.tiers) > 1)
    tier, following = data.draw(st.sampled_from(list(pairwise(price.tiers))))
    assert tier.up_to is not None
    sliver = Decimal("0.000001")
    below, at, beyond = (
        Fraction(price_quantity(price, tier.up_to + step).exact) for step in (-sliver, Decimal(0), sliver)
    )
    assert at - below == Fraction(sliver) * Fraction(tier.unit_price)
    assert beyond - at == Fraction(sliver) * Fraction(following.unit_price)


@given(prices((PricingModel.GRADUATED,)), QUANTITIES)
def test_the_parts_of_the_tiers_are_the_quantity(price: UsagePrice, quantity: Decimal) -> None:
    """No unit is left out and none stands in two tiers."""
    price = replace(price, tiers=without_fees(price), minimum=None, maximum=None)
    assert sum(Fraction(step.quantity) for step in price_quantity(price, quantity).steps) == Fraction(quantity)


@given(prices(), st.lists(QUANTITIES, min_size=1, max_size=9), st.randoms())
def test_it_does_not_matter_how_usage_was_split(price: UsagePrice, parts: list[Decimal], random: Random) -> None:
    """The same total, sent in other parts and another order, is billed the same."""
    moved = Decimal("0.000001") * random.randint(0, int(parts[0] * 1_000_000))
    others = [*parts[1:], parts[0] - moved, moved]
    random.shuffle(others)
    assert price_quantity(price, sum(parts, Decimal(0))) == price_quantity(price, sum(others, Decimal(0)))


@given(prices((PricingModel.PER_UNIT, PricingModel.PERCENTAGE), NO_FEES), QUANTITIES, QUANTITIES)
def test_one_price_is_the_same_in_parts(price: UsagePrice, one: Decimal, other: Decimal) -> None:
    """Under PER_UNIT and PERCENTAGE what two parts cost exactly sums to what the whole costs."""
    price = replace(price, minimum=None, maximum=None)
    parts = [Fraction(price_quantity(price, part).exact) for part in (one, other)]
    assert sum(parts) == Fraction(price_quantity(price, one + other).exact)


@given(prices((PricingModel.VOLUME,)), st.data())
def test_volume_is_the_reached_tiers_price_for_all(price: UsagePrice, data: st.DataObject) -> None:
    """VOLUME costs what PER_UNIT does at the reached tier, whose bound is its last unit (M35)."""
    bounds = [tier.up_to for tier in price.tiers if tier.up_to is not None]
    quantity = data.draw(st.sampled_from([*bounds, Decimal(0)]) | QUANTITIES)
    reached = next(tier for tier in price.tiers if tier.up_to is None or quantity <= tier.up_to)
    alone = UsagePrice(PricingModel.PER_UNIT, (replace(reached, up_to=None),), None, price.minimum, price.maximum)
    assert price_quantity(price, quantity).exact == price_quantity(alone, quantity).exact


@given(prices((PricingModel.PACKAGE,), NO_FEES), st.integers(0, 50), st.decimals("0.000001", 1, places=6))
def test_package_is_a_step_function(price: UsagePrice, full: int, share: Decimal) -> None:
    """Within a package nothing is added; at its first sliver the whole of it is (M3)."""
    price = replace(price, minimum=None, maximum=None)
    assert price.package_size is not None
    start, (tier,) = full * price.package_size, price.tiers
    at_its_start, in_it, at_its_end = (
        Fraction(price_quantity(price, quantity).exact)
        for quantity in (start, start + share * price.package_size, start + price.package_size)
    )
    assert at_its_start == full * Fraction(tier.unit_price)
    assert in_it == at_its_end == at_its_start + Fraction(tier.unit_price)


def without_fees(price: UsagePrice) -> tuple[Tier, ...]:
    """The price's tiers with no flat fees."""
    return tuple(replace(tier, flat_fee=0) for tier in price.tiers)


@given(prices(TIERED), QUANTITIES)
def test_one_tier_makes_graduated_and_volume_the_same(price: UsagePrice, quantity: Decimal) -> None:
    """GRADUATED, VOLUME and PER_UNIT agree where there is but one tier."""
    sole = price.tiers[-1:]
    exact = {
        price_quantity(UsagePrice(model, sole, None, price.minimum, price.maximum), quantity).exact
        for model in (*TIERED, PricingModel.PER_UNIT)
    }
    assert len(exact) == 1
