"""Who the demo tells of: a software company, its British daughter, and a sandbox to play in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from app.demo.names import (
    AUSTRIA,
    FRANCE,
    GERMANY,
    IRELAND,
    JAPAN,
    NETHERLANDS,
    SPAIN,
    SWEDEN,
    UNITED_KINGDOM,
    UNITED_STATES,
    Country,
)
from app.demo.price_list import Prices
from app.store.tables.organization import Mode


@dataclass(frozen=True, slots=True)
class Company:
    """An organization of the demo. `customers` subscribe, `clients_by_project` are billed by hand alone.

    `history` is how long before now it opened; those who were with it from the start are `from_the_start`, 0 to 1.
    """

    legal_name: str
    mode: Mode
    time_zone: str
    prices: Prices
    particulars: Mapping[str, Any]
    countries: Sequence[Country]
    id_prefix: str
    history: timedelta
    customers: int
    from_the_start: float = 0.2
    clients_by_project: int = 0
    project_currency: str | None = None
    projects: int = 0
    adjustments: int = 0

    @property
    def currency(self) -> str:
        """What its customers pay in unless they say otherwise."""
        return self.prices.currency


PARENT: Final = Company(
    legal_name="Quillmarsh Software GmbH",
    mode=Mode.LIVE,
    time_zone="Europe/Berlin",
    prices=Prices(
        currency="EUR",
        team_before=1_900,
        team=2_300,
        team_next=2_600,
        business=34_900,
        enterprise_a_year=1_440_000,
        document=Decimal(4),
        token=Decimal("0.0006"),
        export=Decimal(60),
        user=Decimal(900),
        storage_package=Decimal(500),
        minimum=900,
    ),
    particulars={
        "doing_business_as": "Quillmarsh",
        "legal_document": "DE 000 000 000",
        "address": {
            "line1": "Am Speicher 17",
            "line2": "3. Stock",
            "city": "Hamburg",
            "region": None,
            "postal_code": "20457",
            "country": "DE",
        },
        "properties": {"costCenter": "4100", "erp": "QM-DE"},
    },
    countries=(GERMANY, GERMANY, GERMANY, AUSTRIA, FRANCE, NETHERLANDS, SWEDEN, SPAIN),
    id_prefix="QM",
    history=timedelta(days=380),
    customers=150,
    clients_by_project=6,
    project_currency="USD",
    projects=36,
    adjustments=18,
)

DAUGHTER: Final = Company(
    legal_name="Quillmarsh UK Limited",
    mode=Mode.LIVE,
    time_zone="Europe/London",
    prices=Prices(
        currency="GBP",
        team_before=1_700,
        team=2_000,
        team_next=2_300,
        business=29_900,
        enterprise_a_year=1_250_000,
        document=Decimal("3.5"),
        token=Decimal("0.0005"),
        export=Decimal(50),
        user=Decimal(800),
        storage_package=Decimal(450),
        minimum=800,
    ),
    particulars={
        "doing_business_as": "Quillmarsh UK",
        "legal_document": "GB 000 0000 00",
        "address": {
            "line1": "4 Weavers Yard",
            "line2": None,
            "city": "Leeds",
            "region": "West Yorkshire",
            "postal_code": "LS1 4DY",
            "country": "GB",
        },
        "properties": {"costCenter": "4200", "erp": "QM-UK"},
    },
    countries=(UNITED_KINGDOM, UNITED_KINGDOM, UNITED_KINGDOM, IRELAND),
    id_prefix="QMUK",
    history=timedelta(days=372),
    customers=60,
    clients_by_project=2,
    project_currency="EUR",
    projects=14,
    adjustments=8,
)

SANDBOX: Final = Company(
    legal_name="Quillmarsh Sandbox",
    mode=Mode.TEST,
    time_zone="Asia/Tokyo",
    prices=Prices(
        currency="JPY",
        team_before=2_800,
        team=3_400,
        team_next=3_900,
        business=52_000,
        enterprise_a_year=2_100_000,
        document=Decimal(6),
        token=Decimal("0.0009"),
        export=Decimal(90),
        user=Decimal(1_300),
        storage_package=Decimal(750),
        minimum=1_300,
    ),
    particulars={"doing_business_as": "Play here", "properties": {"purpose": "trying things out"}},
    countries=(JAPAN, JAPAN, UNITED_STATES),
    id_prefix="PLAY",
    history=timedelta(days=130),
    customers=12,
    from_the_start=0.6,
    projects=4,
    adjustments=2,
)
