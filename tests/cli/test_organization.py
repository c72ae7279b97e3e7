"""`tallygate organization` at the keyboard."""

import json
from pathlib import Path

import pytest

from app.store.roles import WORKER
from tests.cli.test_cli import run
from tests.conftest import PEPPER, Server


@pytest.fixture(scope="module")
def organization(app_url: str) -> str:
    """The id of a new organization."""
    made = run("bootstrap", "--legal-name", "Frobozz Ltd", DATABASE_URL=app_url, TALLYGATE_API_KEY_PEPPER=PEPPER)
    return json.loads(made.stdout)["organizationId"]


def test_one_goes_out_and_comes_in_elsewhere(
    server: Server, clone, worker_url: str, organization: str, tmp_path: Path
) -> None:
    """Once; the file is not written over, and what is there already is not written over either."""
    path = str(tmp_path / "frobozz.zip")
    export = ("organization", "export", organization, "--output", path)
    done = run(*export, DATABASE_URL=worker_url)
    assert done.exit_code == 0, done.stderr
    again = run(*export, DATABASE_URL=worker_url)
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)

    elsewhere = server.url(clone(), WORKER)
    done = run("organization", "import", path, DATABASE_URL=elsewhere)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{organization}\n"
    again = run("organization", "import", path, DATABASE_URL=elsewhere)
    assert (again.exit_code, "is here already" in again.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("export", "org_01h455vb4pex5vsknk084sn02q", "--output", "x.zip"), "No organization has the id org_01h4"),
        (("erase-customer", "org_01h455vb4pex5vsknk084sn02q", "x", "--yes"), "No organization has the id org_01h4"),
        (("import", __file__), "cannot be imported"),
        (("import", __file__, "--as-root", "--parent", "org_01h455vb4pex5vsknk084sn02q"), "Say one"),
    ],
)
def test_it_says_what_is_wrong(worker_url: str, options: tuple[str, ...], sentence: str) -> None:
    """A sentence and exit code 1, never a traceback."""
    done = run("organization", *options, DATABASE_URL=worker_url)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_customer_is_erased_where_it_is_confirmed(worker_url: str, organization: str) -> None:
    """Else nothing is done; and of one who is not there that is said."""
    erase = ("organization", "erase-customer", organization, "cus_01h455vb4pex5vsknk084sn02q")
    asked = run(*erase, DATABASE_URL=worker_url)
    assert (asked.exit_code, "cannot be undone" in asked.output) == (1, True)
    done = run(*erase, "--yes", DATABASE_URL=worker_url)
    assert (done.exit_code, "No customer has this id" in done.stderr) == (1, True)
