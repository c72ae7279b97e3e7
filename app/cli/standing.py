"""tallygate organization suspend | resume | archive | report: what an operator does to organizations as a whole."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.organizations import named_organization
from app.cli.terminal import console, print_out, settings_of_environment, with_sentences

if TYPE_CHECKING:
    from app.settings import WorkerSettings
    from app.store.operator import BillingTotal
    from app.store.tenancy import TenantDatabase

Result = TypeVar("Result")

Organization = Annotated[str, typer.Argument(metavar="ORG", help="The organization: org_...")]


def add_standing_commands(group: typer.Typer) -> None:
    """Add the commands to the group of those for organizations."""
    for command in (suspend, resume, archive, report):
        group.command()(command)


def suspend(organization: Organization) -> None:
    """Let nothing be changed in an organization, as tallygate_worker; it can be read. `resume` undoes it."""
    from app.operations.organization.suspend import suspend_organization  # noqa: PLC0415

    _move(organization, "suspend", suspend_organization)


def resume(organization: Organization) -> None:
    """Let a suspended organization go on, as tallygate_worker; what fell due is billed by the next run."""
    from app.operations.organization.resume import resume_organization  # noqa: PLC0415

    _move(organization, "resume", resume_organization)


def archive(organization: Organization) -> None:
    """Close a suspended organization for good, as tallygate_worker; it can be read and exported."""
    from app.operations.organization.archive import archive_organization  # noqa: PLC0415

    _move(organization, "archive", archive_organization)


def report(organization: Organization) -> None:
    """Add up what an organization and all below it invoiced, were paid and are owed, as tallygate_operator."""
    from app.operations.organization.report import report_organization  # noqa: PLC0415
    from app.settings import ReportSettings  # noqa: PLC0415
    from app.store.operator import operator_database  # noqa: PLC0415

    def run() -> None:
        settings = settings_of_environment(ReportSettings)

        async def made(tenant: "TenantDatabase") -> "list[BillingTotal]":
            async with operator_database(settings.operator_database_url.get_secret_value()) as operator:
                return await report_organization(tenant, operator)

        _show(asyncio.run(_inside(settings, organization, "report", made)))

    with_sentences(run)


def _move(organization: str, verb: str, move: "Callable[[TenantDatabase], Awaitable[None]]") -> None:
    def run() -> None:
        from app.settings import WorkerSettings  # noqa: PLC0415

        asyncio.run(_inside(settings_of_environment(WorkerSettings), organization, verb, move))
        console.print(f"{organization}: {verb}, done.", highlight=False)

    with_sentences(run)


async def _inside(
    settings: "WorkerSettings", organization: str, verb: str, do: "Callable[[TenantDatabase], Awaitable[Result]]"
) -> Result:
    from app.store.tenant import Actor  # noqa: PLC0415
    from app.worker import worker_database  # noqa: PLC0415

    async with worker_database(settings) as database:
        id_ = await named_organization(database, organization)
        actor = Actor("SYSTEM", f"tallygate organization {verb}", f"organization.{verb}")
        return await do(database.tenants.tenant(id_, actor))


def _show(totals: "list[BillingTotal]") -> None:
    from rich.table import Table  # noqa: PLC0415

    table = Table("mode", "currency", "organizations", "invoices", "invoiced", "paid", "outstanding")
    for total in totals:
        amounts = (money.formatted("en_US") for money in (total.invoiced, total.paid, total.outstanding))
        table.add_row(total.mode, total.invoiced.currency, str(total.organizations), str(total.invoices), *amounts)
    print_out(table)
