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
