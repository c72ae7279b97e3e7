"""Customer credit as an account, balances at any instant by index, and an invoice's notes locked with the rest."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LOCKED = (
    "number",
    "customer_id",
    "subscription_id",
    "reason",
    "period_start",
    "period_end",
    "currency",
    "subtotal_minor",
    "discount_minor",
    "tax_minor",
    "total_minor",
    "finalized_at",
    "due_at",
)
"""What revision 0002 locks of an invoice that is no draft any more."""

SHIFT = (
    "case when effective_at <> created_at then"
    " width_bucket(greatest(effective_at, created_at) - least(effective_at, created_at),"
    " '{00:00:01,00:01:00,01:00:00,24:00:00,168:00:00,768:00:00,8784:00:00}'::interval[]) end"
)


def invoice_lock(*columns: str) -> str:
    """Replace the trigger's function by one that locks those columns; grants and triggers stay."""
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("old", "new"))
    return f"""
create or replace function keep_finalized_invoice() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if old.status = 'DRAFT' then
    return case tg_op when 'DELETE' then old else new end;
  end if;
  if tg_op = 'DELETE' then
    raise exception 'an invoice that is not a draft is never deleted' using errcode = 'restrict_violation';
  end if;
  if ({old}) is distinct from ({new})
     or new.status = 'DRAFT' or (old.status in ('PAID', 'VOID') and new.status <> old.status) then
    raise exception 'a finalized invoice is locked' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$
"""


def upgrade() -> None:
    """Go to this revision."""
    hold_accounts_to(
        code="code in ('RECEIVABLE', 'CUSTOMER_CREDIT', 'REVENUE', 'CASH', 'ADJUSTMENTS')",
        customer_id="(code in ('RECEIVABLE', 'CUSTOMER_CREDIT')) = (customer_id is not null)",
    )
    # Rewrites the entries, once: what is stored is not changed by it, and triggers are for changes.
    op.execute(f"""
-- squawk-ignore adding-field-with-default
alter table ledger_entries add column shift integer generated always as ({SHIFT}) stored
""")
    op.create_index(
        "ledger_entries_balance_idx",
        "ledger_entries",
        ["organization_id", "customer_id", "currency", "created_at", "sequence"],
        postgresql_where=sa.text("customer_id is not null"),
    )
    op.create_index(
        "ledger_entries_shifted_idx",
        "ledger_entries",
        [
            "organization_id",
            "customer_id",
            "currency",
            "shift",
            sa.text("greatest(effective_at, created_at)"),
        ],
        postgresql_where=sa.text("customer_id is not null and shift is not null"),
        postgresql_include=["effective_at", "created_at", "debit_minor", "credit_minor"],
    )
    op.execute(invoice_lock(*LOCKED, "notes", "metadata", "covers"))


def downgrade() -> None:
    """Go back to the one before; refused by PostgreSQL where a customer has credit on an account."""
    op.execute(invoice_lock(*LOCKED))
    op.drop_index("ledger_entries_shifted_idx", table_name="ledger_entries")
    op.drop_index("ledger_entries_balance_idx", table_name="ledger_entries")
    op.drop_column("ledger_entries", "shift")
    hold_accounts_to(
        code="code in ('RECEIVABLE', 'REVENUE', 'CASH', 'ADJUSTMENTS')",
        customer_id="(code = 'RECEIVABLE') = (customer_id is not null)",
    )


def hold_accounts_to(**checks: str) -> None:
    """Replace constraints of accounts by wider ones, or back; a few rows for each customer are checked in moments."""
    for name, condition in checks.items():
        op.execute(
            f"""
-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid
alter table accounts drop constraint accounts_{name}_check,
  add constraint accounts_{name}_check check ({condition})
"""
        )
