"""Reservations: quota that is held before it is spent, and the counters that it is taken from."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def belongs_to(table: str, of: str, column: str) -> sa.ForeignKeyConstraint:
    """A foreign key that cannot leave the organization."""
    return sa.ForeignKeyConstraint(
        ["organization_id", column],
        [f"{of}.organization_id", f"{of}.id"],
        name=op.f(f"{table}_organization_id_{column}_fkey"),
    )


def owned(table: str) -> sa.ForeignKeyConstraint:
    """The row's organization exists."""
    return sa.ForeignKeyConstraint(
        ["organization_id"], ["organizations.organization_id"], name=op.f(f"{table}_organization_id_fkey")
    )


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "quota_counters",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reserved", sa.Numeric(), nullable=False),
        owned("quota_counters"),
        belongs_to("quota_counters", "subscriptions", "subscription_id"),
        belongs_to("quota_counters", "meters", "meter_id"),
        belongs_to("quota_counters", "plans", "plan_id"),
        sa.CheckConstraint("reserved >= 0", name=op.f("quota_counters_reserved_check")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("quota_counters_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "subscription_id",
            "meter_id",
            "plan_id",
            "period_start",
            name="quota_counters_key",
        ),
    )
    op.create_table(
        "reservations",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("counter_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("settled_quantity", sa.Numeric(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        owned("reservations"),
        belongs_to("reservations", "quota_counters", "counter_id"),
        belongs_to("reservations", "customers", "customer_id"),
        belongs_to("reservations", "subscriptions", "subscription_id"),
        sa.CheckConstraint(
            "status in ('HELD', 'SETTLED', 'RELEASED', 'EXPIRED')", name=op.f("reservations_status_check")
        ),
        sa.CheckConstraint("quantity > 0", name=op.f("reservations_quantity_check")),
        sa.CheckConstraint(
            "(status = 'SETTLED') = (settled_quantity is not null)", name=op.f("reservations_settled_quantity_check")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("reservations_pkey")),
    )
    op.create_index(
        op.f("reservations_organization_id_counter_id_expires_at_idx"),
        "reservations",
        ["organization_id", "counter_id", "expires_at"],
        postgresql_where=sa.text("status = 'HELD'"),
    )
    op.create_index(
        op.f("reservations_organization_id_expires_at_idx"),
        "reservations",
        ["organization_id", "expires_at"],
        postgresql_where=sa.text("status = 'HELD'"),
    )
    for statement in [
        *wall.wall("quota_counters"),
        *wall.app_may("quota_counters", "select", "insert", update=["reserved"]),
        *wall.wall("reservations"),
        *wall.app_may("reservations", "select", "insert", update=["status", "settled_quantity", "ended_at"]),
    ]:
        op.execute(statement)


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("reservations")
    op.drop_table("quota_counters")
