"""POST /usage: events of any number, each counted once, in two forms."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import httpx

from app.domain.role import Role
from app.main import application
from app.settings import Settings
from app.store.query import Query
from tests.caller import Caller, Founder
from tests.operations.steps import customer, meter, plan, soft_quota, subscription

NDJSON = "application/x-ndjson"
CLOUD_EVENTS = "application/cloudevents-batch+json"
NOTHING = {"duplicates": 0, "unmatched": 0, "rejected": 0}


def lines(*events: Any) -> bytes:
    return b"\n".join(json.dumps(event).encode() for event in events)


async def post(caller: Caller, content: Any, media_type: str = NDJSON, **headers: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {caller.api_key}", "content-type": media_type, **caller.headers, **headers}
    return await caller.http.post("/usage", content=content, headers=headers)


async def taken(caller: Caller, content: Any, media_type: str = NDJSON) -> dict[str, Any]:
    """What became of a body that was read to its end."""
    response = await post(caller, content, media_type)
    assert response.status_code == 200, response.text
    return response.json()


async def total(caller: Caller) -> str:
    found = await caller.data(
        """{ usage(meter: "calls", window: TOTAL,
                   period: {start: "2020-01-01T00:00:00Z", end: "2035-01-01T00:00:00Z"}) { total } }"""
    )
    return found["usage"]["total"]


async def test_a_body_in_odd_pieces_is_the_same_body(owner: Caller) -> None:
    """2,500 events in parts of seven bytes, with empty lines between them, are 2,500 events; sent again, none."""
    await meter(owner)
    body = b"\r\n\n".join(lines({"eventId": f"e-{n}", "meter": "calls", "quantity": "2"}) for n in range(2_500))

    async def in_pieces() -> AsyncIterator[bytes]:
        for first in range(0, len(body), 7):
            yield body[first : first + 7]

    assert await taken(owner, in_pieces()) == {
        "accepted": 2_500, **NOTHING, "results": [], "omitted": NOTHING
    }  # fmt: skip
    again = await taken(owner, body)
    assert (again["accepted"], again["duplicates"], len(again["results"])) == (0, 2_500, 2_500)
    assert await total(owner) == "5000"
    assert (await owner.data("{ usageEvents(first: 1) { totalCount } }"))["usageEvents"]["totalCount"] == 2_500


async def test_a_cloud_event_is_the_same_event(owner: Caller) -> None:
    """`type` is the meter, `subject` the customer's external id, `source` and `id` the identity; extensions pass by."""
    await meter(owner)
    await customer(owner, externalId="acme")
    event = {"specversion": "1.0", "id": "e", "source": "/tills/7", "type": "calls", "subject": "acme"}
    event |= {"traceparent": "00-x", "data": {"quantity": "2.5", "properties": {"zone": '} ],"['}}}
    others = [event | {"id": "f", "subject": "nobody"}, event | {"id": "g", "data": None}]
    answer = await taken(owner, json.dumps([event, *others], indent=2), CLOUD_EVENTS)
    assert [answer[name] for name in ("accepted", "unmatched", "rejected")] == [2, 1, 0]
    ours = {"eventId": "e", "source": "/tills/7", "meter": "calls", "quantity": "900"}
    assert (await taken(owner, lines(ours)))["duplicates"] == 1
    found = await owner.data("{ usageEvents { nodes { source quantity properties customer { externalId } } } }")
    assert {"source": "/tills/7", "quantity": "2.5", "properties": {"zone": '} ],"['}, "customer": {
        "externalId": "acme"}} in found["usageEvents"]["nodes"]  # fmt: skip
    assert await total(owner) == "3.5"


