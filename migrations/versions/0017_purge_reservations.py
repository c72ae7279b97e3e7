"""The worker may let reservations and counters go that nobody needs any more."""

from alembic import op

from app.store import row_security as wall

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

ENDED = "reservations_organization_id_ended_at_idx"
OF_COUNTER = "reservations_organization_id_counter_id_idx"
PURGED = ("reservations", "quota_counters")


def upgrade() -> None:
    """Go to this revision."""
    op.create_index(op.f(ENDED), "reservations", ["organization_id", "ended_at"])
    op.create_index(op.f(OF_COUNTER), "reservations", ["organization_id", "counter_id"])
    for table in PURGED:
        for statement in wall.worker_may_purge(table):
            op.execute(statement)


def downgrade() -> None:
    """Go back to the one before."""
    for table in PURGED:
        op.execute(f"revoke delete on {table} from tallygate_worker")
    op.drop_index(op.f(OF_COUNTER), "reservations")
    op.drop_index(op.f(ENDED), "reservations")
