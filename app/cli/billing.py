"""tallygate billing run: bill now, without waiting for the night."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from app.cli.organizations import Every, wanted_organizations
from app.cli.terminal import console, fail, settings_of_environment, with_sentences

if TYPE_CHECKING:
    from rich.progress import Progress

    from app.operations.billing.run import BillingSummary
    from app.worker import WorkerDatabase

billing = typer.Typer(name="billing", help="Bill organizations.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a run over organizations."""

    organizations: int
    invoices: int
    failures: list[str]


@billing.command("run")
def run_(
    organization: Annotated[str | None, typer.Option(help="The organization to bill: org_...")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Bill every active LIVE organization.")] = False,
    until: Annotated[
        str | None, typer.Option(help="Bill periods that ended by this instant, as 2026-05-01T00:00:00Z; else by now.")
    ] = None,
) -> None:
    """Make the invoices that are due, as tallygate_worker. Repeating it makes none twice; exit code 1 on failures."""

    def run() -> None:
        from app.logs import configure_logs  # noqa: PLC0415
        from app.settings import WorkerSettings  # noqa: PLC0415
        from app.worker import worker_database  # noqa: PLC0415

        if all_ == (organization is not None):
            fail("Say which: --organization ORG, or --all.")
        instant = None if until is None else _instant(until)

        async def bill() -> Tally:
            settings = settings_of_environment(WorkerSettings)
            configure_logs(settings.log_format)
            async with worker_database(settings) as database:
                wanted = await wanted_organizations(database, organization, Every.ACTIVE_LIVE)
                return await _bill(database, wanted, instant)

        _tell(asyncio.run(bill()))

    with_sentences(run)


async def _bill(database: "WorkerDatabase", organizations: list[UUID], until: datetime | None) -> Tally:
    import structlog  # noqa: PLC0415

    from app.api.ids import ORGANIZATION, SUBSCRIPTION, type_id  # noqa: PLC0415
    from app.domain.errors import Refusal  # noqa: PLC0415
    from app.operations.billing.run import run_billing  # noqa: PLC0415
    from app.store.connection import Unavailable  # noqa: PLC0415
    from app.store.tenant import Actor  # noqa: PLC0415

    log = structlog.get_logger(__name__)
    invoices, failures = 0, []
    with _progress() as progress:
        task = progress.add_task("Billing", total=len(organizations), invoices=0)
        for organization_id in organizations:

            def told(summary: "BillingSummary", before: int = invoices) -> None:
                progress.update(task, invoices=before + summary.invoices)

            name = type_id(ORGANIZATION, organization_id)
            tenant = database.tenants.tenant(organization_id, Actor("SYSTEM", "tallygate billing run", "billing.run"))
            try:
                summary = await run_billing(tenant, until, told)
            except (Refusal, Unavailable) as error:
                failures.append(f"{name}: {error}")
            except Exception:  # what is broken about one keeps the others from nothing
                log.exception("billing.organization_failed", organization_id=name)
                failures.append(f"{name}: It cannot be billed: the log says why.")
            else:
                invoices += summary.invoices
                failures += [
                    f"{name} {type_id(SUBSCRIPTION, failure.subscription_id)}: {failure.message}"
                    for failure in summary.failures
                ]
            progress.update(task, advance=1, invoices=invoices)
    return Tally(len(organizations), invoices, failures)


def _progress() -> "Progress":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("organizations, {task.fields[invoices]} invoices"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _tell(tally: Tally) -> None:
    print(f"Invoices: {tally.invoices}. Organizations: {tally.organizations}. Failures: {len(tally.failures)}.")
    for failure in tally.failures:
        print(f"  {failure}")
    if tally.failures:
        raise SystemExit(1)


def _instant(text: str) -> datetime:
    from app.api.scalars import parsed_instant  # noqa: PLC0415

    try:
        return parsed_instant(text)
    except ValueError as error:
        fail(str(error))
