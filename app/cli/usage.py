"""tallygate usage rebuild: whether usage is counted as it was recorded, and mending it where it is not."""

import asyncio
from typing import Annotated

import typer

from app.cli.organizations import Every, wanted_organizations
from app.cli.terminal import fail, settings_of_environment, with_sentences

usage = typer.Typer(name="usage", help="Look after what usage comes to.", no_args_is_help=True)


@usage.callback()
def group() -> None:
    """Look after what usage comes to."""


@usage.command("rebuild")
def rebuild(
    organization: Annotated[str | None, typer.Option(help="The organization whose usage to count: org_...")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Count every active organization's usage.")] = False,
) -> None:
    """Count every hour's usage anew from its events, as tallygate_worker; name what differed; exit code 1 for that."""

    def run() -> None:
        if all_ == (organization is not None):
            fail("Say which: --organization ORG, or --all.")
        if not asyncio.run(_rebuild(organization)):
            raise SystemExit(1)

    with_sentences(run)


async def _rebuild(organization: str | None) -> bool:
    from app.api.ids import METER, ORGANIZATION, type_id  # noqa: PLC0415
    from app.operations.usage.rebuild import rebuild_usage  # noqa: PLC0415
    from app.settings import WorkerSettings  # noqa: PLC0415
    from app.store.tenant import Actor  # noqa: PLC0415
    from app.worker import worker_database  # noqa: PLC0415

    same = True
    async with worker_database(settings_of_environment(WorkerSettings)) as database:
        for organization_id in await wanted_organizations(database, organization, Every.ACTIVE):
            tenant = database.tenants.tenant(
                organization_id, Actor("SYSTEM", "tallygate usage rebuild", "usage.rebuild")
            )
            name, differences, week = type_id(ORGANIZATION, organization_id), 0, None
            while True:
                found, week = await rebuild_usage(tenant, week)
                for each in found:
                    meter = type_id(METER, each.meter_id)
                    print(
                        f"{name}: {each.hour:%Y-%m-%dT%H:00Z} {meter}: said {each.said} events, there are {each.found}"
                    )
                differences += len(found)
                if week is None:
                    break
            same = same and not differences
            print(f"{name}: {f'{differences} hours differed and are mended' if differences else 'as recorded'}")
    return same
