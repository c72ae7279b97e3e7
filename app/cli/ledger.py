"""tallygate ledger verify: whether the books are what was written into them."""

import typer

from app.cli.verification import All, Organization, one_or_all, verify_chains

ledger = typer.Typer(name="ledger", help="Look after the books.", no_args_is_help=True)


@ledger.callback()
def group() -> None:
    """Look after the books."""


@ledger.command("verify")
def verify(organization: Organization = None, all_: All = False) -> None:
    """Walk each ledger's chain of hashes, as tallygate_worker, and name the first broken link; exit code 1 for one."""
    from app.operations.ledger.verify import verify_ledger_chain  # noqa: PLC0415

    one_or_all(organization, all_, lambda: verify_chains("ledger", "transactions", organization, verify_ledger_chain))
