"""Bad input: one clear error each, the right status, nothing changed, and not a word of what is behind."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api.schema import schema
from app.domain.written import INSTANT_MAX, INSTANT_MIN
from app.main import application
from app.settings import Settings
from tests.caller import Caller, Founder
from tests.operations.steps import codes, customer, draft, finalized, fingerprint, meter, plan, send, subscription

NEWER = {"accept": "application/graphql-response+json"}
JSON = {"content-type": "application/json"}
QUERY = "{ viewer { name } }"

BEHIND = re.compile(
    r"Traceback|File \"|asyncpg|sqlalchemy|postgres|psycopg|NoneType|0x[0-9a-f]{6,}|\b(TypeError|ValueError|KeyError|"
    r"AttributeError|OverflowError|RecursionError|IndexError|UnicodeEncodeError|AssertionError|Decimal\(|datetime\.|UUID|"
    r"strawberry|graphql-core|NotImplemented|select .* from|insert into|violates|constraint|relation|"
    r"organization_id|numeric field|out of range|codec|sys\.set_int)\b"
)
"""Words that would tell of the program or its database."""


def one_error(answer: httpx.Response) -> dict[str, Any]:
    """The answer's one error, well formed and discreet."""
    content = answer.json()
    (error,) = content["errors"]
    check(error, answer)
    return error


def check(error: dict[str, Any], answer: httpx.Response) -> None:
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    assert set(error["extensions"]) == {"code", "requestId"}
    assert error["message"].strip()
    assert len(error["message"]) < 2_000
    assert not BEHIND.search(error["message"]), error["message"]


def refused(answer: httpx.Response, code: str = "BAD_USER_INPUT", status: int = 400) -> dict[str, Any]:
    """The answer's one error, of that code and status, and no data at all."""
    error = one_error(answer)
    assert (error["extensions"]["code"], answer.status_code) == (code, status), error
    assert "data" not in answer.json()
    return error


async def send_body(caller: Caller, body: bytes | str, **headers: str) -> httpx.Response:
    """Send a body as it is, asking for the media type in which a refused request has its own status."""
    sent = {"authorization": f"Bearer {caller.api_key}", **JSON, **NEWER, **headers}
    return await caller.http.post("/graphql", content=body, headers=sent)


async def execute(caller: Caller, query: str, **variables: Any) -> httpx.Response:
    """Execute a document, asking for that media type."""
    return await caller.post({"query": query, "variables": variables}, headers=NEWER)


# ---------------------------------------------------------------- the request itself


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"query": "{ viewer { name } }"',
        b"{'query': 1}",
        b"null",
        b"5",
        b'"x"',
        b"[]",
        b"true",
        b'[{"query": "{ viewer { name } }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": 5}',
        b'{"query": ""}',
        b'{"query": "  \\n "}',
        b'{"query": ["{ viewer { name } }"]}',
        b'{"query": "{ viewer { name } }", "variables": 5}',
        b'{"query": "{ viewer { name } }", "variables": []}',
        b'{"query": "{ viewer { name } }", "variables": "{}"}',
        b'{"query": "{ viewer { name } }", "variables": NaN}',
        b'{"query": "{ viewer { name } }", "variables": {"a": NaN}}',
        b'{"query": "{ viewer { name } }", "variables": {"a": Infinity}}',
        b'{"query": "{ viewer { name } }", "variables": {"a": 1e400}}',
        b'{"query": "{ viewer { name } }", "variables": {"a": ' + b"9" * 5_000 + b"}}",
        b"9" * 5_000,
        b'{"query": "{ viewer { name } }", "variables": {"a": "\\u0000"}}',
        b'{"query": "{ viewer { name } }", "variables": {"\\u0000": 1}}',
        b'{"query": "{ viewer { name } }", "variables": {"a": "\\ud800"}}',
        b'{"query": "{ viewer { name } }", "variables": {"a": "\xff"}}',
        b'{"query": "{ viewer { name } \\u0000 }"}',
        b"\xff\xfe" + QUERY.encode("utf-16-le"),
        b"\xef\xbb\xbf" + b'{"query": "{ viewer { name } }"}',
        b"[" * 10_000,
        b'{"a":' * 10_000,
        b'{"query": "{ viewer { name } }", "variables": {"a": ' + b"[" * 100 + b"]" * 100 + b"}}",
        b'{"query": "{ viewer { name } }", "variables": {"a": ' + b'{"b":' * 40 + b"1" + b"}" * 40 + b"}}",
        b'{"query": "{ viewer { name } }", "operationName": 5}',
        b'{"query": "{ viewer { name } }", "operationName": {}}',
        b'{"query": "{ viewer { name } }", "operationName": "Unknown"}',
        b'{"query": "query A { viewer { name } } query B { viewer { name } }"}',
        b'{"query": "query A { viewer { name } } query B { viewer { name } }", "operationName": "C"}',
        b'{"query": "{ viewer { name } }", "extensions": 5}',
        b'{"query": "{ viewer { name } }", "extensions": []}',
        b'{"query": "fragment F on Viewer { name }"}',
    ],
)
async def test_a_body_that_is_no_request_is_refused(owner: Caller, body: bytes) -> None:
    """Whatever comes in the place of a JSON object with a document is 400 and BAD_USER_INPUT."""
    refused(await send_body(owner, body))


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "}",
        "{ viewer { name }",
        "{ viewer }",
        "{ viewer { name { x } } }",
        "{ viewer { unknown } }",
        "{ unknown }",
        "mutation { unknown }",
        "subscription { unknown }",
        "query($x: Unknown) { viewer { name } }",
        "query($x: Int) { viewer { name } }",
        "{ customers(first: $undefined) { totalCount } }",
        "{ customers(unknown: 1) { totalCount } }",
        "{ node { id } }",
        "{ ...Unknown }",
        "query { ...F } fragment F on Query { ...F }",
        "{ viewer { name } } { viewer { name } }",
        "{ viewer { name @unknown } }",
        "{ viewer { name @include } }",
        '{ node(id: "\\uD800") { id } }',
        '{ node(id: "\\u{110000}") { id } }',
        '{ node(id: "\\u0000") { id } }',
        '{ node(id: "\\u{0}") { id } }',
        '{ node(id: """\\u0000""" unknown: 1) { id } }',
        "{ customers(first: " + "9" * 5_000 + ") { totalCount } }",
        "{ customers(first: -" + "9" * 5_000 + ") { totalCount } }",
        "{ customers(first: 1e" + "9" * 5_000 + ") { totalCount } }",
        "type Query { a: Int }",
        "extend type Query { a: Int }",
        "# nothing",
    ],
)
async def test_a_document_that_is_wrong_is_refused(owner: Caller, document: str) -> None:
    """Syntax, unknown names, fragments in a circle, values of the wrong kind: 400, and a clear error each."""
    answer = await execute(owner, document)
    assert answer.status_code == 400
    assert "data" not in answer.json()
    for error in answer.json()["errors"]:
        check(error, answer)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"


