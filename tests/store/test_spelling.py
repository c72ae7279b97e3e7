"""PostgreSQL spells rows as JSON to the byte as they are written from their values."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.api.scalars import shown_decimal
from app.domain.period import shown
from app.store.query import Query, parameter
from app.store.spelling import Form, Known, Object, Spelling, Value
from tests.caller import Caller

COLUMNS: dict[str, Any] = {
    "text": parameter("text", sa.Text()),
    "name": parameter("name", sa.Text()),
    "count": parameter("count", sa.Integer()),
    "minor": parameter("minor", sa.BigInteger()),
    "active": parameter("active", sa.Boolean()),
    "number": parameter("number", sa.Numeric()),
    "at": parameter("at", sa.DateTime(timezone=True)),
}
NAMES = ("DRAFT", "PAID")
FORMS = {
    "text": Form.STRING,
    "name": Form.NAME,
    "count": Form.INTEGER,
    "minor": Form.MINOR_UNITS,
    "active": Form.BOOLEAN,
    "number": Form.DECIMAL,
    "at": Form.INSTANT,
}
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
INSTANTS = st.datetimes(datetime(1000, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
ROWS = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "name": st.sampled_from(NAMES),
        "count": st.integers(-(2**31), 2**31 - 1),
        "minor": st.integers(-(2**53) + 1, 2**53 - 1),
        "active": st.booleans(),
        "number": st.decimals(-(10**15), 10**15, places=12) | st.decimals(-(10**15), 10**15, places=0),
        "at": INSTANTS | INSTANTS.map(lambda instant: instant.replace(microsecond=0)),
    }
)
WRITE: dict[str, Callable[[Any], Any]] = {"number": shown_decimal, "at": shown}
ROW = {
    "text": "".join(map(chr, [*range(1, 0x250), 0x2028, 0xFEFF, 0x1F4B6])),
    "name": "PAID",
    "count": 0,
    "minor": 0,
    "active": True,
    "number": Decimal("0.00000010"),
    "at": datetime(2026, 11, 26, 8, 0, 0, 500, tzinfo=UTC),
}


def query_of(*members: Any) -> Query[Any]:
    text = Spelling(members).expression(COLUMNS)
    assert text is not None
    return Query(sa.select(text), unfiltered_because="it reads no table")


def value(name: str, *, nullable: bool = False) -> Value:
    return Value(f"of_{name}", name, FORMS[name], nullable, NAMES if name == "name" else ())


EVERY = query_of(Known("__typename", '"Row"'), *map(value, FORMS))
MAY_BE_NULL = query_of(*(value(name, nullable=True) for name in FORMS))
PERIOD = query_of(Object("period", (value("at"), value("text")), nullable=True, required=("at", "text")))
AMOUNT = query_of(Object("amount", (value("minor"),), nullable=False, required=()), value("count"))


async def spelled(caller: Caller, query: Query[Any], row: dict[str, Any]) -> bytes | None:
    async with caller.database.read() as tx:
        text = await tx.fetch_value(query, **row)
    return None if text is None else text.encode()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=ROWS)
@example(row=ROW)
async def test_values_of_every_form_are_written_as_the_api_writes_them(owner: Caller, row: dict[str, Any]) -> None:
    """Whatever characters are in a text, however long a number, with microseconds or without."""
    members = {f"of_{name}": WRITE.get(name, lambda same: same)(row[name]) for name in FORMS}
    assert await spelled(owner, EVERY, row) == orjson.dumps({"__typename": "Row", **members})


@pytest.mark.parametrize("name", FORMS)
async def test_a_null_where_none_may_be_is_no_text(owner: Caller, name: str) -> None:
    """So that whoever reads it asks graphql-core what to say."""
    assert await spelled(owner, EVERY, {**ROW, name: None}) is None


async def test_a_null_where_one_may_be_is_null(owner: Caller) -> None:
    """In every form."""
    nothing = dict.fromkeys(FORMS)
    assert await spelled(owner, MAY_BE_NULL, nothing) == orjson.dumps({f"of_{name}": None for name in FORMS})


async def test_a_name_that_is_none_of_the_enumeration_is_no_text(owner: Caller) -> None:
    """However it came into the table."""
    assert await spelled(owner, EVERY, {**ROW, "name": "XYZZY"}) is None


async def test_an_object_of_which_nothing_is_asked_is_empty(owner: Caller) -> None:
    """As is a row: what was selected may all be skipped."""
    empty = query_of(Object("amount", (), nullable=False, required=()), value("count"))
    assert await spelled(owner, empty, {"count": 1}) == b'{"amount":{},"of_count":1}'
    assert await spelled(owner, query_of(), {}) == b"{}"
    maybe = query_of(Object("period", (), nullable=True, required=("at",)))
    assert await spelled(owner, maybe, {"at": ROW["at"]}) == b'{"period":{}}'
    assert await spelled(owner, maybe, {"at": None}) == b'{"period":null}'


@pytest.mark.parametrize("missing", ["at", "text"])
async def test_an_object_is_null_where_a_part_of_it_is(owner: Caller, missing: str) -> None:
    """One that may be null; the other has none to be null of."""
    assert await spelled(owner, PERIOD, {"at": ROW["at"], "text": "x", missing: None}) == b'{"period":null}'
    assert await spelled(owner, AMOUNT, {"minor": 5, "count": 1}) == b'{"amount":{"of_minor":5},"of_count":1}'
    assert await spelled(owner, AMOUNT, {"minor": None, "count": 1}) is None


@pytest.mark.parametrize("key", ["", "a b", "a'", 'a"', "1a", "ä", "a\n", ":a"])
def test_a_key_that_is_no_name_is_not_spelled(key: str) -> None:
    """No document can hold one; if one came all the same, it would not become part of a statement."""
    assert Spelling((Value(key, "text", Form.STRING, False),)).expression(COLUMNS) is None
    assert Spelling((Object("o", (Value(key, "text", Form.STRING, False),), False, ()),)).expression(COLUMNS) is None


def test_a_column_of_another_type_is_not_spelled() -> None:
    """A UUID is no text, and 64 bits are more than an Int of GraphQL has."""
    assert Spelling((Value("id", "id", Form.STRING, False),)).expression({"id": sa.column("id", sa.Uuid())}) is None
    assert Spelling((Value("n", "n", Form.INTEGER, False),)).expression({"n": COLUMNS["minor"]}) is None
