"""Documents that an organization trusts, and API keys that may send no others."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FOUND_KEY = "organization_id uuid, id uuid, name text, role text, secret_hash bytea, status text, lasts interval"

FIND_API_KEYS = """
language sql stable security definer set search_path = public, pg_temp as $$
  select k.organization_id, k.id, k.name, k.role, s.secret_hash, o.status, s.ends_at - now(){0}
  from api_keys k join organizations o using (organization_id)
  cross join lateral (values
    (k.prefix, k.secret_hash, k.expires_at),
    (k.former_prefix, k.former_secret_hash, least(k.expires_at, k.former_until))
  ) as s (prefix, secret_hash, ends_at)
  where (k.prefix = wanted_prefix or k.former_prefix = wanted_prefix)
    and s.prefix = wanted_prefix
    and k.revoked_at is null
    and (s.ends_at is null or s.ends_at > now())
$$
"""


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "trusted_documents",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("trusted_documents_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("trusted_documents_pkey")),
        sa.UniqueConstraint(
            "organization_id", "document_id", name=op.f("trusted_documents_organization_id_document_id_key")
        ),
    )
    op.create_index(
        op.f("trusted_documents_organization_id_created_at_id_idx"),
        "trusted_documents",
        ["organization_id", "created_at", "id"],
    )
    run([*wall.wall("trusted_documents"), *wall.app_may("trusted_documents", "select", "insert", "delete")])
    op.add_column(
        "api_keys", sa.Column("trusted_documents_only", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    find_api_keys(f"{FOUND_KEY}, trusted_documents_only boolean", ", k.trusted_documents_only")


def downgrade() -> None:
    """Go back to the one before."""
    find_api_keys(FOUND_KEY, "")
    op.drop_column("api_keys", "trusted_documents_only")
    op.drop_table("trusted_documents")


def find_api_keys(columns: str, more: str) -> None:
    """Put the function that finds keys in the place of the one that is there."""
    run(wall.drop_directory_functions("find_api_keys(text)"))
    signature = f"find_api_keys(wanted_prefix text) returns table ({columns})"
    run(wall.directory_function(signature, FIND_API_KEYS.format(more)))


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
