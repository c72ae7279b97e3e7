"""Batches are read by generated structs as graphql-core and Strawberry read them: the same values, the same errors."""

from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, parse
from graphql.execution.values import get_argument_values
from hypothesis import given
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types.arguments import convert_arguments

from app.api.errors import BadUserInput, formatted
from app.api.execution.executor import SettlingExecutor
from app.api.limits import request_from_json
from app.api.mutations.usage import UsageEventInput, UsageRecordInput
from app.api.schema import schema
from app.operations.usage.record import EVENTS_MAX
from tests.api.execution.chance import Chance
from tests.api.execution.effort import examples

parsed = cache(parse)
CORE = schema._schema
FIELD = CORE.mutation_type.fields["usageRecord"]
WHOLE = "mutation ($input: UsageRecordInput!) { usageRecord(input: $input) { accepted } }"
LIST = "mutation ($events: [UsageEventInput!]!) { usageRecord(input: {events: $events, dryRun: true}) { accepted } }"
OPTIONAL = "mutation ($input: UsageRecordInput = {events: []}) { usageRecord(input: $input) { accepted } }"
BESIDE = """
    mutation ($input: UsageRecordInput!, $all: Boolean!) {
      usageRecord(input: $input) { results(all: $all) { index } }
    }
"""
NAMED = "query A { viewer { name } } mutation B($input: UsageRecordInput!) { usageRecord(input: $input) { accepted } }"

STRINGS = [
    "e-1",
    "",
    "api",
    "\u00e9",
    "e\u0301",
    "\U0001f600",
    "x" * 300,
    " ",
    "\t",
    "1",
    "cus_01h455vb4pex5vsknk084sn02q",
]
NUMBERS = [0, 1, -1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**23, 10**24, 1.0, 1.5, -0.0, 1e30, True, False]
DECIMALS = ["1", "0", "-1", "0.000000000001", "1e3", "1.", ".5", "NaN", "Infinity", "\u0661", "9" * 24, "9" * 25, "1 "]
INSTANTS = [
    "2026-05-20T00:00:00Z",
    "2026-05-20t00:00:00.123456z",
    "2026-05-20T00:00:00+02:00",
    "2026-05-20T23:59:60Z",
    "2026-02-30T00:00:00Z",
    "2026-05-20T00:00:00",
    "2026-05-20",
    "2026-05-20 00:00:00Z",
    "0999-01-01T00:00:00Z",
    "9999-12-31T23:59:59-01:00",
    "2026-05-20T00:00:00+25:00",
    "2026-05-20T00:00:00.1234567Z",
]
PROPERTIES = [
    {},
    {"region": "eu", "status": 200, "ok": True, "ratio": 0.5},
    {"": "empty"},
    {"k" * 101: 1},
    {"k": "v" * 2_001},
    {"k": None},
    {"k": []},
    {"k": {"deep": 1}},
    {"k": 2**63},
    {f"k{n}": n for n in range(51)},
]
ODD = [None, *NUMBERS, *STRINGS, *DECIMALS, *INSTANTS, [], [1], {}, {"a": 1}]
USUAL = {
    "eventId": STRINGS,
    "meter": STRINGS,
    "source": STRINGS,
    "customerId": [*STRINGS, *NUMBERS, None],
    "externalCustomerId": [*STRINGS, None],
    "subscriptionId": [*STRINGS, None],
    "quantity": [*DECIMALS, *NUMBERS],
    "occurredAt": [*INSTANTS, None],
    "properties": [*PROPERTIES, None],
}


def event(chance: Chance) -> Any:
    """An event: mostly well formed, sometimes broken in one way or another."""
    made = {"eventId": "e-1", "meter": "calls"}
    for name, values in USUAL.items():
        if chance.happens(40):
            made[name] = chance.one_of(values if chance.happens(97) else ODD)
    if chance.happens(3):
        made.pop(chance.one_of(("eventId", "meter")))
    if chance.happens(3):
        made[chance.one_of(("event_id", "unknown", "", "EventId"))] = chance.one_of(ODD)
    return made if chance.happens(98) else chance.one_of(ODD)


def variables(chance: Chance) -> tuple[str, dict[str, Any]]:
    """A document, and what a client sends for it."""
    document = chance.one_of((WHOLE, LIST, OPTIONAL, BESIDE))
    events: Any = [event(chance) for _ in range(chance.between(0, 3))]
    if chance.happens(3):
        events = chance.one_of((*ODD, {"eventId": "alone", "meter": "calls"}))
    input: Any = {"events": events}
    if chance.happens(30):
        input["dryRun"] = chance.one_of((True, False)) if chance.happens(90) else chance.one_of(ODD)
    if chance.happens(3):
        input[chance.one_of(("events", "unknown", "dry_run"))] = chance.one_of(ODD)
    if chance.happens(3):
        input = chance.one_of(ODD)
    sent = {"events": events} if document == LIST else {"input": input}
    if document == BESIDE:
        sent["all"] = True if chance.happens(80) else chance.one_of(ODD)
    if chance.happens(3):
        sent = chance.one_of(({}, {**sent, "unknown": 1}))
    return document, sent


