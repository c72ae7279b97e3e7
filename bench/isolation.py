"""Whether anybody sees anybody else: 32 organizations, 10,000 requests, and four database connections.

    PYTHONPATH=. .venv/bin/python bench/isolation.py [REQUESTS]

Each organization asks at random for its own records and for others', renames its own and tries to rename others'; one
request in twenty is broken off on the way. Every answer is looked through for the marks of all others. It ends with 1
where anybody sees a row that is not theirs, or does not see what is. SEED repeats what was random.
"""

import asyncio
import os
import random
import sys
import time

import asyncpg
import httpx
from pydantic import SecretStr

from app.api.ids import parsed
from app.main import application
from app.settings import Settings
from bench.processes import CURSOR_SECRET, PEPPER, database_of
from bench.scratch import Scratch, scratch_database
from tests.caller import Founder
from tests.tenancy.crowd import Member, gathered, jostle

REQUESTS = 10_000
POOL = 4


async def main(requests: int) -> int:
    """Let them jostle; 1 where anybody saw anybody."""
    seed = int(os.environ.get("SEED", random.randrange(1_000_000)))
    async with scratch_database() as scratch:
        settings = Settings(
            database_url=SecretStr(scratch.url()),
            api_key_pepper=SecretStr(PEPPER),
            cursor_secret=SecretStr(CURSOR_SECRET),
            pool_size=POOL,
        )
        served = application(settings)
        transport = httpx.ASGITransport(app=served)
        async with (
            served.router.lifespan_context(served),
            httpx.AsyncClient(transport=transport, base_url="http://tallygate.test") as http,
            database_of(scratch, 1) as database,
        ):
            members = await gathered(Founder(database, http, PEPPER))
            started = time.monotonic()
            try:
                asked = await jostle(members, http, requests, seed)
            except ExceptionGroup as group:
                print(f"SEED={seed}: {group.exceptions[0]!r}")
                return 1
        seconds = time.monotonic() - started
        astray = await renamed_by_others(scratch, members)
    told = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(asked.items()))
    print(f"SEED={seed}: {len(members)} organizations, {POOL} connections, {asked.total()} requests in {seconds:.0f} s")
    print(f"{told}; {astray} rows changed by others, 0 answers with anything of another's")
    return 1 if astray else 0


async def renamed_by_others(scratch: Scratch, members: list[Member]) -> int:
    """How many customers bear a name that is not their own organization's, past row security."""
    connection = await asyncpg.connect(scratch.administrator_url)
    try:
        rows = await connection.fetch("select organization_id, name from customers")
    finally:
        await connection.close()
    marks = {parsed(member.caller.organization_id)[1]: member.mark for member in members}
    return sum(not row["name"].startswith(marks[row["organization_id"]]) for row in rows)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else REQUESTS)))
