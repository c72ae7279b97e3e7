"""Idempotency keys: what was answered to a key, behind the wall."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "idempotency_records",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("principal_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "octet_length(fingerprint) = 32 and octet_length(document) = 32",
            name=op.f("idempotency_records_hashes_check"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.organization_id"],
            name=op.f("idempotency_records_organization_id_fkey"),
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "principal_id", "field", "key", name=op.f("idempotency_records_pkey")
        ),
    )
    op.create_index(
        op.f("idempotency_records_organization_id_created_at_idx"),
        "idempotency_records",
        ["organization_id", "created_at"],
    )
    rights = wall.app_may(
        "idempotency_records", "select", "insert", update=("fingerprint", "document", "answer", "created_at")
    )
    for statement in [*wall.wall("idempotency_records"), *rights]:
        op.execute(statement)


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("idempotency_records")
