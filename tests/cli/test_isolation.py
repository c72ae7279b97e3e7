"""`tallygate isolation report` at the keyboard."""

import pytest

from app.api.schema import schema
from app.domain.role import Role
from tests.cli.test_cli import run
from tests.tenancy import test_walk as walk


def test_every_root_field_is_in_it() -> None:
    """With what each role gets, where it names records, and what tries it."""
    done = run("isolation", "report")
    assert done.exit_code == 0, done.stderr
    rows = {line.split(" | ")[0].removeprefix("| "): line.split(" | ") for line in done.stdout.splitlines()}
    roots = {f"{name}.{field}" for name in ("Query", "Mutation") for field in schema._schema.type_map[name].fields}
    assert roots <= rows.keys()
    assert rows["Mutation.invoiceFinalize"] == [
        "| Mutation.invoiceFinalize",
        "invoice:finalize",
        *("own" if role in (Role.OWNER, Role.ADMIN, Role.BILLING) else "denied" for role in Role),
        "invoiceId",
        "-",
        "W R B |",
    ]
    assert rows["Customer.invoices"][2] == "parent"
    assert rows["Customer.invoices"][-1] == "W R B C |"
    assert f"{len(walk.PLACES)} places, by {len(Role)} roles" in done.stdout


def test_a_field_that_is_not_walked_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the program ends with 1."""
    monkeypatch.delitem(walk.FIELDS, "Query.plans")
    done = run("isolation", "report")
    assert done.exit_code == 1
    assert "1 fields are not walked: Query.plans." in done.stderr
