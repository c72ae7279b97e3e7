"""A4: resolve the tenant, validate ownership, execute, audit: the same four steps, whatever is done.

View an invoice, rotate an API key, repair what a finding shows, replay a billing event. Findings of a processor and its
events come with the processor; until then `usageConservation` finds, corrections and a rebuild repair, and what is
replayed is usage and billing runs.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import pytest

from app.api.ids import API_KEY, CUSTOMER, INVOICE, type_id
from app.domain.role import Role
from app.operations.usage.rebuild import rebuild_usage
from app.store.query import new_id
from tests.caller import Caller, Founder
from tests.operations.steps import customer, finalized, meter, plan, send, soft_quota, subscription

REQUEST_ID = "xyzzy-4711"


@dataclass(frozen=True)
class Flow:
    """What is done to the record that `$id` names, and what its audit record says."""

    action: str
    document: str
    begin: Callable[[Caller], Awaitable[str]]
    """Makes the record, in the organization of a caller, and gives its id."""
    unknown: Callable[[], str]
    """An id that nobody has."""
    executed: str
    """What the right caller's answer contains."""
    record_id: Callable[[str, dict[str, Any]], str | None]
    """The id that the audit record bears, by `$id` and the answer's data."""
    left_elsewhere: tuple[tuple[str, bool], ...] = ()
    """What an attempt on another's record leaves where it was tried (M39): the outcome, and whether it is named."""
    role: Role = Role.OWNER
    is_change: bool = True


async def invoice(caller: Caller) -> str:
    return await finalized(caller, 700)


async def api_key(caller: Caller) -> str:
    return (await caller.change("apiKeyCreate", {"name": "Nightly"}, "apiKey { id }"))["apiKey"]["id"]


async def event(caller: Caller) -> str:
    await meter(caller)
    assert await send(caller, {"eventId": "plugh", "meter": "calls"}) == ["ACCEPTED"]
    return "plugh"


async def metered_customer(caller: Caller) -> str:
    await meter(caller)
    return await customer(caller)


async def due(caller: Caller) -> str:
    """The idempotency key of a run that would bill a month."""
    await plan(caller)
    await subscription(caller, startAt=(datetime.now(UTC) - timedelta(days=40)).isoformat())
    return "run-of-may"


DENIED: Final = (("DENIED", True),)