async def test_at_most_ten_errors_are_told(owner: Caller) -> None:
    """A document with a hundred mistakes is not answered with a hundred sentences."""
    answer = await execute(owner, "{ " + " ".join(f"unknown{n}" for n in range(100)) + " }")
    assert answer.status_code == 400
    assert 1 <= len(answer.json()["errors"]) <= 10


async def test_a_document_of_too_many_tokens_is_too_complex(owner: Caller) -> None:
    """2,000 tokens and no more, told as QUERY_TOO_COMPLEX."""
    answer = await execute(owner, "{ " + "viewer { name } " * 600 + "}")
    refused(answer, "QUERY_TOO_COMPLEX")


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (None, 415),
        ("", 415),
        ("text/plain", 415),
        ("application/graphql", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-16", 415),
        ("application/jsonp", 415),
        ("application/json, text/plain", 415),
        ("application/json", 200),
        ("APPLICATION/JSON", 200),
        ("application/json; charset=utf-8", 200),
        ('application/json; charset="UTF-8"', 200),
    ],
)
async def test_a_body_is_json_in_utf_8_and_says_so(owner: Caller, content_type: str | None, status: int) -> None:
    """Any other content type is 415: so no form of another site can send one."""
    headers = {"authorization": f"Bearer {owner.api_key}", **NEWER}
    if content_type is not None:
        headers["content-type"] = content_type
    answer = await owner.http.post("/graphql", content=json.dumps({"query": QUERY}), headers=headers)
    if status == 200:
        assert answer.json()["data"]
    else:
        refused(answer, status=status)


async def test_a_body_that_is_too_large_is_refused(owner: Caller) -> None:
    """128 kB for a document, 1 MB where it records usage; told by its length or found while reading."""
    comment = "#" + "x" * (128 * 1024)
    refused(await send_body(owner, json.dumps({"query": QUERY + comment})), status=413)
    usage = "mutation($input: UsageRecordInput!) { usageRecord(input: $input) { accepted } }"
    events = [{"eventId": f"e-{n}", "meter": "m", "properties": {"k": "x" * 400}} for n in range(1_000)]
    body = json.dumps({"query": usage, "variables": {"input": {"events": events}}})
    assert 128 * 1024 < len(body) < 1024 * 1024
    assert (await send_body(owner, body)).json()["data"]
    refused(await send_body(owner, body + " " * 1024 * 1024), status=413)

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(2_000):
            yield b" " * 1024

    refused(await send_body(owner, parts()), status=413)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", ["²", "9" * 5_000, "-1", "x"])
async def test_a_strange_content_length_is_no_fault_of_ours(owner: Caller, length: str) -> None:
    """A server in front may let any through: what counts is what comes."""
    headers = {"authorization": f"Bearer {owner.api_key}", **JSON, "content-length": length}
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await owner.http.post("/graphql", content=json.dumps({"query": QUERY}), headers=encoded)
    assert answer.json()["data"]["viewer"]["name"] == "owner"


