"""The billing engine: phases and pauses of subscriptions, trials, and what each invoice accounts for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from app.store import row_security as wall

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

LIVE_PERIOD = sa.text("status <> 'VOID' and reason in ('PERIOD', 'CANCELLATION')")

CHANGING = (
    "plan_id",
    "billing_anchor",
    "paused_at",
    "resumes_at",
    "past_due_at",
    "billed_until",
    "due_at",
)
"""The columns of a subscription that the app may change from here on, beside those that it could."""

PHASES_OF_BEFORE = """
insert into subscription_phases
  (organization_id, subscription_id, number, starts_at, fee_from, plan_id, quantity, billing_anchor)
select organization_id, id, 1, started_at, started_at, plan_id, quantity, billing_anchor from subscriptions
"""

BILLED_BEFORE = """
update subscriptions s set billed_until = coalesce(
  (select max(i.period_end) from invoices i
   where i.organization_id = s.organization_id and i.subscription_id = s.id and i.status <> 'VOID'
     and i.reason in ('PERIOD', 'CANCELLATION')),
  s.started_at - interval '1 microsecond'
)
"""

DUE_FROM_NOW = "update subscriptions set due_at = billed_until"
"""The billing run looks at each once and finds the next boundary by itself."""

COVERED_BEFORE = """
update invoices i set covers = jsonb_build_object(
  'usage', jsonb_build_array(jsonb_build_array(i.period_start, i.period_end)),
  'fees', coalesce((
    select jsonb_agg(jsonb_build_object(
      'plan', l.plan_id, 'quantity', l.quantity::integer, 'anchor', s.billing_anchor, 'start', i.period_start,
      'end', i.period_end, 'wholeStart', i.period_start, 'wholeEnd', i.period_end, 'times', 1))
    from invoice_line_items l
    where l.organization_id = i.organization_id and l.invoice_id = i.id and l.kind = 'BASE_FEE'
  ), '[]'::jsonb)
)
from subscriptions s
where s.organization_id = i.organization_id and s.id = i.subscription_id
"""


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("plans", sa.Column("trial_days", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("plans", "trial_days", server_default=None)
    checked("plans", "trial_days", "trial_days between 0 and 730")
    checked("plans", "timing", "timing in ('IN_ADVANCE', 'IN_ARREARS')", instead=True)
    statuses = "'TRIALING', 'ACTIVE', 'PAST_DUE', 'PAUSED', 'CANCELED'"
    checked("subscriptions", "status", f"status in ({statuses})", instead=True)
    for name in ("trial_end", "paused_at", "resumes_at", "past_due_at", "billed_until", "due_at"):
        op.add_column("subscriptions", sa.Column(name, sa.DateTime(timezone=True), nullable=True))
    checked("subscriptions", "trial_end", "trial_end > started_at")
    checked("subscriptions", "resumes_at", "paused_at is not null or resumes_at is null")
    op.add_column("invoices", sa.Column("covers", postgresql.JSONB(), nullable=True))
    make_phases()
    make_pauses()
    fill()
    op.alter_column("subscriptions", "billed_until", nullable=False)
    op.create_index(
        op.f("subscriptions_organization_id_due_at_idx"),
        "subscriptions",
        ["organization_id", "due_at"],
        postgresql_where=sa.text("due_at is not null"),
    )
    op.drop_index("invoices_live_period_key", table_name="invoices")
    make_live_period_key("reason", "period_start")
    op.create_index(
        op.f("invoices_organization_id_subscription_id_period_end_idx"),
        "invoices",
        ["organization_id", "subscription_id", "period_end"],
    )
    for table in ("subscription_phases", "subscription_pauses"):
        run([*wall.wall(table), *wall.app_may(table, "select", "insert", update=("ends_at",))])
    run([*wall.app_may("subscriptions", update=CHANGING), *wall.app_may("invoices", update=("covers",))])


def make_phases() -> None:
    """The plans that a subscription was and is on."""
    op.create_table(
        "subscription_phases",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fee_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("billing_anchor", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity between 1 and 1000000", name=op.f("subscription_phases_quantity_check")),
        sa.CheckConstraint("starts_at <= ends_at", name=op.f("subscription_phases_ends_at_check")),
        sa.CheckConstraint("starts_at <= fee_from", name=op.f("subscription_phases_fee_from_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "plan_id"],
            ["plans.organization_id", "plans.id"],
            name=op.f("subscription_phases_organization_id_plan_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "subscription_id"],
            ["subscriptions.organization_id", "subscriptions.id"],
            name=op.f("subscription_phases_organization_id_subscription_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "subscription_id", "number", name=op.f("subscription_phases_pkey")),
    )
    op.create_index(
        op.f("subscription_phases_organization_id_plan_id_idx"), "subscription_phases", ["organization_id", "plan_id"]
    )


def make_pauses() -> None:
    """The spans without base fee."""
    op.create_table(
        "subscription_pauses",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("starts_at <= ends_at", name=op.f("subscription_pauses_ends_at_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "subscription_id"],
            ["subscriptions.organization_id", "subscriptions.id"],
            name=op.f("subscription_pauses_organization_id_subscription_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "subscription_id", "number", name=op.f("subscription_pauses_pkey")),
    )


def fill() -> None:
    """Give what was there before its phases, its billing's place, and what its invoices account for."""
    walled = ("subscriptions", "invoices", "invoice_line_items")
    run([f"alter table {table} no force row level security" for table in walled])
    run([PHASES_OF_BEFORE, COVERED_BEFORE, BILLED_BEFORE, DUE_FROM_NOW])
    run([f"alter table {table} force row level security" for table in walled])


def make_live_period_key(*columns: str) -> None:
    """One live invoice for a subscription's period."""
    op.create_index(
        "invoices_live_period_key",
        "invoices",
        ["organization_id", "subscription_id", *columns],
        unique=True,
        postgresql_where=LIVE_PERIOD,
    )


def checked(table: str, name: str, condition: str, *, instead: bool = False) -> None:
    """Add a check; `instead` of the one of that name."""
    constraint = op.f(f"{table}_{name}_check")
    if instead:
        op.drop_constraint(constraint, table)
    op.create_check_constraint(constraint, table, condition)


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_index(op.f("invoices_organization_id_subscription_id_period_end_idx"), table_name="invoices")
    op.drop_index("invoices_live_period_key", table_name="invoices")
    make_live_period_key("period_start")
    op.drop_index(op.f("subscriptions_organization_id_due_at_idx"), table_name="subscriptions")
    op.drop_table("subscription_pauses")
    op.drop_table("subscription_phases")
    op.drop_column("invoices", "covers")
    for name in ("trial_end", "paused_at", "resumes_at", "past_due_at", "billed_until", "due_at"):
        op.drop_column("subscriptions", name)
    run(["revoke update (plan_id, billing_anchor) on subscriptions from tallygate_app"])
    checked("subscriptions", "status", "status in ('ACTIVE', 'CANCELED')", instead=True)
    checked("plans", "timing", "timing in ('IN_ARREARS')", instead=True)
    op.drop_column("plans", "trial_days")


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
