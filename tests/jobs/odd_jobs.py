"""Jobs that no customer wants: they leave audit records, take their time, fail, and kill their worker.

`python -m tests.jobs.odd_jobs` is a worker that does them.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from typing import Any

from app.domain.errors import NotFound
from app.jobs.running import Work
from app.settings import WorkerSettings
from app.store.audit import record
from app.store.tenancy import TenantDatabase
from app.worker import work


async def note(db: TenantDatabase, what: str) -> None:
    async with db.write() as tx:
        await record(tx, what, None)


async def quick(db: TenantDatabase, payload: Mapping[str, Any]) -> None:
    await note(db, f"quick.{payload.get('name', 'done')}")


async def slow(db: TenantDatabase, payload: Mapping[str, Any]) -> None:
    await note(db, "slow.begun")
    await asyncio.sleep(payload["seconds"])
    await note(db, "slow.ended")


async def failing(db: TenantDatabase, payload: Mapping[str, Any]) -> None:
    await note(db, "failing.tried")
    raise ZeroDivisionError("the frobnicator is off by none")


async def refused(db: TenantDatabase, payload: Mapping[str, Any]) -> None:
    await note(db, "refused.tried")
    raise NotFound("No zorkmid has this id.", "zorkmidId")


async def deadly(db: TenantDatabase, payload: Mapping[str, Any]) -> None:
    await note(db, "deadly.begun")
    os.kill(os.getpid(), signal.SIGKILL)


ODD_KINDS: dict[str, Work] = {
    "odd.quick": quick,
    "odd.slow": slow,
    "odd.failing": failing,
    "odd.refused": refused,
    "odd.deadly": deadly,
}


if __name__ == "__main__":
    asyncio.run(work(WorkerSettings(), kinds=ODD_KINDS))
