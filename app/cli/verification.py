"""What the commands that verify chains share: of which organizations, and how the answer is told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.organizations import Every, wanted_organizations
from app.cli.terminal import fail, settings_of_environment, with_sentences

if TYPE_CHECKING:
    from app.store.chain import Verification
    from app.store.tenancy import TenantDatabase

Organization = Annotated[str | None, typer.Option(help="The organization to verify: org_...")]
All = Annotated[bool, typer.Option("--all", help="Verify every organization, suspended and archived ones too.")]


def verify_chains(
    what: str, links: str, organization: str | None, verify: "Callable[[TenantDatabase], Awaitable[Verification]]"
) -> None:
    """Walk each organization's chain and print a line for it; exit code 1 where one is broken."""
    if not asyncio.run(_verify(what, links, organization, verify)):
        raise SystemExit(1)


def one_or_all(organization: str | None, all_: bool, run: Callable[[], object]) -> None:
    """Run where it is said for which organizations."""

    def checked() -> None:
        if all_ == (organization is not None):
            fail("Say which: --organization ORG, or --all.")
        run()

    with_sentences(checked)


async def _verify(
    what: str, links: str, organization: str | None, verify: "Callable[[TenantDatabase], Awaitable[Verification]]"
) -> bool:
    from app.api.ids import ORGANIZATION, type_id  # noqa: PLC0415
    from app.settings import WorkerSettings  # noqa: PLC0415
    from app.store.tenant import Actor  # noqa: PLC0415
    from app.worker import worker_database  # noqa: PLC0415

    intact = True
    async with worker_database(settings_of_environment(WorkerSettings)) as database:
        for organization_id in await wanted_organizations(database, organization, Every.EVER):
            actor = Actor("SYSTEM", f"tallygate {what} verify", f"{what}.verify")
            found = await verify(database.tenants.tenant(organization_id, actor))
            intact = intact and found.intact
            print(f"{type_id(ORGANIZATION, organization_id)}: {_told(found, links)}")
    return intact


def _told(found: "Verification", links: str) -> str:
    if found.intact:
        return f"intact, {found.links} {links}"
    if found.broken_at is None:
        return f"BROKEN, the last {links} are missing after {found.links}"
    return f"BROKEN at {found.broken_at}, after {found.links} {links}"
