"""tallygate organization export | import | erase-customer: an organization as a file, and a person forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape

from app.cli.organizations import named_organization
from app.cli.terminal import console, fail, settings_of_environment, with_sentences

if TYPE_CHECKING:
    from app.worker import WorkerDatabase

organization = typer.Typer(
    name="organization", help="Carry organizations elsewhere, and forget people.", no_args_is_help=True
)

DAY_MS: Final = 86_400_000
"""How long a statement may take: a commit checks every posting that came in."""

Organization = Annotated[str, typer.Argument(metavar="ORG", help="The organization: org_...")]


@organization.command("export")
def export(
    organization: Organization,
    output: Annotated[Path, typer.Option(help="The file to write; there must be none of that name.")],
) -> None:
    """Write all that an organization owns into an archive, as tallygate_worker, while it goes on working."""

    async def run(database: "WorkerDatabase") -> None:
        from app.archive.writing import new_archive  # noqa: PLC0415
        from app.operations.organization.export import export_organization  # noqa: PLC0415
        from app.store.migration import head_revision  # noqa: PLC0415
        from app.store.tenant import Actor  # noqa: PLC0415

        id_ = await named_organization(database, organization)
        actor = Actor("SYSTEM", "tallygate organization export", "organization.export")
        try:
            with new_archive(output) as archive:
                manifest = await export_organization(database.tenants.tenant(id_, actor), archive, head_revision())
        except FileExistsError:
            fail(f"{output} is there already: give another name.")
        rows = sum(member.rows for member in manifest.members)
        console.print(f"{output}: {rows} rows of {len(manifest.members)} tables.", highlight=False)

    _with_database(run)


@organization.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The archive.", exists=True, dir_okay=False)],
    parent: Annotated[str | None, typer.Option(help="The organization to put it below: org_...")] = None,
    as_root: Annotated[bool, typer.Option("--as-root", help="Put it below none.")] = False,
) -> None:
    """Put an exported organization back, here or into another database, with the ids that it had: all or nothing."""

    async def run(database: "WorkerDatabase") -> None:
        from app.api.ids import ORGANIZATION, type_id, uuid_of  # noqa: PLC0415
        from app.archive.manifest import DamagedArchive  # noqa: PLC0415
        from app.archive.reading import opened_archive  # noqa: PLC0415
        from app.operations.organization.import_ import Place, import_organization  # noqa: PLC0415
        from app.store.archive import Unrestorable  # noqa: PLC0415
        from app.store.migration import head_revision  # noqa: PLC0415
        from app.store.tenant import Actor  # noqa: PLC0415

        if as_root and parent is not None:
            fail("Say one: --parent ORG, or --as-root.")
        place = Place(as_root, None if parent is None else uuid_of(ORGANIZATION, parent))
        actor = Actor("SYSTEM", "tallygate organization import", "organization.import")
        try:
            with opened_archive(file) as archive:
                made = await import_organization(database.tenants, archive, place, head_revision(), actor)
        except DamagedArchive as error:
            fail(f"{file} cannot be imported. {error}")
        except Unrestorable as error:
            fail(f"{file} cannot be imported: the database refuses what is in it. {error}")
        print(type_id(ORGANIZATION, made))

    _with_database(run)


@organization.command("erase-customer")
def erase_customer(
    organization: Organization,
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer: cus_...")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: it cannot be undone.")] = False,
) -> None:
    """Forget who a customer is, as tallygate_worker, and leave the books as they are. It cannot be undone."""

    async def run(database: "WorkerDatabase") -> None:
        from app.api.ids import CUSTOMER, uuid_of  # noqa: PLC0415
        from app.operations.customer.erase import erase_customer as erase  # noqa: PLC0415
        from app.store.tenant import Actor  # noqa: PLC0415

        id_ = await named_organization(database, organization)
        actor = Actor("SYSTEM", "tallygate organization erase-customer", "customer.erase")
        await erase(database.tenants.tenant(id_, actor), uuid_of(CUSTOMER, customer))
        console.print(f"{escape(customer)} is erased.", highlight=False)

    if not yes:
        typer.confirm(f"Erase who {customer} is? It cannot be undone", abort=True)
    _with_database(run)


def _with_database(do: "Callable[[WorkerDatabase], Awaitable[None]]") -> None:
    def run() -> None:
        from app.logs import configure_logs  # noqa: PLC0415
        from app.settings import WorkerSettings  # noqa: PLC0415
        from app.worker import worker_database  # noqa: PLC0415

        async def connected() -> None:
            settings = settings_of_environment(WorkerSettings)
            configure_logs(settings.log_format)
            patient = {"job_statement_timeout_ms": DAY_MS, "lock_timeout_ms": DAY_MS, "idle_timeout_ms": DAY_MS}
            async with worker_database(settings.model_copy(update=patient)) as database:
                await do(database)

        asyncio.run(connected())

    with_sentences(run)