async def test_a_body_that_comes_too_slowly_is_refused(owner: Caller, settings: Settings) -> None:
    """A client that holds its body back is told so with 408 when the time is over."""
    hurried = application(settings.model_copy(update={"body_seconds_max": 0.2}))

    async def drops() -> AsyncIterator[bytes]:
        yield b'{"query": '
        await asyncio.sleep(5)
        yield b'"{ viewer { name } }"}'

    async with hurried.router.lifespan_context(hurried):
        transport = httpx.ASGITransport(app=hurried)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
            headers = {"authorization": f"Bearer {owner.api_key}", **JSON}
            refused(await client.post("/graphql", content=drops(), headers=headers), status=408)


# ---------------------------------------------------------------- values


LONG = "x" * 10_000
NOT_MINOR = [1.5, -0.5, 1e300, 2**53, -(2**53), 2**64, 10**30, True, False, "7", "", [], {}, [7]]
NOT_DECIMAL = [
    1.5,
    1e300,
    True,
    "",
    " ",
    "1e5",
    "1E5",
    "NaN",
    "nan",
    "Infinity",
    "-",
    ".5",
    "5.",
    "+5",
    "1,5",
    "1 000",
    "0x10",
    "1_000",
    "٣",
    "1٣",
    "9" * 25,
    "0." + "9" * 25,
    "9" * 5_000,
    "7\n",
    10**30,
    [],
    {},
]
NOT_INSTANT = [
    "2026-05-20",
    "2026-05-20T00:00:00",
    "2026-05-20 00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-06-30T23:59:60Z",
    "2026-05-20T24:00:01Z",
    "2026-05-20T25:00:00Z",
    "٢٠٢٦-05-20T00:00:00Z",
    "",
    "now",
    "2026-05-20T00:00Z",
    "20260520T000000Z",
    "2026-W21-3T00:00:00Z",
    "2026-05-20T00:00:00+25:00",
    "2026-05-20T00:00:00.1234567Z",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "0999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-01:00",
    "9999-12-31T23:59:59.000001Z",
    "2026-05-20T00:00:00Z\n",
    "2026-05-20T00:00:00Z ",
    1747699200,
    True,
    [],
    {},
]
NOT_CURRENCY = ["usd", "US", "USDD", "XXX", "BTC", "", " USD", "USD\n", "ŪSD", 840, True, [], {}]
NOT_COUNTRY = ["de", "D", "DEU", "", "ÄÖ", "D3", "DE\n", 49, True, [], {}]
NOT_ZONE = [
    "Europe/Nowhere",
    "europe/berlin",
    "",
    "UTC+1",
    "+01:00",
    "../../etc/passwd",
    "localtime",
    "CEST\n",
    LONG,
    1,
    [],
    {},
]
NOT_METADATA = [
    {f"k{n}": "x" for n in range(51)},
    {"k" * 101: "x"},
    {"": "x"},
    {"k": "x" * 2_001},
    {"k": {"nested": "x"}},
    {"k": ["x"]},
    {"k": 1},
    {"k": None},
    {"k": True},
    [],
    [["k", "x"]],
    "k",
    5,
]
NOT_PROPERTIES = [
    {"k": {"nested": 1}},
    {"k": [1]},
    {"k": None},
    {f"k{n}": 1 for n in range(51)},
    {"k" * 101: 1},
    {"k": "x" * 2_001},
    {"k": 10**30},
    {"k": 2**63},
    {"k": -(2**63)},
    [],
    "k",
    5,
]

MINOR = ("ledgerAdjust", {"currency": "USD", "description": "x"}, "amount")
DECIMAL = ("invoiceLineItemAdd", {"invoiceId": "x", "description": "x"}, "unitPrice")
INSTANT = ("subscriptionCreate", {"planKey": "pro"}, "startAt")
SEATS = ("subscriptionChangePlan", {"subscriptionId": "x", "planKey": "pro"}, "quantity")
CURRENCY = ("customerCreate", {"name": "x"}, "currency")
ZONE = ("organizationUpdate", {}, "timeZone")
METADATA = ("customerCreate", {"name": "x"}, "metadata")

WRONG = [
    *((*MINOR, value) for value in NOT_MINOR),
    *((*DECIMAL, value) for value in NOT_DECIMAL),
    *((*INSTANT, value) for value in NOT_INSTANT),
    *(("testClockAdvance", {}, "to", value) for value in [*NOT_INSTANT, None]),
    *(("billingRun", {}, "until", value) for value in NOT_INSTANT[:6]),
    *(("subscriptionPause", {"subscriptionId": "x"}, "resumesAt", value) for value in NOT_INSTANT[:6]),
    *((*SEATS, value) for value in [1.5, 2**31, -(2**31) - 1, True, "7", []]),
    *((*SEATS[:2], "proration", value) for value in ["prorate_now", "LATER", 1, True, None]),
    *((*CURRENCY, value) for value in NOT_CURRENCY),
    *(("customerCreate", {"name": "x"}, "address", {"country": value}) for value in NOT_COUNTRY),
    *((*ZONE, value) for value in NOT_ZONE),
    *((*METADATA, value) for value in NOT_METADATA),
    *(("usageRecord", {}, "events", [{"eventId": "e", "meter": "m", "properties": value}]) for value in NOT_PROPERTIES),
    *(
        ("subscriptionCreate", {"planKey": "pro"}, "quantity", value)
        for value in [1.5, 2**31, -(2**31) - 1, True, "7", []]
    ),
    *(("customerCreate", {}, "name", value) for value in [7, True, None, [], {}, 1.5]),
    *(
        ("planCreate", {"key": "k", "name": "n", "currency": "USD", "basePrice": 1}, "interval", value)
        for value in ["month", "FORTNIGHT", 1, True, None]
    ),
    ("customerCreate", {"name": "x"}, "unknown", 1),
    ("customerCreate", {"name": "x"}, "dryRun", "yes"),
    ("customerCreate", {"name": "x"}, "dryRun", None),
]


