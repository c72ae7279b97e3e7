"""What holds of every price and every quantity."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.domain.price import PricingModel, Tier, UsagePrice, price_quantity, validate_price

UNIT_PRICES = st.decimals(0, 10_000, places=12)
QUANTITIES = st.decimals(0, 100_000, places=6)
AMOUNTS = st.integers(0, 100_000)
TIERED = (PricingModel.GRADUATED, PricingModel.VOLUME)


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


NO_FEES = st.just(0)


@given(prices(), QUANTITIES)
def test_the_steps_are_the_calculation(price: UsagePrice, quantity: Decimal) -> None:
    """Each step's product is its amount, and the steps sum to the exact amount."""
    validate_price(price, ())
    priced = price_quantity(price, quantity)
    for step in priced.steps:
        assert Fraction(step.quantity) * Fraction(step.unit_price) == Fraction(step.amount)
    assert sum(Fraction(step.amount) for step in priced.steps) == Fraction(priced.exact)


@given(prices(), QUANTITIES)
def test_rounds_once(price: UsagePrice, quantity: Decimal) -> None:
    """The amount is at most half a minor unit from the exact one (E7)."""
    priced = price_quantity(price, quantity)
    assert abs(Fraction(priced.exact) - priced.amount) <= Fraction(1, 2)


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


@given(prices(TIERED), QUANTITIES)
def test_one_tier_makes_graduated_and_volume_the_same(price: UsagePrice, quantity: Decimal) -> None:
    """GRADUATED, VOLUME and PER_UNIT agree where there is but one tier."""
    sole = price.tiers[-1:]
    exact = {
        price_quantity(UsagePrice(model, sole, None, price.minimum, price.maximum), quantity).exact
        for model in (*TIERED, PricingModel.PER_UNIT)
    }
    assert len(exact) == 1
