"""Usage by the hour, each event's identity beside it, corrections, and which raw events may go."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEEP_USAGE = """
create function keep_usage() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if tg_op = 'DELETE' and current_user = 'tallygate_worker' and old.occurred_at < now() - interval '71 days' then
    return old;
  end if;
  raise exception '% on % is refused: its rows are never changed', tg_op, tg_table_name
    using errcode = 'restrict_violation';
end
$$
"""
"""An event may come 35 days late and its identity is kept for 35 more; then the worker may let it go, and nobody else.
"""

HOURS_OF_BEFORE = """
insert into usage_hours
  (organization_id, id, customer_id, subscription_id, meter_id, hour, events, total, least, greatest,
   latest, latest_at, latest_id, changed_at)
select e.organization_id, (array_agg(e.id order by e.id))[1], e.customer_id, e.subscription_id, e.meter_id,
       date_trunc('hour', e.occurred_at, 'UTC'), count(*), sum(e.quantity), min(e.quantity), max(e.quantity),
       (array_agg(e.quantity order by e.occurred_at desc, e.id desc))[1], max(e.occurred_at),
       (array_agg(e.id order by e.occurred_at desc, e.id desc))[1], max(e.recorded_at)
from usage_events e
group by e.organization_id, e.customer_id, e.subscription_id, e.meter_id, date_trunc('hour', e.occurred_at, 'UTC')
"""

VALUES_OF_BEFORE = """
insert into usage_hour_values (organization_id, hour_id, digest)
select distinct h.organization_id, h.id, sha256(convert_to(e.properties ->> m.property, 'UTF8'))
from usage_hours h
join meters m on m.organization_id = h.organization_id and m.id = h.meter_id and m.aggregation = 'UNIQUE'
join usage_events e on e.organization_id = h.organization_id and e.customer_id = h.customer_id
  and e.subscription_id is not distinct from h.subscription_id and e.meter_id = h.meter_id
  and date_trunc('hour', e.occurred_at, 'UTC') = h.hour
