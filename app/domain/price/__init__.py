"""What a quantity costs: tiers, five pricing models, one rounding.

Owns: the shape of a price, what makes one valid, and the calculation with its explanation.
Never: knows of plans, currencies or what is included; rounds a step.
Begin at: `pricing.py`; each model is a file of its own.
"""

from app.domain.price.pricing import price_quantity
from app.domain.price.types import Priced, PricingModel, PricingStep, Tier, UsagePrice
from app.domain.price.validation import QUANTITY_MAX, validate_price

__all__ = [
    "QUANTITY_MAX",
    "Priced",
    "PricingModel",
    "PricingStep",
    "Tier",
    "UsagePrice",
    "price_quantity",
    "validate_price",
]
