"""GraphQL over HTTP as others judge it: every audit of the npm package graphql-http, against a running server."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import LiveServer

HERE = Path(__file__).parent
AUDITS = 61


def node() -> str:
    """The Node that runs the audits; without it, or without their packages, the test is skipped, unless CI wants it."""
    found = shutil.which("node")
    if found is None or not (HERE / "node_modules" / "graphql-http").exists():
        reason = "no Node, or `npm install` was not run in tests/http"
        if os.environ.get("TALLYGATE_HTTP_AUDITS") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def test_every_audit_passes(live_server: LiveServer) -> None:
    """What the specification says MUST, SHOULD and MAY be, all of it."""
    environment = {**os.environ, "TALLYGATE_URL": f"{live_server.url}/graphql", "TALLYGATE_KEY": live_server.api_key}
    done = subprocess.run(
        [node(), "audit.mjs"], cwd=HERE, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [audit for audit in results if audit["status"] != "ok"] == []
    assert len({audit["id"] for audit in results}) >= AUDITS
