"""auditRecords: every change, every denial, every failure of ours and every look of the support leaves its record."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from app.api.ids import CUSTOMER, INVOICE, ORGANIZATION, type_id
from app.domain.role import Role
from app.store.chain import verify_audit
from app.store.query import new_id
from app.store.tables.organization import Mode
from tests.caller import Caller, Founder
from tests.operations.steps import draft, finalized, instant, plan, set_clock, subscription

SELECT = """action outcome recordId principalKind principal reason requestId createdAt hash
            changes { field before after }"""


async def found(caller: Caller, **filter: Any) -> list[dict[str, Any]]:
    """The records that a filter leaves, the newest first."""
    field = f"auditRecords(first: 100, filter: $filter) {{ nodes {{ {SELECT} }} }}"
    answer = await caller.data(f"query($filter: AuditRecordFilter) {{ {field} }}", filter=filter)
    return answer["auditRecords"]["nodes"]


async def actions(caller: Caller, **filter: Any) -> list[tuple[str, str]]:
    return [(record["action"], record["outcome"]) for record in await found(caller, **filter)]


def changes(record: dict[str, Any]) -> dict[str, tuple[str | None, str | None]]:
    return {change["field"]: (change["before"], change["after"]) for change in record["changes"]}


async def test_an_invoice_s_life_is_told_by_its_id(owner: Caller) -> None:
    """Who, what, on what, what came of it and what changed: made, edited, finalized, paid."""
    invoice = await draft(owner, 700)
    await owner.change("invoiceFinalize", {"invoiceId": invoice}, "invoice { id }")
    await owner.change("invoiceMarkPaid", {"invoiceId": invoice}, "invoice { id }")
    told = await found(owner, recordId=invoice)
    assert [record["action"] for record in told] == [
        "invoice.mark_paid",
        "invoice.finalize",
        "invoice_line_item.add",
        "invoice.generate",
    ]
    assert {(record["outcome"], record["principalKind"], record["recordId"]) for record in told} == {
        ("ALLOWED", "API_KEY", invoice)
    }
    assert {record["principal"].partition(" (")[0] for record in told} == {"owner"}
    paid, final, added, _ = map(changes, told)
    assert paid == {"status": ("FINALIZED", "PAID"), "amountPaid": ("0", "700"), "amount": (None, "700")}
    assert (final["status"], final["number"][0]) == (("DRAFT", "FINALIZED"), None)
    assert added == {"amount": (None, "700"), "total": ("0", "700")}


async def test_a_key_s_rotation_is_told_by_its_id(owner: Caller) -> None:
    """A4: who rotated which key, and never the secret."""
    key = (await owner.change("apiKeyCreate", {"name": "Nightly"}, "apiKey { id }"))["apiKey"]["id"]
    rotated = await owner.change("apiKeyRotate", {"apiKeyId": key, "overlapSeconds": 60}, "secret")
    (record,) = await found(owner, recordId=key, action="api_key.rotate")
    assert (record["outcome"], record["principal"].partition(" (")[0]) == ("ALLOWED", "owner")
    assert rotated["secret"] not in str(record)


async def test_a_void_says_why(owner: Caller) -> None:
    """The reason that was given is the record's reason."""
    invoice = await finalized(owner, 700)
    await owner.change("invoiceVoid", {"invoiceId": invoice, "reason": "Zork was late"}, "invoice { id }")
    record = (await found(owner, recordId=invoice))[0]
    assert (record["action"], record["reason"]) == ("invoice.void", "Zork was late")
    assert changes(record) == {"status": ("FINALIZED", "VOID")}


async def test_what_is_sensitive_or_personal_is_masked(owner: Caller) -> None:
    """That it changed is shown, and what it is is not; null stays null."""
    await owner.change(
        "organizationUpdate",
        {"legalDocument": "DE-4711-XYZZY", "legalName": "Plugh AG", "timeZone": "Europe/Berlin"},
        "organization { id }",
    )
    made = await owner.change("customerCreate", {"name": "Frobozz"}, "customer { id }")
    customer = made["customer"]["id"]
    update = {"customerId": customer, "name": "Magic Ltd", "email": "frobozz@example.com"}
    await owner.change("customerUpdate", update, "customer { id }")
    assert changes((await found(owner, action="organization.update"))[0]) == {
        "legalDocument": (None, "***"),
        "legalName": ("Xyzzy Corp", "Plugh AG"),
        "timeZone": ("UTC", "Europe/Berlin"),
    }
    assert changes((await found(owner, recordId=customer))[0]) == {"name": ("***", "***"), "email": (None, "***")}


async def test_a_change_of_plan_shows_the_seats(founder: Founder, administrator: asyncpg.Connection) -> None:
    """Before and after."""
    tester = await founder.organization(mode=Mode.TEST, test_clock=instant("2026-05-01T00:00:00Z"))
    await plan(tester)
    seat = await subscription(tester, quantity=2)
    await set_clock(administrator, tester, "2026-05-11T00:00:00Z")
    await tester.change(
        "subscriptionChangePlan", {"subscriptionId": seat, "planKey": "pro", "quantity": 3}, "subscription { id }"
    )
    await tester.change("subscriptionPause", {"subscriptionId": seat}, "subscription { id }")
    paused, changed, _ = await found(tester, recordId=seat)
    assert changes(changed)["quantity"] == ("2", "3")
    assert changes(paused)["status"] == ("ACTIVE", "PAUSED")
    assert paused["createdAt"] == "2026-05-11T00:00:00Z"


