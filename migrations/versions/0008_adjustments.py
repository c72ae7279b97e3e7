"""Adjustments: where usage changed after it was billed, and which quantities each invoice priced."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

COUNTED_BEFORE = """
update invoices i set covers = i.covers || jsonb_build_object('counts', coalesce((
  select jsonb_agg(jsonb_build_object(
    'plan', l.plan_id, 'feature', l.feature_key, 'periodStart', i.covers -> 'usage' -> 0 -> 0,
    'quantity', l.explanation ->> 'used', 'times', 1) order by l.sort_order)
  from invoice_line_items l
  where l.organization_id = i.organization_id and l.invoice_id = i.id and l.kind = 'USAGE' and l.plan_id is not null
    and l.explanation ->> 'used' is not null and i.covers -> 'usage' -> 0 is not null
), '[]'::jsonb))
where i.covers is not null
"""
"""What a usage line says that was used is what it priced; a period's usage was one line for each plan and feature."""


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "late_usage",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("first_at <= last_at", name=op.f("late_usage_last_at_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "subscription_id"],
            ["subscriptions.organization_id", "subscriptions.id"],
            name=op.f("late_usage_organization_id_subscription_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("late_usage_pkey")),
    )
    for columns in (("subscription_id",), ("recorded_at",)):
        name = "_".join(("late_usage_organization_id", *columns, "idx"))
        op.create_index(op.f(name), "late_usage", ["organization_id", *columns])
    run([*wall.wall("late_usage"), *wall.app_may("late_usage", "select", "insert", "delete")])
    op.create_index(
        "invoices_gathering_adjustment_key",
        "invoices",
        ["organization_id", "subscription_id", "period_start"],
        unique=True,
        postgresql_where=sa.text("status = 'DRAFT' and reason = 'ADJUSTMENT'"),
    )
    change_finalized([COUNTED_BEFORE])


def downgrade() -> None:
    """Go back to the one before."""
    change_finalized(["update invoices set covers = covers - 'counts' where covers is not null"])
    op.drop_index("invoices_gathering_adjustment_key", table_name="invoices")
    op.drop_table("late_usage")


def change_finalized(statements: list[str]) -> None:
    """Change what is locked of invoices, in all organizations: for what a revision adds to them, and nothing else."""
    walled = ("invoices", "invoice_line_items")
    run([f"alter table {table} no force row level security" for table in walled])
    run(["alter table invoices disable trigger keep_finalized", *statements])
    run(["alter table invoices enable trigger keep_finalized"])
    run([f"alter table {table} force row level security" for table in walled])


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