where e.properties ->> m.property is not null
"""

IDENTITIES_OF_BEFORE = """
insert into usage_identities (organization_id, source, event_id, id, occurred_at)
select organization_id, source, event_id, id, occurred_at from usage_events
union all
select organization_id, source, event_id, id, occurred_at from unmatched_usage_events
on conflict do nothing
"""


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("usage_events", sa.Column("matched_at", sa.DateTime(timezone=True), nullable=True))
    make_identities()
    make_hours()
    make_corrections()
    fill()
    op.drop_constraint("usage_events_organization_id_source_event_id_key", "usage_events")
    op.create_index(
        "usage_events_uncarried_idx",
        "usage_events",
        ["organization_id", "customer_id", "meter_id", "occurred_at"],
        postgresql_where=sa.text("subscription_id is null"),
    )
    op.create_index(
        op.f("unmatched_usage_events_organization_id_recorded_at_id_idx"),
        "unmatched_usage_events",
        ["organization_id", "recorded_at", "id"],
    )
    for table in ("usage_hours", "usage_hour_values", "usage_corrections"):
        run(wall.wall(table))
    run([KEEP_USAGE, *wall.only_app_executes("keep_usage()")])
    run(wall.wall("usage_identities", partitioned=True))
    run(wall.append_only("usage_identities", partitioned=True, by="keep_usage"))
    run(wall.not_append_only("usage_events", partitioned=True))
    run(wall.append_only("usage_events", partitioned=True, by="keep_usage"))
    run(wall.append_only("usage_corrections"))
    run(wall.app_may("usage_identities", "select", "insert"))
    run(wall.app_may("usage_hours", "select", "insert", update=MOVING))
    run(wall.app_may("usage_hour_values", "select", "insert", "delete"))
    run(wall.app_may("usage_corrections", "select", "insert"))
    for table in ("usage_events", "usage_identities"):
        run(wall.worker_may_purge(table))


MOVING = ("events", "total", "least", "greatest", "latest", "latest_at", "latest_id", "changed_at", "purged_at")
"""What changes of an hour as events come in, are corrected, and are let go."""


def make_identities() -> None:
    """What makes an event the same event, whether it is counted or waits."""
    op.create_table(
        "usage_identities",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("usage_identities_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "source", "event_id", name=op.f("usage_identities_pkey")),
        postgresql_partition_by="hash (organization_id)",
    )
    op.create_index(
        op.f("usage_identities_organization_id_occurred_at_idx"),
        "usage_identities",
        ["organization_id", "occurred_at"],
    )
    run(wall.partition_by_organization("usage_identities"))


def make_hours() -> None:
    """What the events of an hour come to, and the distinct values of those that are counted by value."""
    op.create_table(
        "usage_hours",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.Numeric(), nullable=False),
        sa.Column("least", sa.Numeric(), nullable=True),
        sa.Column("greatest", sa.Numeric(), nullable=True),
        sa.Column("latest", sa.Numeric(), nullable=True),
        sa.Column("latest_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("latest_id", sa.Uuid(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("purged_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("hour = date_trunc('hour', hour, 'UTC')", name=op.f("usage_hours_hour_check")),
        sa.CheckConstraint("events >= 0", name=op.f("usage_hours_events_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "customer_id"],
            ["customers.organization_id", "customers.id"],
            name=op.f("usage_hours_organization_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "subscription_id"],
            ["subscriptions.organization_id", "subscriptions.id"],
            name=op.f("usage_hours_organization_id_subscription_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "meter_id"],
            ["meters.organization_id", "meters.id"],
            name=op.f("usage_hours_organization_id_meter_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("usage_hours_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "customer_id",
            "subscription_id",
            "meter_id",
            "hour",
            name="usage_hours_key",
            postgresql_nulls_not_distinct=True,
        ),
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        op.f("usage_hours_organization_id_meter_id_hour_idx"), "usage_hours", ["organization_id", "meter_id", "hour"]
    )
    op.create_index(op.f("usage_hours_organization_id_hour_idx"), "usage_hours", ["organization_id", "hour"])
    op.create_table(
        "usage_hour_values",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("hour_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("usage_hour_values_digest_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "hour_id"],
            ["usage_hours.organization_id", "usage_hours.id"],
            name=op.f("usage_hour_values_organization_id_hour_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "hour_id", "digest", name=op.f("usage_hour_values_pkey")),
    )


def make_corrections() -> None:
    """What is to be counted in place of an event's own quantity."""
    op.create_table(
        "usage_corrections",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("usage_event_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("usage_corrections_quantity_check")),
        sa.CheckConstraint("sequence >= 1", name=op.f("usage_corrections_sequence_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("usage_corrections_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("usage_corrections_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "usage_event_id",
            "sequence",
            name=op.f("usage_corrections_organization_id_usage_event_id_sequence_key"),
        ),
    )


def fill() -> None:
    """Count what was recorded before."""
    walled = ("usage_events", "unmatched_usage_events", "meters")
    run([f"alter table {table} no force row level security" for table in walled])
    run([IDENTITIES_OF_BEFORE, HOURS_OF_BEFORE, VALUES_OF_BEFORE])
    run([f"alter table {table} force row level security" for table in walled])


def downgrade() -> None:
    """Go back to the one before; refused by PostgreSQL where an event was purged and came again."""
    run(["revoke delete on usage_events from tallygate_worker"])
    run(wall.not_append_only("usage_events", partitioned=True))
    run(wall.append_only("usage_events", partitioned=True))
    op.drop_index(
        op.f("unmatched_usage_events_organization_id_recorded_at_id_idx"), table_name="unmatched_usage_events"
    )
    op.drop_index("usage_events_uncarried_idx", table_name="usage_events")
    op.create_unique_constraint(
        "usage_events_organization_id_source_event_id_key", "usage_events", ["organization_id", "source", "event_id"]
    )
    for table in ("usage_corrections", "usage_hour_values", "usage_hours", "usage_identities"):
        op.drop_table(table)
    op.execute("drop function keep_usage()")
    op.drop_column("usage_events", "matched_at")


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