async def test_a_customer_of_another_is_none_and_the_attempt_is_recorded(owner: Caller, stranger: Caller) -> None:
    """One denial for a chunk, where it was tried, with the id that was meant and how many events named one (M39)."""
    await meter(stranger)
    id_ = await customer(owner)
    body = lines(*({"eventId": f"e-{n}", "meter": "calls", "customerId": id_} for n in range(3)))
    assert (await taken(stranger, body))["rejected"] == 3
    found = await stranger.data(
        '{ auditRecords(filter: {action: "usage.record"}) { nodes { outcome recordId changes { after } } } }'
    )
    assert found["auditRecords"]["nodes"] == [{"outcome": "DENIED", "recordId": id_, "changes": [{"after": "3"}]}]
    theirs = await owner.data('{ auditRecords(filter: {action: "usage.record"}) { totalCount } }')
    assert theirs["auditRecords"]["totalCount"] == 0


BAD_LINES: list[tuple[bytes, str]] = [
    # a line                                                   part of what is said of it
    (b'{"meter": "calls"}', "missing required field `eventId`"),
    (b'{"eventId": "x", "meter": "calls", "quantitty": "2"}', "unknown field `quantitty`"),
    (b'{"eventId": "x", "meter": "calls", "quantity": 0.1}', "Give a decimal as a string"),
    (b'{"eventId": "x", "meter": "calls", "quantity": "-1"}', "Give a quantity from 0"),
    (b'{"eventId": "x", "meter": "calls", "quantity": true}', "Give a decimal as a string"),
    (b'{"eventId": "x", "meter": "calls", "occurredAt": "2020-01-01T00:00:00Z"}', "more than 35 days in the past"),
    (b'{"eventId": "x", "meter": "calls", "occurredAt": "yesterday"}', "Give an instant with its zone"),
    (b'{"eventId": "x", "meter": "calls", "properties": {"a": {}}}', "Properties are strings, numbers"),
    (b'{"eventId": "x", "meter": "calls", "properties": {"a": "\\u0000"}}', "Leave out NUL"),
    (b'{"eventId": "x\\u0000", "meter": "calls"}', "Leave out NUL"),
    (b'{"eventId": "x\\u0007", "meter": "calls"}', "Leave out control characters"),
    (b'{"eventId": "x", "meter": "c\\u0000"}', "Leave out NUL"),
    (b'{"eventId": "x", "meter": "c d"}', "beginning with a letter or digit"),
    (b'{"eventId": "x", "meter": "calls", "customerId": "cus_01h455vb4pex5vsknk084sn02q"}', "No customer has this id"),
    (b'{"eventId": "x", "meter": "calls", "subscriptionId": "x"}', "No subscription has this id"),
    (b'{"eventId": "\xff", "meter": "calls"}', "This is no event"),
    (b'{"eventId": "\\ud800", "meter": "calls"}', "This is no event"),
    (b"[" * 30_000, "This is no event"),
    (b"nonsense", "This is no event"),
    (b'{"eventId": "' + b"x" * 65_536 + b'", "meter": "calls"}', "at most 65,536 bytes"),
]


async def test_a_bad_line_stops_no_other(owner: Caller) -> None:
    """Each is REJECTED with its place, its id where it has one, and a sentence; what is between them is stored."""
    await meter(owner)
    good = [lines({"eventId": f"good-{n}", "meter": "calls"}) for n in range(len(BAD_LINES))]
    body = b"\n".join(line for pair in zip(good, (line for line, _ in BAD_LINES), strict=True) for line in pair)
    answer = await taken(owner, body)
    assert (answer["accepted"], answer["rejected"]) == (len(BAD_LINES), len(BAD_LINES))
    assert [told["index"] for told in answer["results"]] == [2 * n + 1 for n in range(len(BAD_LINES))]
    for told, (line, said) in zip(answer["results"], BAD_LINES, strict=True):
        assert told["verdict"] == "REJECTED", line
        assert said in told["message"], line
    assert answer["results"][1]["eventId"] == "x"


