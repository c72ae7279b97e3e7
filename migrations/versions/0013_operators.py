"""An organization's status, which only the worker's login may change, and the operator's report over descendants."""

from alembic import op

from app.store import row_security as wall

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

REPORTED = {
    "organizations": ("organization_id", "parent_id", "mode"),
    "invoices": ("organization_id", "status", "currency", "total_minor", "amount_paid_minor"),
}
"""What the report's function may read: no name, no number, no customer."""

BILLING_TOTALS_UNDER = """
language sql stable security definer set search_path = public, pg_temp as $$
  with recursive tree (organization_id, depth) as (
    select o.organization_id, 0 from organizations o where o.organization_id = root
    union all
    select o.organization_id, t.depth + 1
    from tree t join organizations o on o.parent_id = t.organization_id
    where t.depth < 8
  )
  select o.mode, i.currency, count(distinct i.organization_id), count(*), sum(i.total_minor),
         sum(i.amount_paid_minor),
         sum(case i.status when 'FINALIZED' then i.total_minor - i.amount_paid_minor else 0 end)
  from tree t join organizations o using (organization_id) join invoices i using (organization_id)
  where i.status in ('FINALIZED', 'PAID')
  group by o.mode, i.currency
  order by o.mode, i.currency
$$
"""


def upgrade() -> None:
    """Go to this revision."""
    run(["grant update (status, updated_at) on organizations to tallygate_worker"])
    run(["grant usage on schema public to tallygate_reporter"])
    for table, columns in REPORTED.items():
        run(wall.reporter_sees(table, *columns))
    run(
        wall.report_function(
            "billing_totals_under(root uuid) returns table (mode text, currency text, organizations bigint,"
            " invoices bigint, invoiced_minor numeric, paid_minor numeric, outstanding_minor numeric)",
            BILLING_TOTALS_UNDER,
        )
    )


def downgrade() -> None:
    """Go back to the one before."""
    run(wall.drop_report_functions("billing_totals_under(uuid)"))
    for table, columns in REPORTED.items():
        run(
            [
                f"drop policy reporter on {table}",
                f"revoke select ({', '.join(columns)}) on {table} from tallygate_reporter",
            ]
        )
    run(["revoke usage on schema public from tallygate_reporter"])
    run(["revoke update (status, updated_at) on organizations from tallygate_worker"])


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
