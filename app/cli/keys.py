"""tallygate keys rotate | shred: the keys that sensitive values are sealed with."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.terminal import fail, settings_of_environment, with_sentences

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from app.store.tenancy import TenantDatabase

keys = typer.Typer(name="keys", help="Look after the keys of sensitive values.", no_args_is_help=True)


@keys.callback()
def group() -> None:
    """Look after the keys of sensitive values."""


@keys.command("rotate")
def rotate(
    organization: Annotated[str | None, typer.Option(help="The organization whose keys to rotate: org_...")] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Rotate those of every organization, whatever its status.")
    ] = False,
    renew_after_days: Annotated[
        int | None, typer.Option(min=0, help="Make a new data key where the newest is older than this.")
    ] = None,
) -> None:
    """Put all data keys under the first master key, and all values under the newest data keys, as tallygate_worker.

    Others serve meanwhile. Where it is broken off, repeat it: what is done is left alone.
    """

    def run() -> None:
        if all_ == (organization is not None):
            fail("Say which: --organization ORG, or --all.")
        renew_after = None if renew_after_days is None else timedelta(days=renew_after_days)
        changed, unreadable = asyncio.run(_rotate(organization, renew_after))
        print(f"{changed} keys and values changed")
        if unreadable:
            fail("Some keys or values could not be opened: " + "; ".join(unreadable))

    with_sentences(run)


@keys.command("shred")
def shred(
    organization: Annotated[str, typer.Argument(help="The organization whose keys to destroy: org_...")],
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be undone: say so.")] = False,
) -> None:
    """Destroy an organization's data keys, so that what it sealed can never be read again; its books stay."""

    def run() -> None:
        if not yes:
            fail("What is sealed can never be read again. Repeat it with --yes.")
        print(f"{asyncio.run(_shred(organization))} keys destroyed")

    with_sentences(run)


async def _rotate(organization: str | None, renew_after: timedelta | None) -> tuple[int, list[str]]:
    """How much was changed, and what could not be, by organization: it stops no other."""
    from app.api.ids import ORGANIZATION, type_id  # noqa: PLC0415
    from app.operations.data_key.rotate import rotate_data_keys  # noqa: PLC0415
    from app.store.vault.master import Unreadable  # noqa: PLC0415

    changed, unreadable = 0, []
    async for organization_id, db in _databases(organization, "rotate"):
        try:
            changed += await rotate_data_keys(db, renew_after)
        except Unreadable as error:
            unreadable.append(f"{type_id(ORGANIZATION, organization_id)}: {error}")
    return changed, unreadable


async def _shred(organization: str) -> int:
    from app.operations.data_key.shred import shred_data_keys  # noqa: PLC0415

    return sum([await shred_data_keys(db) async for _, db in _databases(organization, "shred")])


async def _databases(organization: str | None, verb: str) -> "AsyncIterator[tuple[UUID, TenantDatabase]]":
    from app.cli.organizations import Every, wanted_organizations  # noqa: PLC0415
    from app.settings import KeySettings  # noqa: PLC0415
    from app.store.tenant import Actor  # noqa: PLC0415
    from app.store.vault.vault import Vault  # noqa: PLC0415
    from app.worker import worker_database  # noqa: PLC0415

    settings = settings_of_environment(KeySettings)
    async with worker_database(settings, vault=Vault(settings.master_keys)) as database:
        actor = Actor("SYSTEM", f"tallygate keys {verb}", f"keys.{verb}")
        for id_ in await wanted_organizations(database, organization, Every.EVER):
            yield id_, database.tenants.tenant(id_, actor)
