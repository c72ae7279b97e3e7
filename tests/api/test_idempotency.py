"""The same key, the same answer: a mutation that is sent again is done once."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from app.domain.role import Role
from app.main import application
from app.settings import Settings
from tests.caller import Caller, Founder

CREATE = """
mutation($input: CustomerCreateInput!) {
  customerCreate(input: $input) { customer { id name createdAt metadata } userErrors { code message path } }
}
"""


async def sent(caller: Caller, input: dict[str, Any], document: str = CREATE, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await caller.post({"query": document, "variables": {"input": input}}, headers=named)


def code_of(response: httpx.Response) -> str:
    return response.json()["errors"][0]["extensions"]["code"]


async def customers_of(caller: Caller) -> list[str]:
    data = await caller.data("{ customers { nodes { name isDefault } } }")
    return [node["name"] for node in data["customers"]["nodes"] if not node["isDefault"]]


async def test_the_same_key_answers_byte_for_byte_and_writes_once(owner: Caller) -> None:
    """The second answer is the first one, and says so in a header."""
    input = {"name": "Zebra 7", "metadata": {"b": "1", "a": "2"}, "idempotencyKey": "zebra-7"}
    first, again = await sent(owner, input), await sent(owner, input)
    assert first.content == again.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await customers_of(owner) == ["Zebra 7"]


async def test_the_first_answer_stands_though_the_record_has_changed_since(owner: Caller) -> None:
    """A replay tells what was answered, not what is."""
    input = {"name": "Old Name", "idempotencyKey": "k"}
    first = await sent(owner, input)
    customer_id = first.json()["data"]["customerCreate"]["customer"]["id"]
    await owner.change("customerUpdate", {"customerId": customer_id, "name": "New Name"}, "customer { id }")
    assert (await sent(owner, input)).content == first.content


async def test_the_header_does_the_same(owner: Caller) -> None:
    """Where the document holds one mutation field, the key may come in the header (M41)."""
    first = await sent(owner, {"name": "Header 3"}, Idempotency_Key="h-3")
    again = await sent(owner, {"name": "Header 3"}, Idempotency_Key="h-3")
    in_input = await sent(owner, {"name": "Header 3", "idempotencyKey": "h-3"})
    assert first.content == again.content == in_input.content
    assert await customers_of(owner) == ["Header 3"]


async def test_a_header_over_two_mutation_fields_is_refused(owner: Caller) -> None:
    """One key cannot stand for two changes: neither is made."""
    two = """mutation {
      a: customerCreate(input: {name: "A"}) { customer { id } }
      b: customerCreate(input: {name: "B"}) { customer { id } }
    }"""
    response = await sent(owner, {}, two, Idempotency_Key="both")
    assert code_of(response) == "BAD_USER_INPUT"
    assert await customers_of(owner) == []


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"name": "One"}, {"name": "Two"}, False),
        ({"name": "One"}, {"name": "One", "email": "x@example.com"}, False),
        ({"name": "One"}, {"name": "One", "email": None}, False),
        ({"name": "One", "metadata": {"a": "1", "b": "2"}}, {"name": "One", "metadata": {"b": "2", "a": "1"}}, True),
    ],
)
async def test_another_input_under_the_same_key_is_refused(
    owner: Caller, first: dict[str, Any], second: dict[str, Any], same: bool
) -> None:
    """The key is bound to the canonical input: order does not count, a value or a null does."""
    await sent(owner, first | {"idempotencyKey": "k"})
    response = await sent(owner, second | {"idempotencyKey": "k"})
    if same:
        assert "errors" not in response.json()
    else:
        assert code_of(response) == "IDEMPOTENCY_KEY_REUSED"
    assert await customers_of(owner) == ["One"]


async def test_the_same_key_by_another_document_is_refused(owner: Caller) -> None:
    """The stored answer has the shape of the document that asked for it."""
    await sent(owner, {"name": "Shape", "idempotencyKey": "k"})
    other = "mutation($input: CustomerCreateInput!) { customerCreate(input: $input) { customer { email } } }"
    response = await sent(owner, {"name": "Shape", "idempotencyKey": "k"}, other)
    assert code_of(response) == "IDEMPOTENCY_KEY_REUSED"


async def test_keys_are_the_principals_the_fields_and_the_organizations_own(founder: Founder, owner: Caller) -> None:
    """The same key from a colleague, for another field or in another organization is another key."""
    colleague = await founder.colleague(owner, Role.ADMIN)
    stranger = await founder.organization()
    for caller in (owner, colleague, stranger):
        response = await sent(caller, {"name": f"by {caller.api_key[8:14]}", "idempotencyKey": "shared"})
        assert "errors" not in response.json()
    meter = {"key": "m", "name": "M", "aggregation": "SUM", "idempotencyKey": "shared"}
    await owner.change("meterCreate", meter, "meter { id }")
    assert len(await customers_of(owner)) == 2


async def test_a_refusal_is_not_kept(owner: Caller) -> None:
    """What the rules refused may be sent again under the same key once it is mended."""
    refused = await sent(owner, {"name": " ", "idempotencyKey": "k"})
    assert refused.json()["data"]["customerCreate"]["userErrors"][0]["code"] == "INVALID"
    await sent(owner, {"name": "Mended", "idempotencyKey": "k"})
    assert await customers_of(owner) == ["Mended"]


async def test_a_dry_run_takes_no_key(owner: Caller) -> None:
    """After a rehearsal under a key the real thing is still to be done."""
    await sent(owner, {"name": "Twice", "idempotencyKey": "k", "dryRun": True})
    response = await sent(owner, {"name": "Twice", "idempotencyKey": "k"})
    assert "idempotent-replayed" not in response.headers
    assert await customers_of(owner) == ["Twice"]


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "käse", "a\tb", " a", "a "])
async def test_a_malformed_key_is_refused(owner: Caller, key: str) -> None:
    """A key has 1 to 255 printable ASCII characters."""
    response = await sent(owner, {"name": "X", "idempotencyKey": key})
    assert code_of(response) == "BAD_USER_INPUT"
    assert await customers_of(owner) == []


async def test_fifty_at_once_write_once(owner: Caller) -> None:
    """Those that come while the first is under way wait for it and answer as it did."""
    input = {"name": "Stampede", "idempotencyKey": "s"}
    answers = await asyncio.gather(*(sent(owner, input) for _ in range(50)))
    done = [answer for answer in answers if "errors" not in answer.json()]
    assert {answer.content for answer in done} == {done[0].content}
    assert {code_of(answer) for answer in answers if "errors" in answer.json()} <= {
        "IDEMPOTENCY_IN_PROGRESS",
        "OVERLOADED",
    }
    assert await customers_of(owner) == ["Stampede"]


async def test_one_that_waits_too_long_is_told_to_try_again(
    owner: Caller, settings: Settings, administrator: asyncpg.Connection
) -> None:
    """While another transaction holds the key, the twin waits for a lock's time and then says IN_PROGRESS."""
    impatient = settings.model_copy(update={"lock_timeout_ms": 100})
    app = application(impatient)
    input = {"name": "Slow", "idempotencyKey": "slow"}
    await sent(owner, {"name": "First", "idempotencyKey": "other"})
    reserve = """
        insert into idempotency_records
        select organization_id, principal_id, field, 'slow', fingerprint, document, null, now()
        from idempotency_records where organization_id = $1
    """
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://tallygate.test") as http,
    ):
        twin = Caller(http, owner.api_key, owner.organization_id, owner.database)
        transaction = administrator.transaction()
        await transaction.start()
        await administrator.execute(reserve, owner.database.organization_id)
        assert code_of(await sent(twin, input)) == "IDEMPOTENCY_IN_PROGRESS"
        await transaction.rollback()
        assert "errors" not in (await sent(twin, input)).json()


