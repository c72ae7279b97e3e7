"""Data keys for each organization, and the legal document sealed with them; no plain one is stored any more."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

REFUSE_PLAIN = """
create function refuse_plain() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if new.legal_document is not null then
    raise exception 'a legal document is stored sealed' using errcode = 'restrict_violation';
  end if;
  return new;
end
$$
"""

TRIGGER = (
    "create trigger sealed_only before insert or update of legal_document on organizations"
    " for each row execute function refuse_plain()"
)

LEGAL_DOCUMENTS_UNDER = """
language sql stable security definer set search_path = public, pg_temp as $$
  select o.organization_id, o.legal_document_sealed, k.version, k.master_key_id, k.wrapped
  from organizations_under(root) u
  join organizations o using (organization_id) join data_keys k using (organization_id)
  where o.organization_id = any(wanted) and o.legal_document_sealed is not null
$$
"""

ORGANIZATIONS_TO_SEAL = """
language sql stable security definer set search_path = public, pg_temp as $$
  select o.organization_id from organizations o where o.legal_document is not null order by 1 limit most
$$
"""

ALL_ORGANIZATIONS = """
language sql stable security definer set search_path = public, pg_temp as $$
  select o.organization_id from organizations o
  where following is null or o.organization_id > following order by 1 limit most
$$
"""

FUNCTIONS = {
    "organizations_to_seal(most integer) returns setof uuid": (ORGANIZATIONS_TO_SEAL, wall.APP),
    "all_organizations(following uuid, most integer) returns setof uuid": (ALL_ORGANIZATIONS, wall.WORKER),
    "legal_documents_under(root uuid, wanted uuid[]) returns table (organization_id uuid,"
    " legal_document_sealed bytea, version integer, master_key_id text, wrapped bytea)": (
        LEGAL_DOCUMENTS_UNDER,
        wall.APP,
    ),
}

MASK_ANSWERS = """
do $$
declare
  found record;
begin
  for found in select to_json(legal_document)::text as written from organizations where legal_document is not null loop
    update idempotency_records set answer = replace(answer, found.written, '"****"')
    where position(found.written in answer) > 0;
  end loop;
end
$$
"""
"""What was answered before may hold a document in the clear: a replay shows that there was one."""


def upgrade() -> None:
    """Go to this revision. The first start seals what is plain: no key is known here."""
    op.create_table(
        "data_keys",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("master_key_id", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("version >= 1", name=op.f("data_keys_version_check")),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("data_keys_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "version", name=op.f("data_keys_pkey")),
    )
    op.add_column("organizations", sa.Column("legal_document_sealed", sa.LargeBinary(), nullable=True))
    unwalled = ("organizations", "idempotency_records")
    run([f"alter table {table} no force row level security" for table in unwalled])
    run([MASK_ANSWERS])
    run([f"alter table {table} force row level security" for table in unwalled])
    run([*wall.wall("data_keys"), *wall.app_may("data_keys", "select", "insert"), *wall.directory_sees("data_keys")])
    run(wall.app_may("organizations", update=["legal_document_sealed"]))
    run([f"grant update (master_key_id, wrapped) on data_keys to {wall.WORKER}"])
    run([REFUSE_PLAIN, TRIGGER, *wall.only_app_executes("refuse_plain()")])
    for signature, (definition, role) in FUNCTIONS.items():
        run(wall.directory_function(signature, definition, executed_by=role))


def downgrade() -> None:
    """Go back to the one before; what was sealed is lost."""
    run(
        wall.drop_directory_functions(
            "legal_documents_under(uuid, uuid[])", "all_organizations(uuid, integer)", "organizations_to_seal(integer)"
        )
    )
    run(["drop trigger sealed_only on organizations", "drop function refuse_plain()"])
    op.drop_column("organizations", "legal_document_sealed")
    op.drop_table("data_keys")


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