FLOWS = {
    "view an invoice": Flow(
        action="invoice.view",
        document="query($id: ID!) { invoice(id: $id) { id status } }",
        begin=invoice,
        unknown=lambda: type_id(INVOICE, new_id()),
        executed='"status":"FINALIZED"',
        record_id=lambda id_, _: id_,
        role=Role.SUPPORT,
        is_change=False,
    ),
    "rotate an API key": Flow(
        action="api_key.rotate",
        document="mutation($id: ID!) { apiKeyRotate(input: { apiKeyId: $id })"
        " { apiKey { id } userErrors { code message path } } }",
        begin=api_key,
        unknown=lambda: type_id(API_KEY, new_id()),
        executed='"apiKey":{"id":"key_',
        record_id=lambda id_, _: id_,
        left_elsewhere=DENIED,
    ),
    "repair the ledger": Flow(
        action="ledger.adjust",
        document="mutation($id: ID!) { ledgerAdjust(input: { invoiceId: $id, amount: -700, currency: USD,"
        ' description: "Charged twice" }) { ledgerEntry { id } userErrors { code message path } } }',
        begin=invoice,
        unknown=lambda: type_id(INVOICE, new_id()),
        executed='"ledgerEntry":{"id":"led_',
        record_id=lambda _, data: data["ledgerAdjust"]["ledgerEntry"]["id"],
        left_elsewhere=DENIED,
    ),
    "repair usage": Flow(
        action="usage.correct",
        document='mutation($id: String!) { usageCorrect(input: { eventId: $id, quantity: "0", reason: "Sent twice" })'
        " { event { id } userErrors { code message path } } }",
        begin=event,
        unknown=lambda: "an event that never was",
        executed='"event":{"id":"usg_',
        record_id=lambda _, data: data["usageCorrect"]["event"]["id"],
    ),
    "replay usage": Flow(
        action="usage.record",
        document='mutation($id: ID!) { usageRecord(input: { events: [{ eventId: "e", meter: "calls", customerId: $id }]'
        " }) { accepted duplicates rejected results { verdict message } userErrors { code } } }",
        begin=metered_customer,
        unknown=lambda: type_id(CUSTOMER, new_id()),
        executed='"accepted":1',
        record_id=lambda _, __: None,
        left_elsewhere=DENIED,
    ),
    "replay a billing run": Flow(
        action="billing.run",
        document="mutation($id: String!) { billingRun(input: { idempotencyKey: $id })"
        " { invoicesGenerated userErrors { code message path } } }",
        begin=due,
        unknown=lambda: "a key that never was",
        executed='"invoicesGenerated":1',
        record_id=lambda _, __: None,
        left_elsewhere=(("ALLOWED", False),),
    ),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
async def test_the_four_steps(
    flow: Flow, owner: Caller, stranger: Caller, founder: Founder, administrator: asyncpg.Connection
) -> None:
    """Nobody is told nothing, a stranger what is told of no record (M39), and the right caller leaves one record."""
    caller, other = await acting(founder, flow.role, owner), await acting(founder, flow.role, stranger)
    id_, unknown = await flow.begin(owner), flow.unknown()
    begun = await recorded(owner, flow.action)
    everything = await administrator.fetchval(EVERY_RECORD)

    nobody = await caller.post(asked(flow, id_), headers={"authorization": ""})
    assert (nobody.status_code, nobody.json()["errors"][0]["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    assert await administrator.fetchval(EVERY_RECORD) == everything

    answers = [(await other.post(asked(flow, each))).json() for each in (unknown, id_)]
    assert answers[0] == answers[1]
    assert [(each["outcome"], each["recordId"]) for each in await recorded(stranger, flow.action)] == [
        (outcome, named if is_named else None) for named in (unknown, id_) for outcome, is_named in flow.left_elsewhere
    ]
    assert await recorded(owner, flow.action) == begun

    headers = {"x-request-id": REQUEST_ID} | ({"idempotency-key": id_} if flow.is_change else {})
    answer = await caller.post(asked(flow, id_), headers=headers)
    assert flow.executed in answer.text
    *before, record = await recorded(owner, flow.action)
    assert before == begun
    assert record.pop("principal").startswith(f"{flow.role} (")
    assert record == {
        "action": flow.action,
        "outcome": "ALLOWED",
        "recordId": flow.record_id(id_, answer.json()["data"]),
        "principalKind": "API_KEY",
        "requestId": REQUEST_ID,
    }
    if flow.is_change:
        again = await caller.post(asked(flow, id_), headers=headers)
        assert (again.headers["idempotent-replayed"], again.content) == ("true", answer.content)
        assert len(await recorded(owner, flow.action)) == len(begun) + 1


async def test_what_finds_nothing_left_to_do_says_so(owner: Caller) -> None:
    """A run that is asked for again, without its key, bills nothing and is recorded; events sent again are not."""
    await due(owner)
    await event(owner)
    for _ in range(2):
        await owner.change("billingRun", {}, "invoicesGenerated")
        assert await send(owner, {"eventId": "plugh", "meter": "calls"}) == ["DUPLICATE"]
    made = [each["changes"] for each in await recorded(owner, "billing.run", "changes { field after }")]
    assert made == [
        [{"field": "invoices", "after": "1"}],
        [{"field": "invoices", "after": "0"}, {"field": "failures", "after": "0"}],
    ]
    assert len(await recorded(owner, "usage.record")) == 1


async def test_a_finding_is_repaired_where_it_is(
    owner: Caller, stranger: Caller, administrator: asyncpg.Connection
) -> None:
    """What `usageConservation` finds of an organization is mended by its rebuild, with one record, and by no other."""
    for caller in (owner, stranger):
        await meter(caller)
        await plan(caller, "pro", 0, soft_quota("calls"))
        await subscription(caller)
        assert await send(caller, {"meter": "calls"}) == ["ACCEPTED"]
    await administrator.execute(
        "update usage_hours set events = events + 1 where organization_id = $1", owner.database.organization_id
    )
    assert [await holds(caller) for caller in (owner, stranger)] == [False, True]
    assert (await rebuild_usage(stranger.database))[0] == []
    assert await holds(owner) is False
    assert len((await rebuild_usage(owner.database))[0]) == 1
    assert await holds(owner) is True
    assert (await rebuild_usage(owner.database))[0] == []
    assert await recorded(stranger, "usage.rebuild") == []
    (record,) = await recorded(owner, "usage.rebuild")
    assert (record["outcome"], record["principalKind"], record["requestId"]) == ("ALLOWED", "SYSTEM", "test")


EVERY_RECORD = "select count(*) from audit_records"


def asked(flow: Flow, id_: str) -> dict[str, Any]:
    return {"query": flow.document, "variables": {"id": id_}}


async def acting(founder: Founder, role: Role, owner: Caller) -> Caller:
    return owner if role is Role.OWNER else await founder.colleague(owner, role)


async def recorded(
    caller: Caller, action: str, select: str = "action outcome recordId principalKind principal requestId"
) -> list[dict[str, Any]]:
    """The records of an action in the caller's organization, the oldest first."""
    field = f"auditRecords(first: 100, filter: {{ action: $action }}) {{ nodes {{ {select} }} }}"
    answer = await caller.data(f"query($action: String) {{ {field} }}", action=action)
    return answer["auditRecords"]["nodes"][::-1]


async def holds(caller: Caller) -> bool:
    """Whether every event of the last weeks is somewhere, once."""
    period = '{ start: "2020-01-01T00:00:00Z", end: "2040-01-01T00:00:00Z" }'
    answer = await caller.data(f"{{ usageConservation(period: {period}) {{ holds }} }}")
    return answer["usageConservation"]["holds"]
