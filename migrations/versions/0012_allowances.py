"""A token bucket of points for each organization."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "allowances",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("points", sa.Numeric(), nullable=False),
        sa.Column("refilled_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.organization_id"],
            name=op.f("allowances_organization_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("allowances_pkey")),
        prefixes=["UNLOGGED"],
    )
    for statement in [
        *wall.wall("allowances"),
        *wall.app_may("allowances", "select", "insert", update=["points", "refilled_at"]),
    ]:
        op.execute(statement)


def downgrade() -> None:
    """Go back to the revision before."""
    op.drop_table("allowances")