def read_by(executor_class: Any, document: str, sent: dict[str, Any] | None, name: str | None = None) -> Any:
    """What the resolver is given, whole, or the errors as they go out."""
    executor = executor_class.build(CORE, parsed(document), None, None, sent, name)
    if isinstance(executor, list):
        return formatted(executor, "req")
    (node,) = executor.operation.selection_set.selections
    try:
        arguments = get_argument_values(FIELD, node, executor.variable_values)
    except GraphQLError as error:
        return formatted([error], "req")
    registry = schema.schema_converter.scalar_registry
    converted = convert_arguments(
        arguments, FIELD.extensions["strawberry-definition"].arguments, registry, schema.config
    )
    return whole(converted)


def whole(value: Any) -> Any:
    """A value with the type of each part of it: 1 is not 1.0 here, and left out is not null."""
    match value:
        case dict():
            return {name: whole(content) for name, content in value.items()}
        case list():
            return [whole(content) for content in value]
        case _ if is_dataclass(value):
            assert set(vars(value)) == {field.name for field in fields(value)}
            return type(value), {name: whole(content) for name, content in sorted(vars(value).items())}
        case strawberry.UNSET:
            return strawberry.UNSET
        case _:
            return type(value), repr(value)


STOCK = StrawberryGraphQLCoreExecutionContext
READ: list[bool] = []


@examples(1_500)
@given(content=st.binary(min_size=96, max_size=96))
def test_structs_read_what_graphql_core_reads(content: bytes) -> None:
    """1,500 inputs, well formed and broken: equal values of equal types, or equal errors."""
    document, sent = variables(Chance(content))
    expected = read_by(STOCK, document, sent)
    assert read_by(SettlingExecutor, document, sent) == expected
    READ.append(isinstance(expected, dict))


def test_both_kinds_were_compared() -> None:
    """Of those inputs many are taken, and many refused."""
    assert 0.2 < sum(READ) / len(READ) < 0.8


@pytest.mark.parametrize(("document", "name"), [(WHOLE, None), (OPTIONAL, None), (NAMED, "B")])
def test_a_batch_is_read_by_structs(document: str, name: str | None) -> None:
    """Not by graphql-core and then again: what comes of it is what the resolver is given."""
    sent = {"input": {"events": [{"eventId": "e-1", "meter": "calls"}]}}
    executor = SettlingExecutor.build(CORE, parsed(document), None, None, sent, name)
    found = executor.variable_values.coerced["input"]
    assert found == UsageRecordInput(events=[UsageEventInput(event_id="e-1", meter="calls")])
    assert read_by(SettlingExecutor, document, sent, name) == read_by(STOCK, document, sent, name)


def test_a_list_of_a_batch_is_read_by_structs() -> None:
    """Where the document writes the input around it."""
    sent = {"events": [{"eventId": "e-1", "meter": "calls", "customerId": None}]}
    executor = SettlingExecutor.build(CORE, parsed(LIST), None, None, sent)
    assert executor.variable_values.coerced["events"] == [
        UsageEventInput(event_id="e-1", meter="calls", customer_id=None)
    ]


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize(("document", "place"), [(WHOLE, "input"), (LIST, "events")])
def test_no_more_is_read_of_a_batch_than_is_enough_to_refuse_it(document: str, place: str, broken: bool) -> None:
    """Of 10,000 events 1,001 are read, also where graphql-core has to read them."""
    events: list[Any] = [{"eventId": "e", "meter": "calls"}] * 10_000
    if broken:
        events[0] = {"eventId": "e", "meter": "calls", "customerId": 1}
    sent = {"input": {"events": events}} if place == "input" else {"events": events}
    executor = SettlingExecutor.build(CORE, parsed(document), None, None, sent)
    found = executor.variable_values.coerced[place]
    if place == "input":
        found = found["events"] if broken else found.events
    assert len(found) == EVENTS_MAX + 1


def test_what_structs_refuse_keeps_the_place_of_its_error() -> None:
    """The errors of several variables come in the order of their declarations, as graphql-core has them."""
    document = BESIDE.replace("$input: UsageRecordInput!, $all: Boolean!", "$all: Boolean!, $input: UsageRecordInput!")
    for sent in (
        {"all": 1, "input": {"events": [1]}},
        {"all": 1, "input": {"events": []}},
        {"input": {"events": [{}]}},
        {"input": None},
        {},
        None,
    ):
        found = read_by(SettlingExecutor, document, sent)
        assert found == read_by(STOCK, document, sent)
        assert isinstance(found, list)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        (b'"\\u0000"', True),
        (b'"\\\\u0000"', False),
        (b'"\\\\\\u0000"', True),
        (b'{"\\u0000": 1}', True),
        (b'[["\\u0000"]]', True),
        (b'"\\u0001"', False),
        (b"[" * 31 + b"]" * 31, False),
        (b"[" * 32 + b"]" * 32, False),
        (b"[" * 32 + b"1" + b"]" * 32, True),
        (b"[" * 33 + b"]" * 33, True),
        (b'{"a":' * 31 + b"1" + b"}" * 31, False),
        (b'{"a":' * 32 + b"1" + b"}" * 32, True),
    ],
)
def test_the_bytes_say_whether_strings_must_be_looked_at(text: bytes, refused: bool) -> None:
    """An escaped NUL is found wherever it stands, and a backslash before `u0000` is none; nesting ends at 32."""
    body = b'{"query": "{ viewer { name } }", "variables": {"a": ' + text + b"}}"
    if refused:
        with pytest.raises(BadUserInput):
            request_from_json(body)
    else:
        assert request_from_json(body).variables is not None
