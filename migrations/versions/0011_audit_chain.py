"""Audit records as a chain for each organization, with the type of what was acted on, and lists by each filter."""

import hashlib
import json
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store import row_security as wall

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FILTERED = ("record_id", "action", "principal", "outcome")

TYPE = """
update audit_records set record_type = case split_part(action, '.', 1)
  when 'invoice_line_item' then 'invoice' when 'ledger' then 'ledger_entry' when 'test_clock' then 'organization'
  else split_part(action, '.', 1) end
where record_id is not null
"""

RECORDS = """
select organization_id, id, action, outcome, record_type, record_id, principal_kind, principal, reason, request_id,
       changes, created_at
from audit_records order by organization_id, created_at, id
"""

SEAL = (
    "update audit_records set sequence = :sequence, hash = :hash where organization_id = :organization_id and id = :id"
)

END = "insert into audit_chains (organization_id, last_sequence, head) values (:organization_id, :sequence, :hash)"


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "audit_chains",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.organization_id"], name=op.f("audit_chains_organization_id_fkey")
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("audit_chains_pkey")),
    )
    op.add_column("audit_records", sa.Column("record_type", sa.Text(), nullable=True))
    op.add_column("audit_records", sa.Column("sequence", sa.BigInteger(), nullable=True))
    op.add_column("audit_records", sa.Column("hash", sa.LargeBinary(), nullable=True))
    run(
        [
            "alter table audit_records disable trigger append_only",
            "alter table audit_records no force row level security",
        ]
    )
    run([TYPE])
    if not op.get_context().as_sql:
        seal_what_is_there()
    run(
        [
            "alter table audit_records force row level security",
            "alter table audit_records enable always trigger append_only",
        ]
    )
    bind()
    run(
        [
            *wall.wall("audit_chains"),
            *wall.app_may("audit_chains", "select", "insert", update=("last_sequence", "head")),
        ]
    )


def seal_what_is_there() -> None:
    """Chain the records from before, in the order of their instants; it shows what is done to them from now on."""
    connection = op.get_bind()
    rows = connection.execute(sa.text(RECORDS)).mappings()
    for organization_id, records in groupby(rows, key=lambda row: row["organization_id"]):
        head: bytes | None = None
        links = []
        for sequence, row in enumerate(records, start=1):
            head = hash_after(head, {**row, "sequence": sequence})
            links.append({"organization_id": organization_id, "id": row["id"], "sequence": sequence, "hash": head})
        connection.execute(sa.text(SEAL), links)
        connection.execute(sa.text(END), links[-1])


def hash_after(previous: bytes | None, content: dict[str, Any]) -> bytes:
    """The hash of a record, as `app/domain/audit.py` takes it at this revision."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=plain)
    return hashlib.sha256((previous or b"") + canonical.encode()).digest()


def plain(value: object) -> str:
    """Ids as they are written, instants in UTC to the microsecond."""
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else str(value)


def bind() -> None:
    """Hold every record to its place in the chain, and give each filter an index in the order of the list."""
    run(
        [
            """
-- squawk-ignore adding-not-nullable-field, constraint-missing-not-valid
alter table audit_records alter column sequence set not null, alter column hash set not null,
  add constraint audit_records_hash_check check (octet_length(hash) = 32),
  add constraint audit_records_record_type_check check (record_id is null or record_type is not null)
"""
        ]
    )
    op.create_unique_constraint(
        op.f("audit_records_organization_id_sequence_key"), "audit_records", ["organization_id", "sequence"]
    )
    for name in ("created_at_id", "record_id"):
        op.drop_index(op.f(f"audit_records_organization_id_{name}_idx"), table_name="audit_records")
    for columns in ((), *((column,) for column in FILTERED)):
        listed = [*columns, "created_at", "sequence"]
        op.create_index(
            op.f(f"audit_records_organization_id_{'_'.join(listed)}_idx"), "audit_records", ["organization_id", *listed]
        )


def downgrade() -> None:
    """Go back to the one before; the chains are forgotten."""
    for columns in ((), *((column,) for column in FILTERED)):
        name = "_".join([*columns, "created_at", "sequence"])
        op.drop_index(op.f(f"audit_records_organization_id_{name}_idx"), table_name="audit_records")
    op.create_index(
        op.f("audit_records_organization_id_created_at_id_idx"),
        "audit_records",
        ["organization_id", "created_at", "id"],
    )
    op.create_index(
        op.f("audit_records_organization_id_record_id_idx"), "audit_records", ["organization_id", "record_id"]
    )
    for name in ("record_type", "hash"):
        op.drop_constraint(op.f(f"audit_records_{name}_check"), "audit_records")
    op.drop_constraint(op.f("audit_records_organization_id_sequence_key"), "audit_records")
    for name in ("hash", "sequence", "record_type"):
        op.drop_column("audit_records", name)
    op.drop_table("audit_chains")


def run(statements: list[str]) -> None:
    """Run statements one by one, as the driver takes them."""
    for statement in statements:
        op.execute(statement)
