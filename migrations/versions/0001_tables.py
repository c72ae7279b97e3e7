"""The tables, as their models say them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "organizations",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("legal_name", sa.Text(), nullable=False),
        sa.Column("doing_business_as", sa.Text(), nullable=True),
        sa.Column("legal_document", sa.Text(), nullable=True),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("test_clock", sa.DateTime(timezone=True), nullable=True),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("default_currency", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(mode = 'TEST') = (test_clock is not null)", name=op.f("organizations_test_clock_check")),
        sa.CheckConstraint("mode in ('LIVE', 'TEST')", name=op.f("organizations_mode_check")),
        sa.CheckConstraint("status in ('ACTIVE', 'SUSPENDED', 'ARCHIVED')", name=op.f("organizations_status_check")),
        sa.CheckConstraint("parent_id <> organization_id", name=op.f("organizations_parent_id_check")),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["organizations.organization_id"], name=op.f("organizations_parent_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("organizations_pkey")),
    )
    op.create_index(op.f("organizations_parent_id_idx"), "organizations", ["parent_id"], unique=False)
    op.create_table(
        "api_keys",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name=op.f("api_keys_secret_hash_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("api_keys_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("api_keys_pkey")),
    )
    op.create_index(op.f("api_keys_prefix_idx"), "api_keys", ["prefix"], unique=False)
    op.create_table(
        "audit_records",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=True),
        sa.Column("principal_kind", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("outcome in ('ALLOWED', 'DENIED', 'FAILED')", name=op.f("audit_records_outcome_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("audit_records_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("audit_records_pkey")),
    )
    op.create_index(
        op.f("audit_records_organization_id_created_at_id_idx"),
        "audit_records",
        ["organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("audit_records_organization_id_record_id_idx"),
        "audit_records",
        ["organization_id", "record_id"],
        unique=False,
    )
    op.create_table(
        "customers",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("address", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("customers_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("customers_pkey")),
        sa.UniqueConstraint("organization_id", "external_id", name=op.f("customers_organization_id_external_id_key")),
    )
    op.create_index(
        "customers_default_key", "customers", ["organization_id"], unique=True, postgresql_where=sa.text("is_default")
    )
    op.create_index(
        op.f("customers_organization_id_created_at_id_idx"),
        "customers",
        ["organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "invoice_numbers",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_value", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("last_value >= 1", name=op.f("invoice_numbers_last_value_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("invoice_numbers_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "year", name=op.f("invoice_numbers_pkey")),
    )
    op.create_table(
        "ledgers",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status in ('ACTIVE', 'CLOSED')", name=op.f("ledgers_status_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("ledgers_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("ledgers_pkey")),
        sa.UniqueConstraint("organization_id", "name", name=op.f("ledgers_organization_id_name_key")),
    )
    op.create_table(
        "meters",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=True),
        sa.Column("aggregation", sa.Text(), nullable=False),
        sa.Column("property", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(aggregation = 'UNIQUE') = (property is not null)", name=op.f("meters_property_check")),
        sa.CheckConstraint(
            "aggregation in ('COUNT', 'SUM', 'MAX', 'MIN', 'AVG', 'UNIQUE', 'LATEST')",
            name=op.f("meters_aggregation_check"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("meters_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("meters_pkey")),
        sa.UniqueConstraint("organization_id", "key", name=op.f("meters_organization_id_key_key")),
    )
    op.create_table(
        "plans",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("base_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("interval", sa.Text(), nullable=False),
        sa.Column("interval_count", sa.Integer(), nullable=False),
        sa.Column("timing", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("interval in ('DAY', 'WEEK', 'MONTH', 'YEAR')", name=op.f("plans_interval_check")),
        sa.CheckConstraint("status in ('DRAFT', 'ACTIVE', 'ARCHIVED')", name=op.f("plans_status_check")),
        sa.CheckConstraint("timing in ('IN_ARREARS')", name=op.f("plans_timing_check")),
        sa.CheckConstraint(
            "base_price_minor between -9007199254740991 and 9007199254740991", name=op.f("plans_base_price_minor_check")
        ),
        sa.CheckConstraint("interval_count between 1 and 1000", name=op.f("plans_interval_count_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("plans_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("plans_pkey")),
        sa.UniqueConstraint("organization_id", "key", "version", name=op.f("plans_organization_id_key_version_key")),
    )
    op.create_table(
        "unmatched_usage_events",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("meter_key", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("external_customer_id", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("properties", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("unmatched_usage_events_quantity_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.organization_id"],
            name=op.f("unmatched_usage_events_organization_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("unmatched_usage_events_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "source",
            "event_id",
            name=op.f("unmatched_usage_events_organization_id_source_event_id_key"),
        ),
    )
    op.create_index(
        op.f("unmatched_usage_events_organization_id_external_customer_id_idx"),
        "unmatched_usage_events",
        ["organization_id", "external_customer_id"],
        unique=False,
    )
    op.create_index(
        op.f("unmatched_usage_events_organization_id_meter_key_idx"),
        "unmatched_usage_events",
        ["organization_id", "meter_key"],
        unique=False,
    )
    op.create_table(
        "accounts",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("balance_minor", sa.BigInteger(), nullable=True),
        sa.Column("entry_count", sa.BigInteger(), nullable=True),
        sa.Column("last_posted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(code = 'RECEIVABLE') = (balance_minor is not null and entry_count is not null)",
            name=op.f("accounts_balance_check"),
        ),
        sa.CheckConstraint(
            "(code = 'RECEIVABLE') = (customer_id is not null)", name=op.f("accounts_customer_id_check")
        ),
        sa.CheckConstraint(
            "code in ('RECEIVABLE', 'REVENUE', 'CASH', 'ADJUSTMENTS')", name=op.f("accounts_code_check")
        ),
        sa.CheckConstraint(
            "balance_minor between -9007199254740991 and 9007199254740991", name=op.f("accounts_balance_minor_check")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "customer_id"],
            ["customers.organization_id", "customers.id"],
            name=op.f("accounts_organization_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "ledger_id"],
            ["ledgers.organization_id", "ledgers.id"],
            name=op.f("accounts_organization_id_ledger_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "ledger_id",
            "code",
            "currency",
            "customer_id",
            name="accounts_identity_key",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(
        op.f("accounts_organization_id_customer_id_idx"), "accounts", ["organization_id", "customer_id"], unique=False
    )
    op.create_table(
        "ledger_transactions",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ledger_id", sa.Uuid(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "ledger_id"],
            ["ledgers.organization_id", "ledgers.id"],
            name=op.f("ledger_transactions_organization_id_ledger_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("ledger_transactions_pkey")),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ledger_transactions_hash_check")),
        sa.UniqueConstraint(
            "organization_id",
            "ledger_id",
            "sequence",
            name=op.f("ledger_transactions_organization_id_ledger_id_sequence_key"),
        ),
        sa.UniqueConstraint("organization_id", "cause", name=op.f("ledger_transactions_organization_id_cause_key")),
    )
    op.create_index(
        op.f("ledger_transactions_organization_id_ledger_id_created_at_idx"),
        "ledger_transactions",
        ["organization_id", "ledger_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "plan_features",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("enforcement", sa.Text(), nullable=True),
        sa.Column("meter_id", sa.Uuid(), nullable=True),
        sa.Column("included", sa.Numeric(), nullable=True),
        sa.Column("price", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("enforcement in ('HARD', 'SOFT')", name=op.f("plan_features_enforcement_check")),
        sa.CheckConstraint("type in ('BOOLEAN', 'QUOTA', 'METERED')", name=op.f("plan_features_type_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "meter_id"],
            ["meters.organization_id", "meters.id"],
            name=op.f("plan_features_organization_id_meter_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "plan_id"],
            ["plans.organization_id", "plans.id"],
            name=op.f("plan_features_organization_id_plan_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "plan_id", "position", name=op.f("plan_features_pkey")),
        sa.UniqueConstraint(
            "organization_id", "plan_id", "key", name=op.f("plan_features_organization_id_plan_id_key_key")
        ),
    )
    op.create_table(
        "subscriptions",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("billing_anchor", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status in ('ACTIVE', 'CANCELED')", name=op.f("subscriptions_status_check")),
        sa.CheckConstraint("cancel_at >= started_at", name=op.f("subscriptions_cancel_at_check")),
        sa.CheckConstraint("quantity between 1 and 1000000", name=op.f("subscriptions_quantity_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "customer_id"],
            ["customers.organization_id", "customers.id"],
            name=op.f("subscriptions_organization_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "plan_id"],
            ["plans.organization_id", "plans.id"],
            name=op.f("subscriptions_organization_id_plan_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("subscriptions_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("subscriptions_pkey")),
    )
    op.create_index(
        op.f("subscriptions_organization_id_created_at_id_idx"),
        "subscriptions",
        ["organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("subscriptions_organization_id_customer_id_created_at_id_idx"),
        "subscriptions",
        ["organization_id", "customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "invoices",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payment_state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("subtotal_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("amount_paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finalized_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("voided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "payment_state in ('UNPAID', 'PARTIALLY_PAID', 'PAID', 'REFUNDED', 'DISPUTED', 'UNCOLLECTIBLE')",
            name=op.f("invoices_payment_state_check"),
        ),
        sa.CheckConstraint(
            "reason in ('PERIOD', 'PLAN_CHANGE', 'CANCELLATION', 'MANUAL', 'ADJUSTMENT')",
            name=op.f("invoices_reason_check"),
        ),
        sa.CheckConstraint("status in ('DRAFT', 'FINALIZED', 'PAID', 'VOID')", name=op.f("invoices_status_check")),
        sa.CheckConstraint(
            "status not in ('FINALIZED', 'PAID') or number is not null", name=op.f("invoices_numbered_check")
        ),
        sa.CheckConstraint("(number is null) = (finalized_at is null)", name=op.f("invoices_number_check")),
        sa.CheckConstraint(
            "amount_paid_minor between -9007199254740991 and 9007199254740991",
            name=op.f("invoices_amount_paid_minor_check"),
        ),
        sa.CheckConstraint(
            "discount_minor between -9007199254740991 and 9007199254740991", name=op.f("invoices_discount_minor_check")
        ),
        sa.CheckConstraint("period_start <= period_end", name=op.f("invoices_period_check")),
        sa.CheckConstraint(
            "subtotal_minor between -9007199254740991 and 9007199254740991", name=op.f("invoices_subtotal_minor_check")
        ),
        sa.CheckConstraint(
            "tax_minor between -9007199254740991 and 9007199254740991", name=op.f("invoices_tax_minor_check")
        ),
        sa.CheckConstraint(
            "total_minor between -9007199254740991 and 9007199254740991", name=op.f("invoices_total_minor_check")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "customer_id"],
            ["customers.organization_id", "customers.id"],
            name=op.f("invoices_organization_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "subscription_id"],
            ["subscriptions.organization_id", "subscriptions.id"],
            name=op.f("invoices_organization_id_subscription_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("invoices_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("invoices_pkey")),
        sa.UniqueConstraint("organization_id", "number", name=op.f("invoices_organization_id_number_key")),
    )
    op.create_index(
        "invoices_live_period_key",
        "invoices",
        ["organization_id", "subscription_id", "period_start"],
        unique=True,
        postgresql_where=sa.text("status <> 'VOID' and reason in ('PERIOD', 'CANCELLATION')"),
    )
    op.create_index(
        op.f("invoices_organization_id_created_at_id_idx"),
        "invoices",
        ["organization_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("invoices_organization_id_customer_id_created_at_id_idx"),
        "invoices",
        ["organization_id", "customer_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("invoices_organization_id_subscription_id_created_at_id_idx"),
        "invoices",
        ["organization_id", "subscription_id", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "usage_events",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("meter_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("subscription_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("properties", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity >= 0", name=op.f("usage_events_quantity_check")),
        sa.ForeignKeyConstraint(
            ["organization_id", "customer_id"],
            ["customers.organization_id", "customers.id"],
            name=op.f("usage_events_organization_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "meter_id"],
            ["meters.organization_id", "meters.id"],
            name=op.f("usage_events_organization_id_meter_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "subscription_id"],
            ["subscriptions.organization_id", "subscriptions.id"],
            name=op.f("usage_events_organization_id_subscription_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("usage_events_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("usage_events_pkey")),
        sa.UniqueConstraint(
            "organization_id", "source", "event_id", name=op.f("usage_events_organization_id_source_event_id_key")
        ),
        postgresql_partition_by="hash (organization_id)",
    )
    op.create_index(
        op.f("usage_events_organization_id_customer_id_meter_id_occurred_at_idx"),
        "usage_events",
        ["organization_id", "customer_id", "meter_id", "occurred_at"],
        unique=False,
    )
    op.create_index(
        op.f("usage_events_organization_id_meter_id_occurred_at_idx"),
        "usage_events",
        ["organization_id", "meter_id", "occurred_at"],
        unique=False,
    )
    op.create_index(
        op.f("usage_events_organization_id_occurred_at_id_idx"),
        "usage_events",
        ["organization_id", "occurred_at", "id"],
        unique=False,
    )
    op.create_index(
        op.f("usage_events_organization_id_subscription_id_meter_id_occurred_at_idx"),
        "usage_events",
        ["organization_id", "subscription_id", "meter_id", "occurred_at"],
        unique=False,
    )
    op.create_table(
        "invoice_line_items",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("feature_key", sa.Text(), nullable=True),
        sa.Column("quantity", sa.Numeric(), nullable=False),
        sa.Column("unit_price", sa.Numeric(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sort_order", sa.Integer(), nullable=False),
        sa.Column("plan_id", sa.Uuid(), nullable=True),
        sa.Column("explanation", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "kind in ('BASE_FEE', 'USAGE', 'PRORATION', 'ADJUSTMENT', 'DISCOUNT', 'MANUAL')",
            name=op.f("invoice_line_items_kind_check"),
        ),
        sa.CheckConstraint(
            "amount_minor between -9007199254740991 and 9007199254740991",
            name=op.f("invoice_line_items_amount_minor_check"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id"],
            ["invoices.organization_id", "invoices.id"],
            name=op.f("invoice_line_items_organization_id_invoice_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("invoice_line_items_pkey")),
        sa.UniqueConstraint(
            "organization_id",
            "invoice_id",
            "sort_order",
            name=op.f("invoice_line_items_organization_id_invoice_id_sort_order_key"),
        ),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("transaction_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("debit_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("running_balance_minor", sa.BigInteger(), nullable=True),
        sa.Column("external_reference", sa.Text(), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "type in ('CHARGE', 'PAYMENT', 'CREDIT', 'REFUND', 'ADJUSTMENT')", name=op.f("ledger_entries_type_check")
        ),
        sa.CheckConstraint(
            "(customer_id is null) = (running_balance_minor is null and sequence is null)",
            name=op.f("ledger_entries_running_balance_check"),
        ),
        sa.CheckConstraint("(debit_minor = 0) <> (credit_minor = 0)", name=op.f("ledger_entries_one_side_check")),
        sa.CheckConstraint(
            "credit_minor between -9007199254740991 and 9007199254740991",
            name=op.f("ledger_entries_credit_minor_check"),
        ),
        sa.CheckConstraint("debit_minor >= 0 and credit_minor >= 0", name=op.f("ledger_entries_sides_check")),
        sa.CheckConstraint(
            "debit_minor between -9007199254740991 and 9007199254740991", name=op.f("ledger_entries_debit_minor_check")
        ),
        sa.CheckConstraint(
            "running_balance_minor between -9007199254740991 and 9007199254740991",
            name=op.f("ledger_entries_running_balance_minor_check"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "account_id"],
            ["accounts.organization_id", "accounts.id"],
            name=op.f("ledger_entries_organization_id_account_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "customer_id"],
            ["customers.organization_id", "customers.id"],
            name=op.f("ledger_entries_organization_id_customer_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "invoice_id"],
            ["invoices.organization_id", "invoices.id"],
            name=op.f("ledger_entries_organization_id_invoice_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "transaction_id"],
            ["ledger_transactions.organization_id", "ledger_transactions.id"],
            name=op.f("ledger_entries_organization_id_transaction_id_fkey"),
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("ledger_entries_pkey")),
        postgresql_partition_by="hash (organization_id)",
    )
    op.create_index(
        "ledger_entries_customer_idx",
        "ledger_entries",
        ["organization_id", "customer_id", "created_at", "sequence", "id"],
        unique=False,
        postgresql_where=sa.text("customer_id is not null"),
    )
    op.create_index(
        "ledger_entries_invoice_idx",
        "ledger_entries",
        ["organization_id", "invoice_id", "created_at", "sequence", "id"],
        unique=False,
        postgresql_where=sa.text("customer_id is not null"),
    )
    op.create_index(
        op.f("ledger_entries_organization_id_account_id_effective_at_idx"),
        "ledger_entries",
        ["organization_id", "account_id", "effective_at"],
        unique=False,
    )
    op.create_index(
        op.f("ledger_entries_organization_id_transaction_id_idx"),
        "ledger_entries",
        ["organization_id", "transaction_id"],
        unique=False,
    )
    op.create_index(
        "ledger_entries_statement_idx",
        "ledger_entries",
        ["organization_id", "created_at", "sequence", "id"],
        unique=False,
        postgresql_where=sa.text("customer_id is not null"),
    )


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_index(
        "ledger_entries_statement_idx", table_name="ledger_entries", postgresql_where=sa.text("customer_id is not null")
    )
    op.drop_index(op.f("ledger_entries_organization_id_transaction_id_idx"), table_name="ledger_entries")
    op.drop_index(op.f("ledger_entries_organization_id_account_id_effective_at_idx"), table_name="ledger_entries")
    op.drop_index(
        "ledger_entries_invoice_idx", table_name="ledger_entries", postgresql_where=sa.text("customer_id is not null")
    )
    op.drop_index(
        "ledger_entries_customer_idx", table_name="ledger_entries", postgresql_where=sa.text("customer_id is not null")
    )
    op.drop_table("ledger_entries")
    op.drop_table("invoice_line_items")
    op.drop_index(
        op.f("usage_events_organization_id_subscription_id_meter_id_occurred_at_idx"), table_name="usage_events"
    )
    op.drop_index(op.f("usage_events_organization_id_occurred_at_id_idx"), table_name="usage_events")
    op.drop_index(op.f("usage_events_organization_id_meter_id_occurred_at_idx"), table_name="usage_events")
    op.drop_index(op.f("usage_events_organization_id_customer_id_meter_id_occurred_at_idx"), table_name="usage_events")
    op.drop_table("usage_events")
    op.drop_index(op.f("invoices_organization_id_subscription_id_created_at_id_idx"), table_name="invoices")
    op.drop_index(op.f("invoices_organization_id_customer_id_created_at_id_idx"), table_name="invoices")
    op.drop_index(op.f("invoices_organization_id_created_at_id_idx"), table_name="invoices")
    op.drop_index(
        "invoices_live_period_key",
        table_name="invoices",
        postgresql_where=sa.text("status <> 'VOID' and reason in ('PERIOD', 'CANCELLATION')"),
    )
    op.drop_table("invoices")
    op.drop_index(op.f("subscriptions_organization_id_customer_id_created_at_id_idx"), table_name="subscriptions")
    op.drop_index(op.f("subscriptions_organization_id_created_at_id_idx"), table_name="subscriptions")
    op.drop_table("subscriptions")
    op.drop_table("plan_features")
    op.drop_index(
        op.f("ledger_transactions_organization_id_ledger_id_created_at_idx"), table_name="ledger_transactions"
    )
    op.drop_table("ledger_transactions")
    op.drop_index(op.f("accounts_organization_id_customer_id_idx"), table_name="accounts")
    op.drop_table("accounts")
    op.drop_index(op.f("unmatched_usage_events_organization_id_meter_key_idx"), table_name="unmatched_usage_events")
    op.drop_index(
        op.f("unmatched_usage_events_organization_id_external_customer_id_idx"), table_name="unmatched_usage_events"
    )
    op.drop_table("unmatched_usage_events")
    op.drop_table("plans")
    op.drop_table("meters")
    op.drop_table("ledgers")
    op.drop_table("invoice_numbers")
    op.drop_index(op.f("customers_organization_id_created_at_id_idx"), table_name="customers")
    op.drop_index("customers_default_key", table_name="customers", postgresql_where=sa.text("is_default"))
    op.drop_table("customers")
    op.drop_index(op.f("audit_records_organization_id_record_id_idx"), table_name="audit_records")
    op.drop_index(op.f("audit_records_organization_id_created_at_id_idx"), table_name="audit_records")
    op.drop_table("audit_records")
    op.drop_index(op.f("api_keys_prefix_idx"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index(op.f("organizations_parent_id_idx"), table_name="organizations")
    op.drop_table("organizations")