@pytest.fixture(scope="module")
async def partner(founder: Founder) -> Caller:
    return await founder.organization(legal_name="Quux SARL")


@pytest.mark.parametrize(("field", "base", "name", "value"), WRONG)
async def test_a_wrong_value_in_variables_is_refused(
    partner: Caller, field: str, base: dict[str, Any], name: str, value: Any
) -> None:
    """A value that its type cannot take exactly is 400 with a sentence that names the place, and is not executed."""
    kind = field[0].upper() + field[1:] + "Input"
    document = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ userErrors {{ code }} }} }}"
    answer = await execute(partner, document, input={**base, name: value})
    error = refused(answer)
    assert "'$input'" in error["message"]


async def test_no_wrong_value_changes_anything(owner: Caller, administrator: asyncpg.Connection) -> None:
    """After all of them not a row of the organization differs, its audit record included."""
    before = await fingerprint(administrator, owner)
    for field, base, name, value in WRONG:
        kind = field[0].upper() + field[1:] + "Input"
        document = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ userErrors {{ code }} }} }}"
        assert "data" not in (await execute(owner, document, input={**base, name: value})).json()
    assert await fingerprint(administrator, owner) == before


@pytest.mark.parametrize(("field", "base", "name", "value"), WRONG)
async def test_a_wrong_value_as_a_literal_is_refused(
    partner: Caller, field: str, base: dict[str, Any], name: str, value: Any
) -> None:
    """The same written into the document itself."""
    literal = written({**base, name: value})
    if literal is None:
        return
    answer = await execute(partner, f"mutation {{ {field}(input: {literal}) {{ userErrors {{ code }} }} }}")
    refused(answer)


def written(value: Any) -> str | None:
    """The value in GraphQL's own notation; None where it has none. Enumerations stay strings, which they are not."""
    match value:
        case dict():
            if not all(re.fullmatch(r"[_A-Za-z][_0-9A-Za-z]*", name) for name in value):
                return None
            parts = [written(content) for content in value.values()]
            if None in parts:
                return None
            return "{" + ", ".join(f"{name}: {part}" for name, part in zip(value, parts, strict=True)) + "}"
        case list():
            parts = [written(content) for content in value]
            return None if None in parts else "[" + ", ".join(map(str, parts)) + "]"
        case _:
            return json.dumps(value)


@pytest.mark.parametrize(
    ("field", "name", "literal"),
    [
        ("ledgerAdjust", "amount", "1e3"),
        ("ledgerAdjust", "amount", "7.0"),
        ("ledgerAdjust", "amount", "9007199254740992"),
        ("ledgerAdjust", "amount", "9" * 99),
        ("ledgerAdjust", "amount", "SEVEN"),
        ("ledgerAdjust", "amount", "true"),
        ("ledgerAdjust", "amount", "null"),
        ("invoiceLineItemAdd", "unitPrice", "1e400"),
        ("invoiceLineItemAdd", "unitPrice", "1.5"),
        ("invoiceLineItemAdd", "unitPrice", "9" * 30),
        ("invoiceLineItemAdd", "unitPrice", "NaN"),
        ("invoiceLineItemAdd", "quantity", "1e-5"),
        ("subscriptionCreate", "startAt", "2026"),
        ("subscriptionCreate", "startAt", "9" * 99),
        ("subscriptionCreate", "quantity", "9" * 99),
        ("subscriptionCreate", "metadata", "{k: 1}"),
        ("subscriptionCreate", "metadata", "{k: {k: 1}}"),
        ("subscriptionCreate", "metadata", "{k: null}"),
        ("subscriptionCreate", "metadata", "[]"),
        ("subscriptionCreate", "metadata", "9" * 99),
        ("usageRecord", "events", '{eventId: "e", meter: "m", properties: {k: 1e400}}'),
        ("usageRecord", "events", '{eventId: "e", meter: "m", properties: {k: -1e400}}'),
        ("usageRecord", "events", '{eventId: "e", meter: "m", properties: {k: ' + "9" * 99 + "}}"),
        ("usageRecord", "events", '{eventId: "e", meter: "m", properties: {k: {k: 1}}}'),
        ("usageRecord", "events", '{eventId: "e", meter: "m", quantity: 1.5}'),
    ],
)
async def test_a_literal_that_has_no_json_is_refused_too(partner: Caller, field: str, name: str, literal: str) -> None:
    """Floats, enumerations and numbers beyond JSON's, written into the document."""
    base = {
        "ledgerAdjust": 'currency: "USD", description: "x"',
        "invoiceLineItemAdd": 'invoiceId: "x", description: "x"' + (', unitPrice: "1"' if name == "quantity" else ""),
        "subscriptionCreate": 'planKey: "pro"',
        "usageRecord": "",
    }[field]
    answer = await execute(
        partner, f"mutation {{ {field}(input: {{{base} {name}: {literal}}}) {{ userErrors {{ code }} }} }}"
    )
    refused(answer)


