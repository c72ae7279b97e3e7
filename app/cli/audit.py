"""tallygate audit verify: whether the audit records are what was written."""

import typer

from app.cli.verification import All, Organization, one_or_all, verify_chains

audit = typer.Typer(name="audit", help="Look after the audit records.", no_args_is_help=True)


@audit.callback()
def group() -> None:
    """Look after the audit records."""


@audit.command("verify")
def verify(organization: Organization = None, all_: All = False) -> None:
    """Walk each chain of audit records, as tallygate_worker, and name the first broken link; exit code 1 for one."""
    from app.operations.audit.verify import verify_audit_chain  # noqa: PLC0415

    one_or_all(organization, all_, lambda: verify_chains("audit", "records", organization, verify_audit_chain))