async def test_a_key_is_free_again_after_seven_days(owner: Caller, administrator: asyncpg.Connection) -> None:
    """An expired key does the mutation anew, whatever its input."""
    await sent(owner, {"name": "Before", "idempotencyKey": "k"})
    await administrator.execute(
        "update idempotency_records set created_at = now() - interval '7 days 1 second' where organization_id = $1",
        owner.database.organization_id,
    )
    response = await sent(owner, {"name": "After", "idempotencyKey": "k"})
    assert "errors" not in response.json()
    assert sorted(await customers_of(owner)) == ["After", "Before"]


async def test_a_caller_that_died_after_the_commit_learns_the_answer(
    owner: Caller, administrator: asyncpg.Connection
) -> None:
    """The answer is stored with the write: whoever asks again gets it, though nobody heard it the first time."""
    input = {"name": "Lost Answer", "idempotencyKey": "lost"}
    unheard = asyncio.create_task(sent(owner, input))
    while not await administrator.fetchval(  # noqa: ASYNC110 - the event happens in PostgreSQL
        "select count(*) from customers where organization_id = $1 and name = 'Lost Answer'",
        owner.database.organization_id,
    ):
        await asyncio.sleep(0.001)
    unheard.cancel()
    again = await sent(owner, input)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["data"]["customerCreate"]["customer"]["name"] == "Lost Answer"
    assert await customers_of(owner) == ["Lost Answer"]
