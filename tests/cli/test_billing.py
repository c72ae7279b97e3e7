"""`tallygate billing run` at the keyboard."""

import asyncio
import json

import asyncpg
import pytest

from app.api.ids import ORGANIZATION, uuid_of
from tests.cli.test_cli import run
from tests.conftest import PEPPER


@pytest.fixture
def organization(app_url: str) -> str:
    """The id of a new organization."""
    made = run("bootstrap", "--legal-name", "Frobozz Ltd", DATABASE_URL=app_url, TALLYGATE_API_KEY_PEPPER=PEPPER)
    return json.loads(made.stdout)["organizationId"]


def test_one_organization_is_billed(worker_url: str, organization: str) -> None:
    """It has nothing to bill, and that is said."""
    options = ("--organization", organization, "--until", "2026-05-01T00:00:00Z")
    done = run("billing", "run", *options, DATABASE_URL=worker_url)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "Invoices: 0. Organizations: 1. Failures: 0.\n"


def test_all_live_organizations_are_billed(worker_url: str, organization: str) -> None:
    """Each one after the other."""
    done = run("billing", "run", "--all", DATABASE_URL=worker_url)
    assert "Organizations: " in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "--organization ORG, or --all"),
        (("--all", "--organization", "org_01h455vb4pex5vsknk084sn02q"), "--organization ORG, or --all"),
        (("--organization", "org_01h455vb4pex5vsknk084sn02q"), "No organization has the id org_01h4"),
        (("--organization", "[nonsense]"), "No organization has the id [nonsense]"),
        (("--all", "--until", "tomorrow"), "Give an instant with its zone"),
    ],
)
def test_it_says_what_is_wrong(worker_url: str, options: tuple[str, ...], sentence: str) -> None:
    """A sentence and exit code 1, never a traceback."""
    done = run("billing", "run", *options, DATABASE_URL=worker_url)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


async def test_one_that_is_broken_keeps_no_other_from_its_bills(
    worker_url: str, organization: str, administrator: asyncpg.Connection
) -> None:
    """Whatever is wrong with it: it is named, the others are billed, and the log has the reason."""
    id_ = uuid_of(ORGANIZATION, organization)
    forget = "update audit_chains set last_sequence = last_sequence - 1 where organization_id = $1"
    await administrator.execute(forget, id_)
    try:
        done = await asyncio.to_thread(run, "billing", "run", "--all", DATABASE_URL=worker_url)
    finally:
        await administrator.execute(forget.replace("- 1", "+ 1"), id_)
    assert done.exit_code == 1
    assert f"{organization}: It cannot be billed: the log says why." in done.stdout
    assert "Organizations: " in done.stdout
    assert '"event":"billing.organization_failed"' in done.stderr
