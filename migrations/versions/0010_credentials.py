"""API keys with a former secret, members, and how both are found before their organization is known."""

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

FIND_API_KEYS = """
language sql stable security definer set search_path = public, pg_temp as $$
  select k.organization_id, k.id, k.name, k.role, s.secret_hash, o.status, s.ends_at - now()
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

FIND_API_KEYS_BEFORE = """
language sql stable security definer set search_path = public, pg_temp as $$
  select k.organization_id, k.id, k.name, k.role, k.secret_hash, o.status
  from api_keys k join organizations o using (organization_id)
  where k.prefix = wanted_prefix
    and k.revoked_at is null
    and (k.expires_at is null or k.expires_at > now())
$$
"""

FIND_MEMBERS = """
language sql stable security definer set search_path = public, pg_temp as $$
  with recursive line (organization_id, parent_id, depth) as (
    select o.organization_id, o.parent_id, 0 from organizations o where o.organization_id = wanted_organization
    union all
    select o.organization_id, o.parent_id, l.depth + 1
    from line l join organizations o on o.organization_id = l.parent_id
    where l.depth < 8
  )
  select m.organization_id, m.id, m.role, o.status, l.depth
  from members m join organizations o using (organization_id) left join line l using (organization_id)
  where m.subject = wanted_subject and (wanted_organization is null or l.organization_id is not null)
  order by l.depth, m.created_at, m.organization_id
  limit case when wanted_organization is null then 2 end
$$
"""
"""Of an organization that was named, the memberships there and above it, the nearest first; else two, if there are."""

TELL_CREDENTIALS_CHANGED = """
create function tell_credentials_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_notify('tallygate_credentials', old.organization_id::text);
  return null;
end
$$
"""
"""Every process forgets what it knows of the organization's credentials, whoever changed them and by what."""

TELLING = {
    "api_keys": "update of name, role, prefix, secret_hash, expires_at, revoked_at, former_prefix, former_secret_hash,"
    " former_until or delete",
    "members": "update or delete",
    "organizations": "update of status",
}

FOUND_KEY = "organization_id uuid, id uuid, name text, role text, secret_hash bytea, status text"


def upgrade() -> None:
    """Go to this revision."""
    for column, type_ in (
        ("former_prefix", sa.Text()),
        ("former_secret_hash", sa.LargeBinary()),
        ("former_until", sa.DateTime(timezone=True)),
    ):
        op.add_column("api_keys", sa.Column(column, type_, nullable=True))
    op.create_check_constraint(
        op.f("api_keys_former_secret_check"),
        "api_keys",
        "num_nulls(former_prefix, former_secret_hash, former_until) in (0, 3)"
        " and (former_secret_hash is null or octet_length(former_secret_hash) = 32)",
    )
    op.create_index(op.f("api_keys_former_prefix_idx"), "api_keys", ["former_prefix"])
    op.create_index(op.f("api_keys_organization_id_created_at_id_idx"), "api_keys", CREATED)
    op.create_table(
        "members",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("members_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("members_pkey")),
        sa.UniqueConstraint("organization_id", "subject", name=op.f("members_organization_id_subject_key")),
    )
    op.create_index(op.f("members_subject_idx"), "members", ["subject"])
    op.create_index(op.f("members_organization_id_created_at_id_idx"), "members", CREATED)
    rotated = ("prefix", "secret_hash", "former_prefix", "former_secret_hash", "former_until")
    run(wall.app_may("api_keys", update=rotated))
    run(
        [*wall.wall("members"), *wall.app_may("members", "select", "insert", "delete"), *wall.directory_sees("members")]
    )
    run([TELL_CREDENTIALS_CHANGED, *wall.only_app_executes("tell_credentials_changed()")])
    for table, change in TELLING.items():
        run(
            [
                f"create trigger tell_credentials_changed after {change} on {table}"
                " for each row execute function tell_credentials_changed()"
            ]
        )
    find_api_keys(f"{FOUND_KEY}, lasts interval", FIND_API_KEYS)
    run(
        wall.directory_function(
            "find_members(wanted_subject text, wanted_organization uuid) returns table (organization_id uuid, id uuid,"
            " role text, status text, depth integer)",
            FIND_MEMBERS,
        )
    )


def downgrade() -> None:
    """Go back to the one before."""
    run(wall.drop_directory_functions("find_members(text, uuid)"))
    find_api_keys(FOUND_KEY, FIND_API_KEYS_BEFORE)
    run([f"drop trigger tell_credentials_changed on {table}" for table in TELLING])
    run(["drop function tell_credentials_changed()"])
    op.drop_table("members")
    run(["revoke update (prefix, secret_hash) on api_keys from tallygate_app"])
    for index in ("api_keys_organization_id_created_at_id_idx", "api_keys_former_prefix_idx"):
        op.drop_index(op.f(index), "api_keys")
    for column in ("former_until", "former_secret_hash", "former_prefix"):
        op.drop_column("api_keys", column)


CREATED = ["organization_id", "created_at", "id"]


def find_api_keys(columns: str, definition: str) -> None:
    """Put the function that finds keys in the place of the one that is there."""
    run(wall.drop_directory_functions("find_api_keys(text)"))
    run(wall.directory_function(f"find_api_keys(wanted_prefix text) returns table ({columns})", definition))


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
