"""What events refer to is checked for all those of a statement at once, not by a lock for each row and reference."""

from alembic import op

from app.store import row_security as wall

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

REFUSE_STRANGERS = """
create function refuse_strangers() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if exists (
    select from (select distinct organization_id, meter_id, customer_id, subscription_id from added) e
    where not exists (select from meters m where m.organization_id = e.organization_id and m.id = e.meter_id)
      or not exists (select from customers c where c.organization_id = e.organization_id and c.id = e.customer_id)
      or (e.subscription_id is not null and not exists (
            select from subscriptions s where s.organization_id = e.organization_id and s.id = e.subscription_id))
  ) then
    raise exception 'a usage event refers to a record that its organization does not have'
      using errcode = 'foreign_key_violation';
  end if;
  return null;
end
$$
"""
"""What it looks for is never deleted: nobody may, and the event's hour, which is counted with it, has foreign keys."""

REFERENCES = {
    "usage_events": {
        "organization_id": ("organizations", ["organization_id"], ["organization_id"]),
        "organization_id_meter_id": ("meters", ["organization_id", "meter_id"], ["organization_id", "id"]),
        "organization_id_customer_id": ("customers", ["organization_id", "customer_id"], ["organization_id", "id"]),
        "organization_id_subscription_id": (
            "subscriptions",
            ["organization_id", "subscription_id"],
            ["organization_id", "id"],
        ),
    },
    "usage_identities": {"organization_id": ("organizations", ["organization_id"], ["organization_id"])},
}


def upgrade() -> None:
    """Go to this revision."""
    for table, references in REFERENCES.items():
        for name in references:
            op.drop_constraint(f"{table}_{name}_fkey", table)
    for statement in [
        REFUSE_STRANGERS,
        *wall.only_app_executes("refuse_strangers()"),
        "create trigger no_strangers after insert on usage_events referencing new table as added"
        " for each statement execute function refuse_strangers()",
    ]:
        op.execute(statement)


def downgrade() -> None:
    """Go back to the one before."""
    op.execute("drop trigger no_strangers on usage_events")
    op.execute("drop function refuse_strangers()")
    # PostgreSQL looks for every row's references, as the owner.
    parts = [name for table in REFERENCES for name in wall.partitions(table)]
    walled = ("organizations", "meters", "customers", "subscriptions", *REFERENCES, *parts)
    for table in walled:
        op.execute(f"alter table {table} no force row level security")
    for table, references in REFERENCES.items():
        for name, (there, columns, keys) in references.items():
            op.create_foreign_key(f"{table}_{name}_fkey", table, there, columns, keys)
    for table in walled:
        op.execute(f"alter table {table} force row level security")
