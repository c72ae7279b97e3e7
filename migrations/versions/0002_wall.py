"""The wall between tenants: partitions, row security, grants, and what the database refuses by itself."""

from alembic import op

from app.store import row_security as wall

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

PARTITIONED = ("usage_events", "ledger_entries")
APPEND_ONLY = ("usage_events", "ledger_entries", "ledger_transactions", "audit_records")

# What the app may do to each table: rights on it, and the columns that it may change.
GRANTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "organizations": (
        ("select", "insert"),
        (
            "legal_name",
            "doing_business_as",
            "legal_document",
            "address",
            "test_clock",
            "time_zone",
            "metadata",
            "updated_at",
        ),
    ),
    "api_keys": (("select", "insert"), ("last_used_at", "expires_at", "revoked_at")),
    "audit_records": (("select", "insert"), ()),
    "customers": (("select", "insert"), ("name", "email", "external_id", "address", "metadata", "updated_at")),
    "meters": (("select", "insert"), ()),
    "plans": (("select", "insert"), ("status",)),
    "plan_features": (("select", "insert"), ()),
    "subscriptions": (
        ("select", "insert"),
        (
            "status",
            "quantity",
            "cancel_requested_at",
            "cancel_at",
            "cancel_reason",
            "ended_at",
            "metadata",
            "version",
            "updated_at",
        ),
    ),
    "usage_events": (("select", "insert"), ()),
    "unmatched_usage_events": (("select", "insert", "delete"), ()),
    "invoices": (
        ("select", "insert", "delete"),
        (
            "number",
            "status",
            "payment_state",
            "subtotal_minor",
            "discount_minor",
            "tax_minor",
            "total_minor",
            "amount_paid_minor",
            "due_at",
            "finalized_at",
            "paid_at",
            "voided_at",
            "notes",
            "metadata",
            "version",
            "updated_at",
        ),
    ),
    "invoice_line_items": (("select", "insert", "delete"), ()),
    "invoice_numbers": (("select", "insert"), ("last_value",)),
    "ledgers": (("select", "insert"), ("last_sequence", "head")),
    "accounts": (("select", "insert"), ("balance_minor", "entry_count", "last_posted_at")),
    "ledger_transactions": (("select", "insert"), ()),
    "ledger_entries": (("select", "insert"), ()),
}

FIND_API_KEYS = """
language sql stable security definer set search_path = public, pg_temp as $$
  select k.organization_id, k.id, k.name, k.role, k.secret_hash, o.status
  from api_keys k join organizations o using (organization_id)
  where k.prefix = wanted_prefix
    and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())
$$
"""

ORGANIZATIONS_UNDER = """
language sql stable security definer set search_path = public, pg_temp as $$
  with recursive tree (organization_id, depth) as (
    select o.organization_id, 0 from organizations o where o.organization_id = root
    union all
    select o.organization_id, t.depth + 1
    from tree t join organizations o on o.parent_id = t.organization_id
    where t.depth < 8
  )
  select o.* from tree t join organizations o using (organization_id)
$$
"""

ORGANIZATION_DEPTH = """
language sql stable security definer set search_path = public, pg_temp as $$
  with recursive line (organization_id, parent_id, depth) as (
    select o.organization_id, o.parent_id, 1 from organizations o where o.organization_id = wanted
    union all
    select o.organization_id, o.parent_id, l.depth + 1
    from line l join organizations o on o.organization_id = l.parent_id
    where l.depth < 64
  )
  select coalesce(max(depth), 0) from line
$$
"""

INVOICE_LOCK = """
create function keep_finalized_invoice() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if old.status = 'DRAFT' then
    return case tg_op when 'DELETE' then old else new end;
  end if;
  if tg_op = 'DELETE' then
    raise exception 'an invoice that is not a draft is never deleted' using errcode = 'restrict_violation';
  end if;
  if (old.number, old.customer_id, old.subscription_id, old.reason, old.period_start, old.period_end, old.currency,
      old.subtotal_minor, old.discount_minor, old.tax_minor, old.total_minor, old.finalized_at, old.due_at)
     is distinct from
     (new.number, new.customer_id, new.subscription_id, new.reason, new.period_start, new.period_end, new.currency,
      new.subtotal_minor, new.discount_minor, new.tax_minor, new.total_minor, new.finalized_at, new.due_at)
     or new.status = 'DRAFT' or (old.status in ('PAID', 'VOID') and new.status <> old.status) then
    raise exception 'a finalized invoice is locked' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$
"""