@pytest.mark.parametrize("bad", ["\u0000", "a\u0000b"])
@pytest.mark.parametrize(
    "document",
    [
        "query($s: ID!) { node(id: $s) { id } }",
        "query($s: String!) { customer(externalId: $s) { id } }",
        "query($s: String!) { plan(key: $s) { id } }",
        "query($s: String!) { invoice(number: $s) { id } }",
        "query($s: String!) { customers(after: $s) { totalCount } }",
        "query($s: String!) { invoices(filter: {number: $s}) { totalCount } }",
        'query($s: String!) { usage(meter: $s, period: {start: "2026-01-01T00:00:00Z", end: "2026-01-02T00:00:00Z"})'
        " { total } }",
        "mutation($s: String!) { customerCreate(input: {name: $s}) { userErrors { code } } }",
        'mutation($s: String!) { customerCreate(input: {name: "x", metadata: {k: $s}}) { userErrors { code } } }',
        'mutation($s: String!) { usageRecord(input: {events: [{eventId: $s, meter: "m"}]}) { accepted } }',
    ],
)
async def test_a_nul_is_refused_wherever_a_string_goes(partner: Caller, document: str, bad: str) -> None:
    """PostgreSQL cannot hold it: it is refused before anything is asked, as a variable and as an escape."""
    refused(await execute(partner, document, s=bad))
    literal = re.sub(r"\(\$s: \w+!\)", "", document).replace("$s", json.dumps(bad))
    refused(await execute(partner, literal))


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "x",
        "xyzzy",
        "inv_",
        "inv_1",
        "inv_01h455vb4pex5vsknk084sn02",
        "inv_01h455vb4pex5vsknk084sn02qq",
        "INV_01h455vb4pex5vsknk084sn02q",
        "inv_01H455VB4PEX5VSKNK084SN02Q",
        "inv_81h455vb4pex5vsknk084sn02q",
        "inv_01h455vb4pex5vsknk084sn0il",
        "inv-01h455vb4pex5vsknk084sn02q",
        "cus_01h455vb4pex5vsknk084sn02q",
        "inv_00000000000000000000000000",
        "inv_7zzzzzzzzzzzzzzzzzzzzzzzzz",
        "inv_01h455vb4pex5vsknk084sn02q\n",
        "ïnv_01h455vb4pex5vsknk084sn02q",
        "inv_٠1h455vb4pex5vsknk084sn02q",
        "\U0001f40d",
        LONG,
        "inv_" + "0" * 10_000,
        "' or 1=1 --",
        "%",
        "\\",
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ],
)
async def test_an_id_that_is_none_reads_like_an_unknown_one(partner: Caller, id_: str) -> None:
    """Malformed, of another type, of 10,000 characters: null in a query, NOT_FOUND in a mutation (D4, M33)."""
    read = "query($id: ID!) { invoice(id: $id) { id } node(id: $id) { id } nodes(ids: [$id]) { id } }"
    assert (await partner.data(read, id=id_)) == {"invoice": None, "node": None, "nodes": [None]}
    payload = await partner.attempt("invoiceFinalize", {"invoiceId": id_}, "invoice { id }")
    assert codes(payload) == ["NOT_FOUND"]
    listed = "query($id: ID!) { invoices(filter: {customerId: $id, subscriptionId: $id}) { totalCount } }"
    assert (await partner.data(listed, id=id_))["invoices"]["totalCount"] == 0


async def test_an_organization_header_that_is_no_id_is_forbidden(partner: Caller) -> None:
    """Malformed, unknown, of another type: one answer, FORBIDDEN with 403."""
    bodies = []
    for value in [
        b"xyzzy",
        b"",
        b"org_01h455vb4pex5vsknk084sn02q",
        b"cus_01h455vb4pex5vsknk084sn02q",
        b"\xff\xfe",
        b"x" * 10_000,
    ]:
        headers = [
            (b"authorization", f"Bearer {partner.api_key}".encode()),
            (b"content-type", b"application/json"),
            (b"x-organization-id", value),
            (b"x-request-id", b"same"),
        ]
        answer = await partner.http.post("/graphql", content=json.dumps({"query": QUERY}), headers=headers)
        refused(answer, "FORBIDDEN", 403)
        bodies.append(answer.json())
    assert all(body == bodies[0] for body in bodies)


# ---------------------------------------------------------------- pages


