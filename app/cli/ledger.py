"""tallygate ledger verify: whether the books are what was written into them."""

import asyncio
from typing import Annotated

import typer

from app.cli.organizations import wanted_organizations
from app.cli.terminal import fail, settings_of_environment, with_sentences

ledger = typer.Typer(name="ledger", help="Look after the books.", no_args_is_help=True)


@ledger.callback()
def group() -> None:
    """Look after the books."""


@ledger.command("verify")
def verify(
    organization: Annotated[str | None, typer.Option(help="The organization whose books to verify: org_...")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Verify every active organization's books.")] = False,
) -> None:
    """Walk each ledger's chain of hashes, as tallygate_worker, and name the first broken link; exit code 1 for one."""

    def run() -> None:
        if all_ == (organization is not None):
            fail("Say which: --organization ORG, or --all.")
        if not asyncio.run(_verify(organization)):
            raise SystemExit(1)

    with_sentences(run)


async def _verify(organization: str | None) -> bool:
    from app.api.ids import ORGANIZATION, type_id  # noqa: PLC0415
    from app.operations.ledger.verify import verify_ledger_chain  # noqa: PLC0415
    from app.settings import WorkerSettings  # noqa: PLC0415
    from app.store.tenant import Actor  # noqa: PLC0415
    from app.worker import worker_database  # noqa: PLC0415

    intact = True
    async with worker_database(settings_of_environment(WorkerSettings)) as database:
        for organization_id in await wanted_organizations(database, organization, live=False):
            actor = Actor("SYSTEM", "tallygate ledger verify", "ledger.verify")
            found = await verify_ledger_chain(database.tenants.tenant(organization_id, actor))
            name = type_id(ORGANIZATION, organization_id)
            intact = intact and found.intact
            if found.intact:
                print(f"{name}: intact, {found.transactions} transactions")
            elif found.broken_at is None:
                print(f"{name}: BROKEN, the last transactions are missing after {found.transactions}")
            else:
                print(f"{name}: BROKEN at {found.broken_at}, after {found.transactions} transactions")
    return intact