LINE_LOCK = """
create function keep_finalized_lines() returns trigger
language plpgsql set search_path = public, pg_temp as $$
begin
  if tg_op <> 'INSERT' and not exists (
    select from invoices i
    where i.organization_id = old.organization_id and i.id = old.invoice_id and i.status = 'DRAFT'
  ) or tg_op <> 'DELETE' and not exists (
    select from invoices i
    where i.organization_id = new.organization_id and i.id = new.invoice_id and i.status = 'DRAFT'
  ) then
    raise exception 'the lines of a finalized invoice are locked' using errcode = 'restrict_violation';
  end if;
  return case tg_op when 'DELETE' then old else new end;
end
$$
"""
"""An update may not move a line from a finalized invoice either: both its old and its new invoice are drafts."""

BALANCED = """
create function refuse_unbalanced() returns trigger
language plpgsql set search_path = public, pg_temp as $$
declare
  wanted uuid := case tg_table_name when 'ledger_transactions' then new.id
                 else (to_jsonb(new)->>'transaction_id')::uuid end;
  postings bigint;
  unbalanced bigint;
begin
  select count(*), count(*) filter (where difference <> 0)
  into postings, unbalanced
  from (
    select sum(e.debit_minor - e.credit_minor) over (partition by e.currency) as difference
    from ledger_entries e
    where e.organization_id = new.organization_id and e.transaction_id = wanted
  ) as sides;
  if postings < 2 or unbalanced > 0 then
    raise exception 'a ledger transaction needs two postings or more that sum to zero in each currency'
      using errcode = 'check_violation';
  end if;
  return null;
end
$$
"""


def upgrade() -> None:
    """Go to this revision."""
    for table in PARTITIONED:
        run(wall.partition_by_organization(table))
    run([wall.CURRENT_ORGANIZATION, wall.REFUSE_CHANGE, INVOICE_LOCK, LINE_LOCK, BALANCED])
    for table, (rights, columns) in GRANTS.items():
        run(wall.wall(table, partitioned=table in PARTITIONED))
        run(wall.app_may(table, *rights, update=columns))
    for table in APPEND_ONLY:
        run(wall.append_only(table, partitioned=table in PARTITIONED))
    run(TRIGGERS)
    run(wall.only_app_executes(*FUNCTIONS))
    run(["grant select on alembic_version to tallygate_app"])
    for table in ("organizations", "api_keys"):
        run(wall.directory_sees(table))
    run(
        wall.directory_function(
            "find_api_keys(wanted_prefix text) returns table (organization_id uuid, id uuid, name text, role text,"
            " secret_hash bytea, status text)",
            FIND_API_KEYS,
        )
    )
    run(wall.directory_function("organizations_under(root uuid) returns setof organizations", ORGANIZATIONS_UNDER))
    run(wall.directory_function("organization_depth(wanted uuid) returns integer", ORGANIZATION_DEPTH))


TRIGGERS = [
    "create trigger keep_finalized before update or delete on invoices"
    " for each row execute function keep_finalized_invoice()",
    "create trigger keep_finalized before insert or update or delete on invoice_line_items"
    " for each row execute function keep_finalized_lines()",
    "create constraint trigger balanced after insert on ledger_transactions"
    " deferrable initially deferred for each row execute function refuse_unbalanced()",
    "create constraint trigger balanced after insert on ledger_entries"
    " deferrable initially deferred for each row execute function refuse_unbalanced()",
]

FUNCTIONS = (
    "current_organization()",
    "refuse_change()",
    "keep_finalized_invoice()",
    "keep_finalized_lines()",
    "refuse_unbalanced()",
)


def downgrade() -> None:
    """Go back to the one before."""
    run(wall.drop_directory_functions("organization_depth(uuid)", "organizations_under(uuid)", "find_api_keys(text)"))
    for table in ("organizations", "api_keys"):
        run([f"drop policy directory on {table}"])
    for table in GRANTS:
        run([f"drop policy tenant on {table}", f"alter table {table} no force row level security"])
        run([f"alter table {table} disable row level security", f"revoke all on {table} from tallygate_app"])
    for table in ("organizations", "api_keys"):
        run([f"revoke all on {table} from tallygate_directory"])
    for table in PARTITIONED:
        run([f"drop table {name}" for name in wall.partitions(table)])
    run([f"drop trigger append_only on {table}" for table in APPEND_ONLY])
    run([f"drop trigger never_truncated on {table}" for table in APPEND_ONLY])
    run([f"drop trigger keep_finalized on {table}" for table in ("invoices", "invoice_line_items")])
    run([f"drop trigger balanced on {table}" for table in ("ledger_transactions", "ledger_entries")])
    run([f"drop function {function}" for function in FUNCTIONS])


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
