"""The program at the keyboard: what it does, and what it says where something outside is wrong."""

import json
import os
import socket
from unittest.mock import patch

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.api.schema import schema
from app.cli import app
from tests.conftest import CURSOR_SECRET, MASTER_KEY, PEPPER, Server


def run(*arguments: str, **environment: str) -> Result:
    """Run `tallygate` in this process, with nothing in its environment but what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    with patch.dict(os.environ, kept | {"NO_COLOR": "1", "COLUMNS": "400"} | environment, clear=True):
        return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def serving(app_url: str, **more: str) -> dict[str, str]:
    """An environment to serve in."""
    return {
        "DATABASE_URL": app_url,
        "TALLYGATE_API_KEY_PEPPER": PEPPER,
        "TALLYGATE_CURSOR_SECRET": CURSOR_SECRET,
        "TALLYGATE_MASTER_KEY": MASTER_KEY,
        **more,
    }


def test_schema_prints_the_schema() -> None:
    """What is printed is what the code says."""
    assert run("schema").stdout.strip() == schema.as_str().strip()


def test_bootstrap_prints_an_organization_and_a_key_as_json(app_url: str) -> None:
    """The first credential comes to be; a program can read it."""
    environment = {"DATABASE_URL": app_url, "TALLYGATE_API_KEY_PEPPER": PEPPER}
    root = json.loads(run("bootstrap", "--legal-name", "Root Inc", **environment).stdout)
    assert root["organizationId"].startswith("org_")
    assert root["apiKey"].startswith("tg_live_")
    options = ("--mode", "test", "--test-clock", "2026-05-01T00:00:00Z", "--parent", root["organizationId"])
    child = json.loads(run("bootstrap", "--legal-name", "Child Inc", *options, **environment).stdout)
    assert child["apiKey"].startswith("tg_test_")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--mode", "live", "--test-clock", "2026-05-01T00:00:00Z"), "Only a TEST organization has a clock"),
        (("--mode", "test", "--test-clock", "tomorrow"), "Give an instant with its zone"),
        (("--currency", "XXZ"), "ISO 4217"),
        (("--time-zone", "Mars/Olympus"), "IANA time zone"),
        (("--parent", "org_01h455vb4pex5vsknk084sn02q"), "No organization"),
        (("--parent", "nonsense"), "No organization"),
    ],
)
def test_bootstrap_says_what_is_wrong(app_url: str, options: tuple[str, ...], sentence: str) -> None:
    """A sentence and exit code 1, never a traceback."""
    environment = {"DATABASE_URL": app_url, "TALLYGATE_API_KEY_PEPPER": PEPPER}
    done = run("bootstrap", "--legal-name", "X", *options, **environment)
    assert done.exit_code == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_names_the_settings_that_are_missing() -> None:
    """Each by its variable."""
    done = run("serve")
    assert done.exit_code == 1
    for name in ("DATABASE_URL", "TALLYGATE_API_KEY_PEPPER", "TALLYGATE_CURSOR_SECRET"):
        assert name in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_refuses_a_short_secret(app_url: str) -> None:
    """A secret has 32 characters or more."""
    done = run("serve", **serving(app_url, TALLYGATE_CURSOR_SECRET="short"))
    assert done.exit_code == 1
    assert "TALLYGATE_CURSOR_SECRET" in done.stderr
    assert "short" not in done.stderr.replace("give", "")


def test_serve_refuses_a_login_that_row_security_does_not_bind(owner_url: str) -> None:
    """A superuser would see every tenant."""
    done = run("serve", "--port", "0", **serving(owner_url))
    assert done.exit_code == 1
    assert "serve as tallygate_app" in done.stderr


def test_serve_says_that_the_database_cannot_be_reached() -> None:
    """Nothing listens there."""
    done = run("serve", **serving("postgresql://tallygate_app@127.0.0.1:1/tallygate"))
    assert done.exit_code == 1
    assert "cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_says_that_the_port_is_taken(app_url: str) -> None:
    """And how to choose another."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), **serving(app_url))
    assert done.exit_code == 1
    assert f"Port {port}" in done.stderr
    assert "--port" in done.stderr


def test_serve_says_that_a_migration_is_missing(server: Server, template: str) -> None:
    """An empty database is not served."""
    done = run("serve", "--port", "0", **serving(server.url("postgres", "tallygate_app")))
    assert done.exit_code == 1
    assert "tallygate migrate" in done.stderr


def test_migrate_twice_changes_nothing(server: Server, clone) -> None:
    """The second time there is nothing to do."""
    url = server.url(clone())
    for _ in range(2):
        done = run("migrate", DATABASE_URL=url)
        assert done.exit_code == 0, done.stderr
        assert "is at revision" in done.stderr


def test_migrate_says_which_variable_it_wants() -> None:
    """Without a database there is nothing to migrate."""
    done = run("migrate")
    assert done.exit_code == 1
    assert "TALLYGATE_MIGRATION_DATABASE_URL" in done.stderr