async def test_what_is_told_is_bounded_and_what_is_not_is_counted(owner: Caller) -> None:
    """Of 20,000 lines that are no events the answer tells some thousand, and how many more there were."""
    answer = await taken(owner, b"{}\n" * 20_000)
    assert (answer["rejected"], answer["omitted"]["rejected"] + len(answer["results"])) == (20_000, 20_000)
    assert 1_000 < len(answer["results"]) < 10_000


BROKEN_BATCHES = ["", "{}", "[1]", "[{}", "[{}{}]", "[{},]", "[[]]", "[] []", "null"]


async def test_a_broken_batch_is_told_with_what_was_stored(owner: Caller) -> None:
    """A batch that is cut off is BAD_USER_INPUT; what came whole before is not stored before its chunk is full."""
    await meter(owner)
    event = {"specversion": "1.0", "source": "s", "type": "calls"}
    batch = json.dumps([event | {"id": f"e-{n}"} for n in range(1_500)])
    for body, accepted in [(body, 0) for body in BROKEN_BATCHES] + [(batch[:-1], 1_000)]:
        response = await post(owner, body, CLOUD_EVENTS)
        answer = response.json()
        assert (response.status_code, answer["accepted"]) == (400, accepted), body[:20]
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert answer["errors"][0]["extensions"]["requestId"] == response.headers["x-request-id"]
    assert (await taken(owner, batch, CLOUD_EVENTS))["duplicates"] == 1_000
    assert await total(owner) == "1500"


