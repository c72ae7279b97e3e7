"""Two thousand operations that schemathesis generates from the schema: none may be answered by a server error.

Needs the command `schemathesis` (4 or later) on PATH, or where SCHEMATHESIS says: it is no dependency of the project.
It runs against a server of its own, as the owner of an organization with data, with its own arguments passed on.
"""

import asyncio
import os
import shutil
import subprocess
import sys

from bench.company import company_with
from bench.processes import ROOT, database_of, start_server
from bench.scratch import scratch_database

EXAMPLES = 40
"""Of each root field, of which there are more than fifty."""


async def main() -> int:
    """Serve, generate, judge."""
    command = shutil.which(os.environ.get("SCHEMATHESIS", "schemathesis"))
    if command is None:
        print("schemathesis is not installed: pip install schemathesis, into an environment of its own")
        return 2
    async with scratch_database() as scratch, database_of(scratch) as database:
        owner = await company_with(database, "Generated", 5, months=1)
        url, server = await start_server(scratch)
        try:
            arguments = [
                command, "run", f"{url}/graphql",
                "--header", f"Authorization: Bearer {owner.api_key}",
                "--checks", "not_a_server_error", "--phases", "fuzzing", "--mode", "positive",
                "--max-examples", str(EXAMPLES), "--suppress-health-check", "all", "--continue-on-failure",
                "--request-timeout", "30", *sys.argv[1:],
            ]  # fmt: skip
            environment = {**os.environ, "SCHEMATHESIS_HOOKS": "bench.generated_scalars", "PYTHONPATH": str(ROOT)}
            return await asyncio.to_thread(lambda: subprocess.run(arguments, env=environment, check=False).returncode)
        finally:
            server.stop()


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main()))