@pytest.mark.parametrize(
    "arguments",
    [
        "first: 0",
        "first: -1",
        "first: 101",
        "first: 2147483647",
        "last: 0",
        "last: -1",
        "last: 101",
        "first: 1, last: 1",
        'first: 1, before: "x"',
        'last: 1, after: "x"',
        'after: "x", before: "x"',
        'after: ""',
        'after: "x"',
        'before: "é"',
        'after: "=="',
        'after: "' + "A" * 64 + '"',
        'after: "' + LONG + '"',
    ],
)
async def test_pages_out_of_bounds_and_foreign_cursors_are_bad_input(partner: Caller, arguments: str) -> None:
    """1 to 100 rows, one direction, one of our own cursors."""
    for field in (
        "customers",
        "meters",
        "plans",
        "subscriptions",
        "usageEvents",
        "invoices",
        "ledgerEntries",
        "organizations",
    ):
        answer = await execute(partner, f"{{ {field}({arguments}) {{ nodes {{ __typename }} }} }}")
        assert one_error(answer)["extensions"]["code"] == "BAD_USER_INPUT"
        assert answer.json()["data"] is None


async def test_a_cursor_is_bound_to_organization_field_filter_and_order(owner: Caller, stranger: Caller) -> None:
    """In the list that it was given for it goes on; in any other it is refused, always by the same sentence."""
    for caller in (owner, stranger):
        for amount in (7, 70):
            await finalized(caller, amount)
    read = "query($after: String) { invoices(%s after: $after) { nodes { id } pageInfo { endCursor } } }"
    cursor = (await owner.data(read % "first: 1"))["invoices"]["pageInfo"]["endCursor"]
    assert len((await owner.data(read % "first: 1", after=cursor))["invoices"]["nodes"]) == 1
    assert len((await owner.data(read % "first: 2 filter: {}", after=cursor))["invoices"]["nodes"]) == 1
    elsewhere = [
        (stranger, read % "first: 1", cursor),
        (owner, "query($after: String) { customers(after: $after) { nodes { id } } }", cursor),
        (owner, "query($after: String) { ledgerEntries(after: $after) { nodes { id } } }", cursor),
        (owner, "query($after: String) { customers { nodes { invoices(after: $after) { nodes { id } } } } }", cursor),
        (owner, read % "filter: {status: [FINALIZED]}", cursor),
        (owner, read % "filter: {minTotal: 0}", cursor),
        (owner, read % "orderBy: {field: TOTAL}", cursor),
        (owner, read % "orderBy: {direction: ASC}", cursor),
        (owner, read % "first: 1", cursor[:-1] + ("A" if cursor[-1] != "A" else "B")),
        (owner, read % "first: 1", cursor[:-4]),
        (owner, read % "first: 1", "A" + cursor[1:] if cursor[0] != "A" else "B" + cursor[1:]),
    ]
    messages = set()
    for caller, document, after in elsewhere:
        answer = await execute(caller, document, after=after)
        error = one_error(answer)
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        messages.add(error["message"])
    assert messages == {"The cursor does not belong to this list."}


@pytest.mark.parametrize(
    "document",
    [
        "{ customer { id } }",
        '{ customer(id: "x", externalId: "y") { id } }',
        "{ invoice { id } }",
        '{ invoice(id: "x", number: "y") { id } }',
        "query { nodes(ids: [%s]) { id } }" % ('"x",' * 101),
        '{ invoices(filter: {finalizedAt: {start: "2026-02-01T00:00:00Z", end: "2026-01-01T00:00:00Z"}})'
        " { totalCount } }",
        '{ usage(meter: "none", period: {start: "2026-01-01T00:00:00Z", end: "2026-01-02T00:00:00Z"}) { total } }',
        '{ customers(first: 1) { nodes { balances { formatted(locale: "xx_XX") } } } viewer { name } }',
    ],
)
async def test_arguments_that_do_not_go_together_are_bad_input(partner: Caller, document: str) -> None:
    """One of two ids, at most 100, a span that ends after it begins, a meter that is there, a locale that exists."""
    await partner.attempt("ledgerAdjust", {"amount": 7, "currency": "USD", "description": "x"}, "ledgerEntry { id }")
    error = one_error(await execute(partner, document))
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


# ---------------------------------------------------------------- by GET


async def test_a_get_takes_queries_of_those_who_show_a_credential(partner: Caller) -> None:
    """A mutation by GET is 405 with Allow, one without credential 401, and neither changes anything."""
    mutation = 'mutation { customerCreate(input: {name: "x"}) { customer { id } } }'
    before = (await partner.data("{ customers { totalCount } }"))["customers"]
    credential = {"authorization": f"Bearer {partner.api_key}", **NEWER}
    for method in ("GET", "HEAD"):
        answer = await partner.http.request(method, "/graphql", params={"query": mutation}, headers=credential)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        answer = await partner.http.request(
            method, "/graphql", headers={**credential, **JSON}, content=json.dumps({"query": mutation})
        )
        assert answer.status_code == 400
    refused(await partner.http.get("/graphql", params={"query": QUERY}, headers=NEWER), "UNAUTHENTICATED", 401)
    answer = await partner.http.get("/graphql", params={"query": QUERY}, headers=credential)
    assert answer.json()["data"] == {"viewer": {"name": "owner"}}
    assert (await partner.data("{ customers { totalCount } }"))["customers"] == before


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"query": ""},
        {"query": "{"},
        {"query": QUERY, "variables": "x"},
        {"query": QUERY, "variables": "[]"},
        {"query": QUERY, "variables": "5"},
        {"query": QUERY, "variables": "[" * 10_000},
        {"query": QUERY, "extensions": "5"},
        {"query": QUERY, "operationName": "Unknown"},
        {"query": QUERY, "variables": '{"a": "\\u0000"}'},
        {"query": "{ viewer { name } \x00}"},
    ],
)
async def test_a_get_that_is_no_request_is_refused(partner: Caller, parameters: dict[str, str]) -> None:
    """The same errors as by POST."""
    headers = {"authorization": f"Bearer {partner.api_key}", **NEWER}
    refused(await partner.http.get("/graphql", params=parameters, headers=headers))


