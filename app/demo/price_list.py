"""What the companies of the demo sell: documents made of templates, with machine reading, by seat and by use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from app.domain.period import Interval
from app.domain.plan import BillingTiming, Enforcement, FeatureType
from app.domain.price import PricingModel, Tier, UsagePrice
from app.domain.usage import Aggregation
from app.operations.meter.create import NewMeter
from app.operations.plan.create import NewFeature, NewPlan

COMMUNITY, SOLO, TEAM, BUSINESS = "community", "solo", "team", "business"
METERED, ENTERPRISE = "metered", "enterprise"


@dataclass(frozen=True, slots=True)
class Measure:
    """A meter, how many events a day tell of it for one subscription, before and of late, and how the events look.

    Sums come in portions, of late in smaller ones. What is counted comes as it is used: neither number matters.
    """

    meter: NewMeter
    before: float
    lately: float
    traits: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def portions(self, is_recent: bool) -> float:
        """How many events a day, of late or before."""
        return self.lately if is_recent else self.before


_REGIONS: Final = ("eu-central", "eu-central", "eu-west", "us-east")

DOCUMENTS: Final = Measure(
    NewMeter("documents", "Documents rendered", "document", Aggregation.SUM, None),
    0.2,
    1.2,
    {
        "region": _REGIONS,
        "endpoint": ("/v2/render", "/v2/render", "/v2/merge", "/v1/render"),
        "format": ("pdf", "pdf", "docx", "html"),
    },
)
TOKENS: Final = Measure(
    NewMeter("ai_tokens", "Machine reading", "token", Aggregation.SUM, None),
    0.18,
    0.8,
    {"region": _REGIONS, "model": ("reader-small", "reader-small", "reader-large", "reader-vision")},
)
EXPORTS: Final = Measure(
    NewMeter("exports", "Exports to archives", "export", Aggregation.COUNT, None),
    0,
    0,
    {"destination": ("s3", "sftp", "sharepoint"), "region": _REGIONS},
)
USERS: Final = Measure(
    NewMeter("active_users", "Active users", "user", Aggregation.UNIQUE, "user_id"),
    0.28,
    0.8,
    {"client": ("web", "web", "desktop", "mobile")},
)
STORAGE: Final = Measure(
    NewMeter("storage_gb", "Storage, at its highest", "GB", Aggregation.MAX, None), 0.07, 0.3, {"region": _REGIONS}
)
CONNECTIONS: Final = Measure(
    NewMeter("connections", "Connected sources", "source", Aggregation.LATEST, None), 0.05, 0.2
)
MEASURES: Final = (DOCUMENTS, TOKENS, EXPORTS, USERS, STORAGE, CONNECTIONS)


@dataclass(frozen=True, slots=True)
class Prices:
    """What a company asks, in minor units of its currency: base fees, then what one of each meter costs."""

    currency: str
    team_before: int
    team: int
    team_next: int
    business: int
    enterprise_a_year: int
    document: Decimal
    token: Decimal
    export: Decimal
    user: Decimal
    storage_package: Decimal
    minimum: int


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """A version of a plan in the story; its instants are shares of the company's history, 0 to 1.

    Without `published` it is still a draft. `popularity` is its weight among the offers that are open, `uses` what a
    subscription of usual size comes to in a month on each meter.
    """

    plan: NewPlan
    popularity: int
    seats: tuple[int, int] = (1, 1)
    created: float = 0.0
    published: float | None = 0.0
    archived: float | None = None
    uses: tuple[tuple[Measure, float], ...] = ()

    def is_open(self, share: float) -> bool:
        """Whether it can be subscribed to when that share of the history is over."""
        return (
            self.published is not None and self.published <= share and (self.archived is None or share < self.archived)
        )


def offers(prices: Prices) -> tuple[Offer, ...]:
    """The whole price list, older versions of a plan before newer ones."""
    by_team = (DOCUMENTS, 2_300), (STORAGE, 38), (CONNECTIONS, 1.3)
    by_business = (DOCUMENTS, 19_000), (TOKENS, 2_400_000), (USERS, 22), (STORAGE, 180)
    by_meter = (DOCUMENTS, 5_200), (TOKENS, 900_000), (EXPORTS, 12)
    by_enterprise = (DOCUMENTS, 52_000), (USERS, 60), (CONNECTIONS, 9)
    return (
        Offer(_community(prices), 2, uses=((DOCUMENTS, 220),)),
        Offer(_solo(prices), 0, uses=((DOCUMENTS, 450),)),
        Offer(_team_before(prices), 14, seats=(2, 28), archived=0.4, uses=by_team),
        Offer(_business(prices), 7, uses=by_business),
        Offer(_pay_as_you_go(prices), 6, uses=by_meter),
        Offer(_enterprise(prices), 2, uses=by_enterprise),
        Offer(_team(prices), 14, seats=(2, 32), created=0.36, published=0.4, uses=by_team),
        Offer(_team_next(prices), 0, created=0.97, published=None),
    )


def _community(prices: Prices) -> NewPlan:
    return _plan(
        COMMUNITY,
        "Community",
        "For trying out and for good causes: free, and it stops at its limits.",
        prices.currency,
        0,
        [_hard_quota(DOCUMENTS, "Documents", 500), _boolean("watermark", "Watermark on documents")],
    )


def _solo(prices: Prices) -> NewPlan:
    plan = _plan(
        SOLO,
        "Solo",
        "For one person: two weeks to try it, then paid in advance.",
        prices.currency,
        prices.team,
        [_quota(DOCUMENTS, "Documents", 400, _each(prices.document))],
    )
    return replace(plan, timing=BillingTiming.IN_ADVANCE, trial_days=14)


def _team_before(prices: Prices) -> NewPlan:
    return _plan(
        TEAM,
        "Team",
        "By seat, with documents included.",
        prices.currency,
        prices.team_before,
        [
            _quota(DOCUMENTS, "Documents", 2_000, _each(prices.document)),
            _quota(STORAGE, "Storage (GB)", 50, _packages_of(25, prices.storage_package)),
            _hard_quota(CONNECTIONS, "Connected sources", 5),
        ],
    )


def _team(prices: Prices) -> NewPlan:
    return _plan(
        TEAM,
        "Team",
        "By seat, with more documents included, and cheaper the more there are.",
        prices.currency,
        prices.team,
        [
            _quota(DOCUMENTS, "Documents", 2_500, _graduated(prices.document, 5_000, 20_000)),
            _quota(STORAGE, "Storage (GB)", 50, _packages_of(25, prices.storage_package)),
            _hard_quota(CONNECTIONS, "Connected sources", 5),
            _boolean("sso", "Single sign-on"),
        ],
    )


def _team_next(prices: Prices) -> NewPlan:
    return _plan(
        TEAM,
        "Team",
        "In preparation: machine reading for everyone.",
        prices.currency,
        prices.team_next,
        [
            _quota(DOCUMENTS, "Documents", 3_000, _graduated(prices.document, 5_000, 20_000)),
            _quota(TOKENS, "Machine reading (tokens)", 250_000, _each(prices.token)),
            _quota(STORAGE, "Storage (GB)", 100, _packages_of(25, prices.storage_package)),
            _hard_quota(CONNECTIONS, "Connected sources", 10),
            _boolean("sso", "Single sign-on"),
        ],
    )


def _business(prices: Prices) -> NewPlan:
    return _plan(
        BUSINESS,
        "Business",
        "One fee for the company; machine reading and more users by use.",
        prices.currency,
        prices.business,
        [
            _quota(DOCUMENTS, "Documents", 20_000, _graduated(prices.document / 2, 50_000, 200_000)),
            _metered(TOKENS, "Machine reading (tokens)", _graduated(prices.token, 1_000_000, 10_000_000), 500_000),
            _quota(USERS, "Active users", 20, _each(prices.user)),
            _quota(STORAGE, "Storage (GB)", 200, _packages_of(100, prices.storage_package * 3)),
            _boolean("sso", "Single sign-on"),
            _boolean("audit_trail", "Audit trail"),
        ],
    )


def _pay_as_you_go(prices: Prices) -> NewPlan:
    return _plan(
        METERED,
        "Pay as you go",
        "No base fee: what is used, with a monthly minimum.",
        prices.currency,
        0,
        [
            _metered(DOCUMENTS, "Documents", _graduated(prices.document, 1_000, 10_000, minimum=prices.minimum)),
            _metered(TOKENS, "Machine reading (tokens)", _each(prices.token)),
            _metered(EXPORTS, "Exports", _volume(prices.export, 100)),
        ],
    )


def _enterprise(prices: Prices) -> NewPlan:
    return _plan(
        ENTERPRISE,
        "Enterprise",
        "By the year, for whole groups of companies.",
        prices.currency,
        prices.enterprise_a_year,
        [
            _quota(DOCUMENTS, "Documents", 600_000, _each(prices.document / 4)),
            _hard_quota(USERS, "Active users", 250),
            _hard_quota(CONNECTIONS, "Connected sources", 50),
            _boolean("sso", "Single sign-on"),
            _boolean("audit_trail", "Audit trail"),
        ],
        Interval.YEAR,
    )


def _plan(
    key: str,
    name: str,
    description: str,
    currency: str,
    base_price: int,
    features: Sequence[NewFeature],
    interval: Interval = Interval.MONTH,
) -> NewPlan:
    return NewPlan(key, name, description, currency, base_price, interval, 1, BillingTiming.IN_ARREARS, features)


def _boolean(key: str, name: str) -> NewFeature:
    return NewFeature(key, name, FeatureType.BOOLEAN, None, None, None, None)


def _hard_quota(measure: Measure, name: str, included: int) -> NewFeature:
    key = measure.meter.key
    return NewFeature(key, name, FeatureType.QUOTA, Enforcement.HARD, key, Decimal(included), None)


def _quota(measure: Measure, name: str, included: int, price: UsagePrice) -> NewFeature:
    key = measure.meter.key
    return NewFeature(key, name, FeatureType.QUOTA, Enforcement.SOFT, key, Decimal(included), price)


def _metered(measure: Measure, name: str, price: UsagePrice, included: int | None = None) -> NewFeature:
    key, given = measure.meter.key, None if included is None else Decimal(included)
    return NewFeature(key, name, FeatureType.METERED, None, key, given, price)


def _each(unit_price: Decimal) -> UsagePrice:
    return UsagePrice(PricingModel.PER_UNIT, (Tier(None, unit_price, 0),), None, None, None)


def _packages_of(size: int, unit_price: Decimal) -> UsagePrice:
    return UsagePrice(PricingModel.PACKAGE, (Tier(None, unit_price, 0),), Decimal(size), None, None)


def _graduated(unit_price: Decimal, *bounds: int, minimum: int | None = None) -> UsagePrice:
    """Each tier beyond the first a fifth cheaper than the one before."""
    return UsagePrice(PricingModel.GRADUATED, _ever_cheaper(unit_price, bounds), None, minimum, None)


def _volume(unit_price: Decimal, *bounds: int) -> UsagePrice:
    return UsagePrice(PricingModel.VOLUME, _ever_cheaper(unit_price, bounds), None, None, None)


def _ever_cheaper(unit_price: Decimal, bounds: Sequence[int]) -> tuple[Tier, ...]:
    discount = Decimal("0.8")
    return tuple(
        Tier(None if up_to is None else Decimal(up_to), unit_price * discount**number, 0)
        for number, up_to in enumerate([*bounds, None])
    )
