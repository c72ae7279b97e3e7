"""What processes write onto stderr: a line of JSON for each event, whoever has something to say."""

import json
import subprocess
import sys

SPEAKING = """
import logging
from app.logs import configure_logs

configure_logs("json")
try:
    raise ConnectionRefusedError("xyzzy")
except ConnectionRefusedError:
    logging.getLogger("asyncpg.pool").warning("Failed to plugh", exc_info=True)
"""


def test_the_driver_says_what_it_has_to_say_in_a_line() -> None:
    """Not as a traceback over many."""
    spoken = subprocess.run([sys.executable, "-c", SPEAKING], capture_output=True, text=True, check=True).stderr
    (line,) = spoken.splitlines()
    told = json.loads(line)
    assert told["event"] == "database.trouble"
    assert told["exception"] == "Failed to plugh: ConnectionRefusedError('xyzzy')"


BUSY = """
import asyncio
import os
import structlog
from app.logs import begin_notes, configure_logs, note, say

configure_logs("json")
log = structlog.get_logger()

async def answer():
    begin_notes(request_id="req_1")
    note(organization_id="org_1")
    say("graphql.answered", {"milliseconds": 1.5, "code": None, "secret": "xyzzy"})
    os.write(2, b"nothing yet\\n")
    log.warning("audit.not_recorded")
    say("graphql.answered", {"milliseconds": 2.5})

asyncio.run(answer())
"""


def test_lines_of_requests_wait_for_each_other_and_none_is_lost() -> None:
    """A warning goes out at once, after what waits; the rest when the process ends."""
    spoken = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, check=True).stderr
    nothing, *lines = spoken.splitlines()
    assert nothing == "nothing yet"
    first, warning, last = (json.loads(line) for line in lines)
    assert (first["event"], warning["event"], last["event"]) == (
        "graphql.answered",
        "audit.not_recorded",
        "graphql.answered",
    )
    assert first.keys() == {"event", "level", "timestamp", "request_id", "organization_id", "milliseconds", "code"}
    assert first["timestamp"] <= warning["timestamp"] <= last["timestamp"]
    assert {line["request_id"] for line in (first, warning, last)} == {"req_1"}