# ---------------------------------------------------------------- anything at all


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "query": JSON_VALUES | st.sampled_from([QUERY, "query A { viewer { name } }", "{ customers { totalCount } }"]),
        "variables": JSON_VALUES,
        "operationName": JSON_VALUES,
        "extensions": JSON_VALUES,
        "id": JSON_VALUES,
    },
)
NO_HEALTH_CHECK = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def discreet(answer: httpx.Response) -> None:
    """Whatever was asked, no fault of ours shows."""
    assert answer.status_code < 500, answer.text
    for error in answer.json().get("errors", []):
        check(error, answer)
        assert error["extensions"]["code"] in {"BAD_USER_INPUT", "QUERY_TOO_COMPLEX", "IDEMPOTENCY_KEY_REUSED"}, error


@settings(max_examples=150, deadline=None, suppress_health_check=NO_HEALTH_CHECK)
@given(body=JSON_VALUES | REQUESTS | st.binary(max_size=60))
async def test_no_body_at_all_is_our_fault(partner: Caller, body: Any) -> None:
    """Random JSON, random requests and random bytes are answered below 500, with errors of the client's own kind."""
    content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=True).encode()
    discreet(await send_body(partner, content))


@settings(max_examples=80, deadline=None, suppress_health_check=NO_HEALTH_CHECK)
@given(
    document=st.lists(
        st.sampled_from(
            [
                "{",
                "}",
                "(",
                ")",
                "[",
                "]",
                ":",
                "!",
                "$x",
                "$",
                "@",
                "...",
                "query",
                "mutation",
                "fragment F on Query",
                "viewer",
                "name",
                "customers",
                "nodes",
                "id",
                "first",
                "1",
                "-1",
                "1.5",
                '"x"',
                '"""x"""',
                "null",
                "true",
                "ENUM",
                "=",
                "|",
                "&",
                "# c\n",
                ",",
                "é",
                "\ufeff",
                "Int",
                "input",
                "__schema",
                "__typename",
                "on",
                "F",
                "@include(if: true)",
            ]
        ),
        max_size=25,
    )
)
async def test_no_document_at_all_is_our_fault(partner: Caller, document: list[str]) -> None:
    """Random tokens never give more than errors about the document."""
    discreet(await execute(partner, "{ viewer { name " + " ".join(document)))
    discreet(await execute(partner, " ".join(document) or "{"))


WILD_TEXT = (
    st.text(max_size=30)
    | st.text(st.characters(codec="utf-8"), max_size=8)
    | st.sampled_from(
        [
            "",
            " ",
            "calls",
            "pro",
            "USD",
            "2026-05-20T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "1000-01-01T00:00:00Z",
            "1e5",
            "-1",
            "0",
            "9" * 24,
            "0." + "9" * 24,
            "UTC",
            "Pacific/Apia",
            "x" * 300,
            "\u202e",
            "İ",
            "ß" * 190,
            "a@b.example",
            "DE",
            "default",
        ]
    )
)
NUMBERS = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31), 1000, 3650])
PLAUSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "String": WILD_TEXT,
    "Boolean": st.booleans(),
    "Int": NUMBERS,
    "Decimal": st.decimals(-(10**24) + 1, 10**24 - 1, places=6, allow_nan=False).map(lambda d: f"{d:f}")
    | st.sampled_from(["0", "1", "-1", "9" * 24, "-" + "9" * 24, "0." + "0" * 23 + "1", "9" * 24 + "." + "9" * 24]),
    "MinorUnits": st.integers(-(2**53) + 1, 2**53 - 1) | st.sampled_from([0, 1, -1, 2**53 - 1, -(2**53) + 1]),
    "CurrencyCode": st.sampled_from(["USD", "EUR", "JPY", "KWD", "CLF", "MGA"]),
    "CountryCode": st.sampled_from(["DE", "US", "ZZ"]),
    "TimeZone": st.sampled_from(["UTC", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Monrovia", "America/Havana"]),
    "DateTime": st.datetimes(INSTANT_MIN.replace(tzinfo=None), INSTANT_MAX.replace(tzinfo=None)).map(
        lambda at: at.isoformat(timespec="microseconds") + "Z"
    )
    | st.sampled_from(["1000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-05-20T00:00:00+14:00"]),
    "Metadata": st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=3),
    "Properties": st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.text(max_size=8) | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(-(2.0**62), 2.0**62) | st.booleans(),
        max_size=3,
    ),
}


