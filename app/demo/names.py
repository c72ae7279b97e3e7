"""Customers that nobody knows: invented names, at real places, reachable at example.com."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from app.operations.customer.create import NewCustomer

_STARTS: Final = """
    Ald Bram Cald Corv Drum Dunn Elb Esk Fenn Firn Garr Halb Hesk Ingr Jorl Kelm Krann Lund Marb Nask Norb Ost
    Pelm Quill Rask Ravn Selk Skarn Tarn Tolb Ulm Veld Vesk Wend Wexl Yarr Zand Zell
    """.split()  # noqa: SIM905 - a table that can be read
_ENDS: Final = """
    ambrel aspire avostra ethrix ibexa ileon inova iskeld omara onquay ontis orvan orvanth osterly ovante umbria
    undrel uvanta
    """.split()  # noqa: SIM905 - a table that can be read
_SECTORS: Final = """
    Analytics Apparel Architects Biolabs Bookings Carriers Ceramics Clinics Dairy Energy Estates Events Finance Foods
    Freight Games Health Insurance Interiors Learning Legal Logistics Media Mobility Optics Outdoor Payroll Publishing
    Robotics Seeds Studios Systems Travel Works
    """.split()  # noqa: SIM905 - a table that can be read
_SEGMENTS: Final = ("startup", "small business", "mid-market", "enterprise")
_SOURCES: Final = ("website", "referral", "trade fair", "outbound", "partner")
_MAILBOXES: Final = ("billing", "accounts", "finance", "invoices", "purchasing")


@dataclass(frozen=True, slots=True)
class Country:
    """Where customers are. In `cities`, # of a postal code stands for a digit and ? for a letter."""

    code: str
    legal_forms: Sequence[str]
    cities: Sequence[tuple[str, str | None, str]]
    streets: Sequence[str]
    number_first: bool = False


GERMANY: Final = Country(
    "DE",
    ("GmbH", "GmbH", "AG", "GmbH & Co. KG"),
    (
        ("Berlin", None, "10###"),
        ("Hamburg", None, "20###"),
        ("Leipzig", "Sachsen", "04###"),
        ("Köln", "Nordrhein-Westfalen", "50###"),
        ("München", "Bayern", "80###"),
    ),
    ("Lindenweg", "Am Speicher", "Kastanienallee", "Mühlenstraße", "Hafengasse"),
)
AUSTRIA: Final = Country(
    "AT", ("GmbH",), (("Wien", None, "10##"), ("Graz", "Steiermark", "80##")), ("Rosengasse", "Seilerstätte")
)
FRANCE: Final = Country(
    "FR",
    ("SAS", "SARL"),
    (("Lyon", None, "6900#"), ("Nantes", None, "4400#"), ("Paris", None, "750##")),
    ("rue des Tilleuls", "quai du Moulin", "avenue des Cèdres"),
    number_first=True,
)
NETHERLANDS: Final = Country(
    "NL",
    ("B.V.",),
    (("Utrecht", None, "35## ??"), ("Rotterdam", None, "30## ??")),
    ("Molenkade", "Lindelaan", "Havenstraat"),
)
SWEDEN: Final = Country("SE", ("AB",), (("Göteborg", None, "41# ##"), ("Malmö", None, "21# ##")), ("Björkvägen",))
SPAIN: Final = Country(
    "ES", ("S.L.", "S.A."), (("Valencia", None, "460##"), ("Bilbao", None, "480##")), ("Calle del Olmo",)
)
UNITED_STATES: Final = Country(
    "US",
    ("Inc.", "LLC"),
    (("Portland", "OR", "972##"), ("Austin", "TX", "787##"), ("Columbus", "OH", "432##")),
    ("Juniper Street", "Old Mill Road"),
    number_first=True,
)
UNITED_KINGDOM: Final = Country(
    "GB",
    ("Ltd", "Ltd", "LLP", "PLC"),
    (
        ("Manchester", None, "M1 #??"),
        ("Bristol", None, "BS1 #??"),
        ("Leeds", "West Yorkshire", "LS1 #??"),
        ("Edinburgh", None, "EH3 #??"),
        ("Cardiff", None, "CF10 #??"),
        ("London", None, "E2 #??"),
    ),
    ("Tannery Row", "Larch Lane", "Canal Street", "Weavers Yard", "Orchard Rise"),
    number_first=True,
)
IRELAND: Final = Country("IE", ("Limited",), (("Cork", "Co. Cork", "T12 ???#"),), ("Harbour Row",), number_first=True)
JAPAN: Final = Country(
    "JP",
    ("K.K.", "G.K."),
    (("Yokohama", "Kanagawa", "220-####"), ("Kobe", "Hyogo", "650-####"), ("Sendai", "Miyagi", "980-####")),
    ("Sakuragi", "Midori", "Wakaba"),
    number_first=True,
)


def invented_customers(
    countries: Sequence[Country], count: int, *, id_prefix: str, currency: str | None, random: Random
) -> Iterator[NewCustomer]:
    """That many customers, no two of one name; some without an address, an e-mail address or an id of their own.

    Those lack an `external_id` that were never in the organization's other systems. `currency` as in NewCustomer.
    """
    stems = random.sample([start + end for start in _STARTS for end in _ENDS], k=count)
    for index, stem in enumerate(stems):
        country = random.choice(countries)
        yield NewCustomer(
            name=f"{stem} {random.choice(_SECTORS)} {random.choice(country.legal_forms)}",
            email=None if index % 23 == 22 else _email(stem, random),
            external_id=None if index % 11 == 10 else f"{id_prefix}-{100_200 + 7 * index + random.randrange(7)}",
            currency=currency,
            address=None if index % 13 == 12 else _address(country, random),
            metadata={"segment": random.choice(_SEGMENTS), "source": random.choice(_SOURCES)},
        )


def _email(stem: str, random: Random) -> str:
    return f"{random.choice(_MAILBOXES)}.{stem.lower()}@{random.choice(('example.com', 'example.org'))}"


def _address(country: Country, random: Random) -> dict[str, Any]:
    city, region, code = random.choice(country.cities)
    street, number = random.choice(country.streets), random.randrange(1, 180)
    return {
        "line1": f"{number} {street}" if country.number_first else f"{street} {number}",
        "line2": random.choice((None, None, None, "2nd floor", "Building C")),
        "city": city,
        "region": region,
        "postal_code": "".join(_drawn(character, random) for character in code),
        "country": country.code,
    }


def _drawn(character: str, random: Random) -> str:
    match character:
        case "#":
            return str(random.randrange(10))
        case "?":
            return random.choice("ABDEFHJLNPRSTUWXYZ")
        case _:
            return character