async def test_what_was_stored_before_it_ended_is_told(owner: Caller, administrator: asyncpg.Connection) -> None:
    """The organization is suspended while it sends: the answer says so, and counts what is durable by then."""
    await meter(owner)

    async def body() -> AsyncIterator[bytes]:
        for chunk in range(3):
            yield lines(*({"eventId": f"e-{chunk}-{n}", "meter": "calls"} for n in range(1_000))) + b"\n"
            if chunk == 1:
                await administrator.execute(
                    "update organizations set status = 'SUSPENDED' where organization_id = $1",
                    owner.database.organization_id,
                )

    response = await post(owner, body())
    answer = response.json()
    assert (response.status_code, answer["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    stored = await administrator.fetchval(
        "select count(*) from usage_events where organization_id = $1", owner.database.organization_id
    )
    assert 1_000 <= answer["accepted"] == stored < 3_000


async def test_a_caller_needs_what_graphql_asks_for(owner: Caller, stranger: Caller, founder: Founder) -> None:
    """A credential, the scope, an organization that it may enter; a denial is audited. Nothing is stored."""
    event = lines({"eventId": "e", "meter": "calls"})
    support = await founder.colleague(owner, Role.SUPPORT)
    trusting = {"name": "app", "role": "owner", "trustedDocumentsOnly": True}
    bound = (await owner.change("apiKeyCreate", trusting, "secret"))["secret"]
    for caller, headers, status, code in [
        (owner, {"authorization": "Bearer nonsense"}, 401, "UNAUTHENTICATED"),
        (support, {}, 403, "FORBIDDEN"),
        (owner, {"authorization": f"Bearer {bound}"}, 403, "FORBIDDEN"),
        (owner, {"x-organization-id": stranger.organization_id}, 403, "FORBIDDEN"),
        (owner, {"x-organization-id": "nonsense"}, 403, "FORBIDDEN"),
        (owner, {"content-type": "application/json"}, 415, "BAD_USER_INPUT"),
        (owner, {"content-encoding": "gzip"}, 415, "BAD_USER_INPUT"),
    ]:
        response = await post(caller, event, **headers)
        error = response.json()["errors"][0]
        assert (response.status_code, error["extensions"]["code"]) == (status, code), headers
    async with owner.database.read() as tx:
        denied = await tx.fetch_value(DENIED)
    assert denied == 2
    ingest = await founder.colleague(owner, Role.INGEST)
    assert (await taken(ingest, event))["unmatched"] == 1


DENIED = Query(
    "select count(*) from audit_records where organization_id = :organization_id and action = 'usage.record'"
    " and outcome = 'DENIED'"
)


async def test_a_slow_client_is_stored_and_one_that_stops_is_told(settings: Settings, founder: Founder) -> None:
    """Within the time for a chunk one whole event more must come; then what is there is stored, and not before."""
    owner = await founder.organization()
    await meter(owner)

    async def slow() -> AsyncIterator[bytes]:
        for n in range(3):
            yield lines({"eventId": f"e-{n}", "meter": "calls"}) + b"\n"
            while await total(owner) != str(n + 1):  # noqa: ASYNC110 - nothing else tells of it
                await asyncio.sleep(0.01)
        yield b'{"eventId": "never'
        await asyncio.sleep(60)

    async with served_in_process(settings, usage_chunk_seconds_max=0.5) as http:
        response = await post(replace(owner, http=http), slow())
    answer = response.json()
    assert (response.status_code, answer["accepted"]) == (408, 3)


async def test_one_that_floods_is_refused_and_another_is_not(settings: Settings, founder: Founder) -> None:
    """Each organization has so many requests in hand, and no more wait: OVERLOADED, with Retry-After."""
    flooding, polite = await founder.organization(), await founder.organization()
    more, taken_in = asyncio.Event(), asyncio.Semaphore(0)

    async def held() -> AsyncIterator[bytes]:
        taken_in.release()
        yield b"\n"
        await more.wait()

    async with served_in_process(settings, organization_usage_requests_max=2) as http:
        flooding, polite = replace(flooding, http=http), replace(polite, http=http)
        waiting = [asyncio.create_task(post(flooding, held())) for _ in range(2)]
        for _ in waiting:
            await taken_in.acquire()
        refused = await post(flooding, b"")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["errors"][0]["extensions"]["code"] == "OVERLOADED"
        assert (await post(polite, b"")).status_code == 200
        more.set()
        assert [response.status_code for response in await asyncio.gather(*waiting)] == [200, 200]
        assert (await post(flooding, b"")).status_code == 200


@asynccontextmanager
async def served_in_process(settings: Settings, **others: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application with some other settings."""
    made = application(settings.model_copy(update=others))
    async with made.router.lifespan_context(made):
        transport = httpx.ASGITransport(app=made)
        async with httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as client:
            yield client


async def test_anothers_records_are_like_none_at_all(owner: Caller, stranger: Caller) -> None:
    """A customer, a subscription or an event id of another organization says what an unknown one says (I9, I12)."""
    for caller in (owner, stranger):
        await meter(caller)
    theirs = {
        "customerId": await customer(owner, externalId="acme"),
        "externalCustomerId": "acme",
        "subscriptionId": await _subscription(owner),
    }
    unknown = {
        "customerId": "cus_01h455vb4pex5vsknk084sn02q",
        "externalCustomerId": "nobody",
        "subscriptionId": "sub_01h455vb4pex5vsknk084sn02q",
    }
    assert (await taken(owner, lines({"eventId": "e", "meter": "calls", "quantity": "7"})))["accepted"] == 1
    for name, id_ in theirs.items():
        answers = [
            await taken(stranger, lines({"eventId": f"{name}-{n}", "meter": "calls", name: value}))
            for n, value in enumerate((id_, unknown[name]))
        ]
        for number, answer in enumerate(answers):
            assert answer["accepted"] == 0
            assert answer["results"][0].pop("eventId") == f"{name}-{number}"
        assert answers[0] == answers[1], name
    assert (await taken(stranger, lines({"eventId": "e", "meter": "calls"})))["accepted"] == 1
    assert [await total(caller) for caller in (owner, stranger)] == ["7", "1"]


async def _subscription(caller: Caller) -> str:
    await plan(caller, "pro", 0, soft_quota("calls"))
    return await subscription(caller)