def inputs(type_: GraphQLInputType, ids: list[str], name: str = "") -> st.SearchStrategy[Any]:
    """Values that the type takes, most of them nonsense to the rules; `ids` are some that are there."""
    match type_:
        case GraphQLNonNull():
            return inputs(type_.of_type, ids, name)
        case GraphQLList():
            return st.lists(inputs(type_.of_type, ids, name), max_size=3)
        case GraphQLEnumType():
            return st.sampled_from(list(type_.values))
        case GraphQLInputObjectType():
            required, optional = {}, {}
            for key, field in type_.fields.items():
                value = inputs(field.type, ids, key)
                if is_required_input_field(field):
                    required[key] = value
                else:
                    optional[key] = value if isinstance(field.type, GraphQLNonNull) else st.none() | value
            return st.fixed_dictionaries(required, optional=optional)
        case GraphQLScalarType(name="ID"):
            return st.sampled_from([*ids, *ids, "xyzzy"]) | WILD_TEXT
        case GraphQLScalarType():
            known = {"key": ["calls", "pro"], "planKey": ["pro"], "meter": ["calls"]}.get(name)
            usual = PLAUSIBLE[type_.name]
            return st.sampled_from(known) | usual if known else usual
    raise AssertionError(type_)


def leaves(type_: GraphQLObjectType, depth: int = 3) -> str:
    """A selection of every leaf of a type that needs no argument, so deep."""
    parts = ["__typename"]
    for name, field in type_.fields.items():
        named = get_named_type(field.type)
        if any(is_required_argument(argument) for argument in field.args.values()):
            continue
        if not isinstance(named, GraphQLObjectType):
            parts.append(name if not isinstance(named, GraphQLInterfaceType) else f"{name} {{ __typename }}")
        elif depth and not named.name.endswith("Connection"):
            parts.append(f"{name} {{ {leaves(named, depth - 1)} }}")
    return " ".join(parts)


MUTATIONS = schema._schema.mutation_type
assert MUTATIONS is not None


@pytest.fixture(scope="module")
async def populated(founder: Founder) -> tuple[Caller, list[str]]:
    """An organization with one of everything, and the ids of it."""
    caller = await founder.organization(legal_name="Wumpus KK", time_zone="America/Havana")
    made = [await meter(caller), await plan(caller), await subscription(caller), await customer(caller, externalId="x")]
    made += [await draft(caller, 7), await finalized(caller, 70)]
    await send(caller, {"meter": "calls"})
    lines = await caller.data("query($id: ID!) { invoice(id: $id) { lineItems { id } } }", id=made[-2])
    return caller, [*made, lines["invoice"]["lineItems"][0]["id"], caller.organization_id]


@pytest.mark.parametrize("field", sorted(MUTATIONS.fields))
@settings(max_examples=35, deadline=None, suppress_health_check=NO_HEALTH_CHECK)
@given(data=st.data())
async def test_no_input_of_any_mutation_is_our_fault(
    populated: tuple[Caller, list[str]], field: str, data: st.DataObject
) -> None:
    """Values that the schema takes, wild as they may be, are stored or refused by the rules, and never INTERNAL."""
    caller, ids = populated
    made = MUTATIONS.fields[field]
    wild = data.draw(inputs(made.args["input"].type, ids))
    document = (
        f"mutation($input: {made.args['input'].type}) {{ {field}(input: $input) {{ {leaves(payload_of(made))} }} }}"
    )
    answer = await execute(caller, document, input=wild)
    discreet(answer)
    if answer.json().get("data"):
        for error in answer.json()["data"][field]["userErrors"]:
            assert not BEHIND.search(error["message"]), error
            assert error["path"][0] == "input"


def payload_of(field: GraphQLField) -> GraphQLObjectType:
    named = get_named_type(field.type)
    assert isinstance(named, GraphQLObjectType)
    return named


QUERIES = schema._schema.query_type
assert QUERIES is not None


@pytest.mark.parametrize("field", sorted(name for name, field in QUERIES.fields.items() if field.args))
@settings(max_examples=20, deadline=None, suppress_health_check=NO_HEALTH_CHECK)
@given(data=st.data())
async def test_no_argument_of_any_query_is_our_fault(
    populated: tuple[Caller, list[str]], field: str, data: st.DataObject
) -> None:
    """The same for every argument of every root field that reads."""
    caller, ids = populated
    asked = QUERIES.fields[field]
    values = {
        name: data.draw(inputs(argument.type, ids, name))
        for name, argument in asked.args.items()
        if is_required_argument(argument) or data.draw(st.booleans())
    }
    declared = ", ".join(f"${name}: {asked.args[name].type}" for name in values)
    given_arguments = ", ".join(f"{name}: ${name}" for name in values)
    declared, given_arguments = (f"({text})" if text else "" for text in (declared, given_arguments))
    document = f"query{declared} {{ {field}{given_arguments} {{ __typename }} }}"
    discreet(await execute(caller, document, **values))