class TestLooks:
    """A4: resolve the tenant, validate ownership, execute, audit: also where the support looks at an invoice."""

    async def test_a_look_of_the_support_is_recorded(self, owner: Caller, founder: Founder) -> None:
        """By id, by number, by `node`: one record for an operation, whatever else it asks for."""
        invoice = await finalized(owner, 700)
        support = await founder.colleague(owner, Role.SUPPORT)
        number = (await owner.data("query($id: ID) { invoice(id: $id) { number } }", id=invoice))["invoice"]["number"]
        await support.data("query($id: ID!) { a: invoice(id: $id) { id } b: node(id: $id) { id } }", id=invoice)
        await support.data("query($number: String) { invoice(number: $number) { id } }", number=number)
        await support.data("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[invoice])
        looks = await found(owner, recordId=invoice, action="invoice.view")
        assert len(looks) == 3
        assert {(look["outcome"], look["principal"].partition(" (")[0]) for look in looks} == {("ALLOWED", "support")}

    async def test_others_look_without_a_record(self, owner: Caller, founder: Founder) -> None:
        """Whose daily work it is leaves none, nor does a list, nor a look that finds nothing."""
        invoice = await finalized(owner, 700)
        support = await founder.colleague(owner, Role.SUPPORT)
        await owner.data("query($id: ID) { invoice(id: $id) { id } }", id=invoice)
        await support.data("{ invoices { nodes { number } } }")
        nothing = await support.data("query($id: ID) { invoice(id: $id) { id } }", id=type_id(INVOICE, new_id()))
        assert nothing == {"invoice": None}
        assert await found(owner, action="invoice.view") == []


class TestDenials:
    """Who was kept from what is recorded where it was tried, with the record that was meant (M39)."""

    async def test_a_scope_that_is_lacking(self, owner: Caller, founder: Founder) -> None:
        """The record that was meant is found by its id, with who asked and why it was denied."""
        invoice = await draft(owner, 700)
        developer = await founder.colleague(owner, Role.DEVELOPER)
        await developer.ask(
            "mutation($id: ID!) { invoiceFinalize(input: { invoiceId: $id }) { invoice { id } } }", id=invoice
        )
        record = (await found(owner, recordId=invoice))[0]
        assert (record["action"], record["outcome"]) == ("invoice.finalize", "DENIED")
        assert record["reason"] == "lacks the scope invoice:finalize"
        assert record["principal"].startswith("developer (")

    async def test_a_record_of_another(self, owner: Caller, stranger: Caller) -> None:
        """Who asks for a foreign id is told that there is none, and is recorded at home; its owner hears nothing."""
        invoice = await draft(owner, 700)
        refused = await stranger.attempt("invoiceFinalize", {"invoiceId": invoice}, "invoice { id }")
        assert [error["code"] for error in refused["userErrors"]] == ["NOT_FOUND"]
        assert await actions(stranger, recordId=invoice) == [("invoice.finalize", "DENIED")]
        assert ("invoice.finalize", "DENIED") not in await actions(owner)

    async def test_an_organization_that_may_not_be_entered(self, owner: Caller, stranger: Caller) -> None:
        """It is recorded in the home of who tried, one that exists and one that does not alike."""
        nowhere = type_id(ORGANIZATION, new_id())
        for wanted in (owner.organization_id, nowhere):
            answer = await stranger.post({"query": "{ viewer { name } }"}, headers={"x-organization-id": wanted})
            assert answer.status_code == 403
            assert await actions(stranger, recordId=wanted) == [("organization.enter", "DENIED")]
        assert "organization.enter" not in {action for action, _ in await actions(owner)}

    async def test_in_a_suspended_organization_too(
        self, owner: Caller, founder: Founder, administrator: asyncpg.Connection
    ) -> None:
        """Nothing can be changed there, and yet what was tried is kept."""
        clerk = await founder.colleague(owner, Role.INGEST)
        await administrator.execute(
            "update organizations set status = 'SUSPENDED' where organization_id = $1", owner.database.organization_id
        )
        await clerk.ask("{ customers { totalCount } }")
        assert ("customer.read", "DENIED") in await actions(owner)

    async def test_a_dry_run_leaves_none(self, owner: Caller) -> None:
        """It changes nothing, and is refused without a trace."""
        await owner.change("customerCreate", {"name": "Frobozz", "dryRun": True}, "customer { id }")
        unknown = {"customerId": type_id(CUSTOMER, new_id()), "name": "Frobozz", "dryRun": True}
        await owner.attempt("customerUpdate", unknown, "customer { id }")
        assert await actions(owner) == [("organization.bootstrap", "ALLOWED")]


class TestFailures:
    """What fails for a reason of ours leaves a record that says so, though all else of it is undone."""

    @pytest.fixture(params=["", "constraint"])
    async def kaboom(self, request: pytest.FixtureRequest, administrator: asyncpg.Connection) -> AsyncIterator[None]:
        """PostgreSQL fails where a customer is called Kaboom: at once, or only at the commit."""
        await administrator.execute(
            "create function kaboom() returns trigger language plpgsql as $$ begin raise 'kaboom'; end $$"
        )
        deferred = " deferrable initially deferred" if request.param else ""
        await administrator.execute(
            f"create {request.param} trigger kaboom after insert on customers{deferred}"
            " for each row when (new.name = 'Kaboom') execute function kaboom()"
        )
        yield
        await administrator.execute("drop trigger kaboom on customers")
        await administrator.execute("drop function kaboom()")

    @pytest.mark.usefixtures("kaboom")
    async def test_a_failure_is_recorded(self, owner: Caller) -> None:
        """FAILED, with what went wrong by its kind alone, and with the request whose log line tells the rest."""
        answer = await owner.ask('mutation { customerCreate(input: { name: "Kaboom" }) { customer { id } } }')
        (error,) = answer["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        (record,) = await found(owner, action="customer.create")
        assert (record["outcome"], record["reason"]) == ("FAILED", "RaiseError")
        assert record["requestId"] == error["extensions"]["requestId"]
        assert (await owner.data("{ customers { totalCount } }"))["customers"]["totalCount"] == 1


class TestTheList:
    """By record, action, principal, outcome and time, all at once; a page at a time."""

    async def test_the_filters(self, owner: Caller, founder: Founder) -> None:
        """Each leaves what it says, and together they leave what all say."""
        admin = await founder.colleague(owner, Role.ADMIN)
        support = await founder.colleague(owner, Role.SUPPORT)
        made = await owner.change("customerCreate", {"name": "One"}, "customer { id }")
        await admin.change("customerCreate", {"name": "Two"}, "customer { id }")
        await support.ask('mutation { customerCreate(input: { name: "Three" }) { customer { id } } }')
        everything = await found(owner)
        assert len(everything) == 4
        by_admin = next(record["principal"] for record in everything if record["principal"].startswith("admin"))
        assert await actions(owner, recordId=made["customer"]["id"]) == [("customer.create", "ALLOWED")]
        assert len(await found(owner, action="customer.create")) == 3
        assert len(await found(owner, action="customer.create", principal=by_admin)) == 1
        assert await actions(owner, outcome=["DENIED", "FAILED"]) == [("customer.create", "DENIED")]
        assert await found(owner, outcome=["DENIED"], principal=by_admin) == []
        first, last = everything[-1]["createdAt"], everything[0]["createdAt"]
        assert len(await found(owner, createdAt={"start": first, "end": last})) == 3
        assert await found(await founder.organization(), principal=by_admin) == []
        for unknown in ("xyzzy", type_id(CUSTOMER, new_id()), type_id(INVOICE, new_id())):
            assert await found(owner, recordId=unknown) == []

    async def test_it_is_paged(self, owner: Caller) -> None:
        """Page by page it gives what it gives at once, and a record is found by its own id."""
        for number in range(4):
            await owner.change("customerCreate", {"name": f"Zork {number}"}, "customer { id }")
        whole = await owner.data("{ auditRecords(first: 100) { totalCount nodes { id hash } } }")
        document = """query($after: String) { auditRecords(first: 2, after: $after) {
          nodes { id hash } pageInfo { endCursor hasNextPage } } }"""
        paged, after = [], None
        while True:
            page = (await owner.data(document, after=after))["auditRecords"]
            paged += page["nodes"]
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert paged == whole["auditRecords"]["nodes"]
        assert len(paged) == whole["auditRecords"]["totalCount"] == 5
        one = "query($id: ID!) { node(id: $id) { ... on AuditRecord { id hash organization { id } } } }"
        assert (await owner.data(one, id=paged[0]["id"]))["node"] == {
            **paged[0],
            "organization": {"id": owner.organization_id},
        }
        async with owner.database.read() as tx:
            assert (await verify_audit(tx)).head == bytes.fromhex(paged[0]["hash"])

    @pytest.mark.parametrize("role", list(Role))
    async def test_who_may_read_it(self, owner: Caller, founder: Founder, role: Role) -> None:
        """Owner, admin and support; who does the work does not read who did it."""
        colleague = await founder.colleague(owner, role)
        answer = await colleague.ask("{ auditRecords { totalCount } }")
        assert ("errors" not in answer) == (role in (Role.OWNER, Role.ADMIN, Role.SUPPORT))

    async def test_a_child_s_records_are_its_own(self, owner: Caller) -> None:
        """Its making is recorded on either side, each in a chain of its own."""
        made = await owner.change("organizationCreate", {"legalName": "Child AG"}, "organization { id }")
        child = made["organization"]["id"]
        inside = Caller(owner.http, owner.api_key, child, owner.database, {"x-organization-id": child})
        for caller in (owner, inside):
            assert await actions(caller, recordId=child) == [("organization.create", "ALLOWED")]
        assert len(await found(inside)) == 1
