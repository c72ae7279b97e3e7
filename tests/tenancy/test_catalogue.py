"""What PostgreSQL's own catalogue says of the wall: every table, key, policy, role, grant and function of it."""

from collections.abc import Mapping
from typing import Any

import asyncpg
import pytest

from app.store.roles import APP, DIRECTORY, OPERATOR, OWNER, QUEUE, REPORTER, WORKER
from app.store.row_security import partitions
from app.store.tables import metadata

TABLES = sorted(metadata.tables)
PARTITIONED = ("ledger_entries", "usage_events", "usage_identities")
WALLED = sorted([*TABLES, *(name for table in PARTITIONED for name in partitions(table))])

INDEXES_ACROSS_TENANTS = {
    # A key is looked up before its organization is known; the index is not unique, so it tells nothing.
    "api_keys_former_prefix_idx": ["former_prefix"],
    "api_keys_prefix_idx": ["prefix"],
    # A member's subject likewise; it is unique inside each organization by another index.
    "members_subject_idx": ["subject"],
    # The directory looks for those whose billing run has come.
    "organizations_next_billing_run_at_idx": ["next_billing_run_at"],
    # The directory walks from a parent to its children.
    "organizations_parent_id_idx": ["parent_id"],
}

FOREIGN_KEYS_ACROSS_TENANTS = {
    # A child organization is another tenant than its parent.
    "organizations_parent_id_fkey",
}

HELD_WITHOUT_KEYS = {
    # A trigger checks all rows of a statement at once: a check for each would cost more than the row.
    "usage_events",
    # Written in the statement that writes the event, and behind the same policy.
    "usage_identities",
}

NO_ACTION = "aa"

INVOICE_UPDATES = (
    "amount_paid_minor, covers, discount_minor, due_at, finalized_at, metadata, notes, number, paid_at, payment_state,"
    " status, subtotal_minor, tax_minor, total_minor, updated_at, version, voided_at"
)
ORGANIZATION_UPDATES = (
    "address, doing_business_as, legal_document, legal_document_sealed, legal_name, metadata, next_billing_run_at,"
    " test_clock, time_zone, updated_at"
)
SUBSCRIPTION_UPDATES = (
    "billed_until, billing_anchor, cancel_at, cancel_reason, cancel_requested_at, due_at, ended_at, metadata,"
    " past_due_at, paused_at, plan_id, quantity, resumes_at, status, updated_at, version"
)
USAGE_HOUR_UPDATES = "changed_at, events, greatest, latest, latest_at, latest_id, least, purged_at, total"

API_KEY_UPDATES = (
    "expires_at, former_prefix, former_secret_hash, former_until, last_used_at, prefix, revoked_at, secret_hash"
)

# fmt: off
GRANTS: dict[tuple[str, str], tuple[str, str]] = {
    # (role, table):                     (rights on the table, columns that it may change)
    (APP, "accounts"):                   ("INSERT, SELECT", "balance_minor, entry_count, last_posted_at"),
    (APP, "alembic_version"):            ("SELECT", ""),
    (APP, "allowances"):                 ("INSERT, SELECT", "points, refilled_at"),
    (APP, "api_keys"):                   ("INSERT, SELECT", API_KEY_UPDATES),
    (APP, "audit_chains"):               ("INSERT, SELECT", "head, last_sequence"),
    (APP, "audit_records"):              ("INSERT, SELECT", ""),
    (APP, "data_keys"):                  ("INSERT, SELECT", ""),
    (APP, "customers"):                  ("INSERT, SELECT", "address, email, external_id, metadata, name, updated_at"),
    (APP, "idempotency_records"):        ("INSERT, SELECT", "answer, created_at, document, fingerprint"),
    (APP, "invoice_line_items"):         ("DELETE, INSERT, SELECT", ""),
    (APP, "invoice_numbers"):            ("INSERT, SELECT", "last_value"),
    (APP, "invoices"):                   ("DELETE, INSERT, SELECT", INVOICE_UPDATES),
    (APP, "late_usage"):                 ("DELETE, INSERT, SELECT", ""),
    (APP, "ledger_entries"):             ("INSERT, SELECT", ""),
    (APP, "ledger_transactions"):        ("INSERT, SELECT", ""),
    (APP, "ledgers"):                    ("INSERT, SELECT", "head, last_sequence"),
    (APP, "members"):                    ("DELETE, INSERT, SELECT", ""),
    (APP, "meters"):                     ("INSERT, SELECT", ""),
    (APP, "organizations"):              ("INSERT, SELECT", ORGANIZATION_UPDATES),
    (APP, "plan_features"):              ("INSERT, SELECT", ""),
    (APP, "plans"):                      ("INSERT, SELECT", "status"),
    (APP, "quota_counters"):             ("INSERT, SELECT", "reserved"),
    (APP, "reservations"):               ("INSERT, SELECT", "ended_at, settled_quantity, status"),
    (APP, "subscription_pauses"):        ("INSERT, SELECT", "ends_at"),
    (APP, "subscription_phases"):        ("INSERT, SELECT", "ends_at"),
    (APP, "subscriptions"):              ("INSERT, SELECT", SUBSCRIPTION_UPDATES),
    (APP, "trusted_documents"):          ("DELETE, INSERT, SELECT", ""),
    (APP, "unmatched_usage_events"):     ("DELETE, INSERT, SELECT", ""),
    (APP, "usage_corrections"):          ("INSERT, SELECT", ""),
    (APP, "usage_events"):               ("INSERT, SELECT", ""),
    (APP, "usage_hour_values"):          ("DELETE, INSERT, SELECT", ""),
    (APP, "usage_hours"):                ("INSERT, SELECT", USAGE_HOUR_UPDATES),
    (APP, "usage_identities"):           ("INSERT, SELECT", ""),
    (DIRECTORY, "api_keys"):             ("SELECT", ""),
    (DIRECTORY, "members"):              ("SELECT", ""),
    (DIRECTORY, "data_keys"):            ("SELECT", ""),
    (DIRECTORY, "organizations"):        ("SELECT", ""),
    (WORKER, "data_keys"):               ("", "master_key_id, wrapped"),
    (WORKER, "idempotency_records"):     ("DELETE", ""),
    (WORKER, "organizations"):           ("", "status, updated_at"),
    (WORKER, "quota_counters"):          ("DELETE", ""),
    (WORKER, "reservations"):            ("DELETE", ""),
    (WORKER, "usage_events"):            ("DELETE", ""),
    (WORKER, "usage_identities"):        ("DELETE", ""),
}
"""The worker is a member of the app's role, so that it has the app's rights too."""

QUEUE_GRANTS: dict[tuple[str, str], str] = {
    # (role, relation):                  rights on it; in brackets, columns
    (QUEUE, "pgqueuer"):                 "INSERT, SELECT (dedupe_key, id, status)",
    (QUEUE, "pgqueuer_id_seq"):          "USAGE",
    (QUEUE, "pgqueuer_log"):             "INSERT",
    (WORKER, "pgqueuer"):                "DELETE, INSERT, SELECT, UPDATE",
    (WORKER, "pgqueuer_id_seq"):         "USAGE",
    (WORKER, "pgqueuer_log"):            "DELETE, INSERT, SELECT, UPDATE",
    (WORKER, "pgqueuer_log_id_seq"):     "USAGE",
    (WORKER, "pgqueuer_schedules"):      "DELETE, INSERT, SELECT, UPDATE",
    (WORKER, "pgqueuer_schedules_id_seq"): "USAGE",
    (WORKER, "pgqueuer_statistics"):     "DELETE, INSERT, SELECT, UPDATE",
    (WORKER, "pgqueuer_statistics_id_seq"): "USAGE",
}

REPORTED: dict[tuple[str, str], str] = {
    # (role, table):                     the columns that it may read, and nothing else of it
    (REPORTER, "invoices"):              "amount_paid_minor, currency, organization_id, status, total_minor",
    (REPORTER, "organizations"):         "mode, organization_id, parent_id",
}

FUNCTIONS: dict[str, tuple[str, bool, set[str]]] = {
    # signature:                    (owner, security definer, who else may execute it)
    "current_organization()":       (OWNER, False, {APP, DIRECTORY, OPERATOR, QUEUE}),
    "refuse_change()":              (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "keep_finalized_invoice()":     (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "keep_finalized_lines()":       (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "keep_usage()":                 (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "refuse_strangers()":           (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "refuse_unbalanced()":          (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "tell_credentials_changed()":   (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "refuse_plain()":               (OWNER, False, {APP, DIRECTORY, OPERATOR}),
    "all_organizations(uuid,integer)":                                  (DIRECTORY, True, {WORKER}),
    "legal_documents_under(uuid,uuid[])":                               (DIRECTORY, True, {APP}),
    "organizations_to_seal(integer)":                                   (DIRECTORY, True, {APP}),
    "find_api_keys(text)":          (DIRECTORY, True, {APP}),
    "find_members(text,uuid)":      (DIRECTORY, True, {APP}),
    "organization_depth(uuid)":     (DIRECTORY, True, {APP}),
    "organizations_under(uuid)":    (DIRECTORY, True, {APP}),
    "active_organizations(text[],uuid,integer)":                        (DIRECTORY, True, {WORKER}),
    "organizations_due_for_billing(uuid,integer)":                      (DIRECTORY, True, {WORKER}),
    "billing_totals_under(uuid)":   (REPORTER, True, {OPERATOR}),
    "enqueue_job(text,jsonb,timestamp with time zone,text)":            (QUEUE, True, {APP}),
}
# fmt: on

TENANT_CONDITION = "(organization_id = ( SELECT current_organization() AS current_organization))"


async def rows(connection: asyncpg.Connection, query: str, *arguments: Any) -> list[Mapping[str, Any]]:
    found = await connection.fetch(query, *arguments)
    assert found, f"this finds nothing, and so proves nothing: {query}"
    return found


async def test_no_table_but_the_tenants(administrator: asyncpg.Connection) -> None:
    """Every relation but the queue's is a table of the metadata, a partition of one, or alembic_version (A1)."""
    found = await rows(
        administrator,
        """
        select n.nspname || '.' || c.relname as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname not in ('information_schema', 'queue') and n.nspname !~ '^pg_' and c.relkind not in ('i', 'I')
        """,
    )
    assert sorted(row["name"] for row in found) == sorted(f"public.{name}" for name in [*WALLED, "alembic_version"])


async def test_every_row_names_its_organization(administrator: asyncpg.Connection) -> None:
    """organization_id is the first column of every table, a UUID, and never null (A1)."""
    found = await rows(
        administrator,
        """
        select c.relname as name, a.attnum as place, a.attnotnull as filled, format_type(a.atttypid, null) as type
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
        """,
    )
    assert {row["name"]: (row["place"], row["filled"], row["type"]) for row in found} == dict.fromkeys(
        WALLED, (1, True, "uuid")
    )


async def test_every_index_begins_with_the_organization(administrator: asyncpg.Connection) -> None:
    """Primary keys and unique indexes too: a value that is taken elsewhere is free here (M15, M22, C14)."""
    found = await rows(
        administrator,
        """
        select i.relname as index, t.relname as table, x.indisprimary as primary, x.indisunique as unique,
               array(select coalesce(a.attname, '(expression)')
                     from unnest(x.indkey[:x.indnkeyatts - 1]) with ordinality as k (number, place)
                     left join pg_attribute a on a.attrelid = t.oid and a.attnum = k.number
                     order by k.place)::text[] as columns
        from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid
        where t.relnamespace = 'public'::regnamespace and t.relname <> 'alembic_version'
        """,
    )
    astray = {row["index"]: row["columns"] for row in found if row["columns"][0] != "organization_id"}
    assert astray == INDEXES_ACROSS_TENANTS
    assert [row["index"] for row in found if row["index"] in astray and row["unique"]] == []
    assert {row["table"] for row in found if row["primary"]} == set(WALLED)


async def test_foreign_keys_stay_inside_the_organization(administrator: asyncpg.Connection) -> None:
    """Foreign keys ignore row security, so each pairs organization_id with organization_id (M22)."""
    found = await rows(
        administrator,
        """
        select o.conname as name,
               array(select a.attname from unnest(o.conkey) k join pg_attribute a
                     on a.attrelid = o.conrelid and a.attnum = k)::text[] as here,
               array(select a.attname from unnest(o.confkey) k join pg_attribute a
                     on a.attrelid = o.confrelid and a.attnum = k)::text[] as there,
               o.confrelid = 'organizations'::regclass as to_organization,
               o.confupdtype::text || o.confdeltype::text as actions
        from pg_constraint o join pg_class c on c.oid = o.conrelid
        where o.contype = 'f' and c.relname = any($1)
        """,
        TABLES,
    )
    pairs = {row["name"]: list(zip(row["here"], row["there"], strict=True)) for row in found}
    astray = {name for name, columns in pairs.items() if ("organization_id", "organization_id") not in columns}
    assert astray == FOREIGN_KEYS_ACROSS_TENANTS
    for row in found:
        assert len(row["here"]) == (1 if row["to_organization"] else 2), row["name"]
        assert row["actions"] == NO_ACTION, row["name"]


async def test_every_table_has_an_owner_in_its_keys(administrator: asyncpg.Connection) -> None:
    """Each row's organization exists: each table refers to organizations, directly or through what it belongs to."""
    found = await rows(
        administrator,
        """
        select distinct c.relname as here, t.relname as there
        from pg_constraint o join pg_class c on c.oid = o.conrelid join pg_class t on t.oid = o.confrelid
        where o.contype = 'f' and c.relname = any($1)
        """,
        TABLES,
    )
    held = {"organizations"}
    while more := {row["here"] for row in found if row["there"] in held} - held:
        held |= more
    assert held == set(TABLES) - HELD_WITHOUT_KEYS


async def test_row_security_is_forced(administrator: asyncpg.Connection) -> None:
    """On every table and every partition, so that it binds their owner too (M25)."""
    found = await rows(
        administrator,
        """
        select relname as name, relrowsecurity as on, relforcerowsecurity as forced, pg_get_userbyid(relowner) as owner
        from pg_class where relname = any($1)
        """,
        WALLED,
    )
    assert {row["name"]: (row["on"], row["forced"], row["owner"]) for row in found} == dict.fromkeys(
        WALLED, (True, True, OWNER)
    )


async def test_one_policy_for_everybody(administrator: asyncpg.Connection) -> None:
    """`tenant` holds for all commands, reading and writing; only the directory also has a look at three tables."""
    found = await rows(
        administrator,
        """
        select c.relname as table, p.polname as name, p.polcmd::text as command, p.polpermissive as permissive,
               array(select coalesce(r.rolname, 'public') from unnest(p.polroles) as o (role)
                     left join pg_roles r on r.oid = o.role)::text[] as roles,
               pg_get_expr(p.polqual, p.polrelid) as sees, pg_get_expr(p.polwithcheck, p.polrelid) as writes
        from pg_policy p join pg_class c on c.oid = p.polrelid
        """,
    )
    tenant = {(table, "tenant", "*", True, ("public",), TENANT_CONDITION, TENANT_CONDITION) for table in WALLED}
    seen = ("api_keys", "data_keys", "members", "organizations")
    directory = {(table, "directory", "r", True, (DIRECTORY,), "true", None) for table in seen}
    reporter = {(table, "reporter", "r", True, (REPORTER,), "true", None) for _, table in REPORTED}
    assert {tuple(tuple(value) if isinstance(value, list) else value for value in row.values()) for row in found} == (
        tenant | directory | reporter
    )
    assert len(found) == len(tenant | directory | reporter)


@pytest.mark.parametrize("table", PARTITIONED)
async def test_sixteen_partitions(administrator: asyncpg.Connection, table: str) -> None:
    """Every organization's hash has a partition to go to; there is no default one (C13, M23)."""
    found = await rows(
        administrator,
        """
        select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bound,
               pg_get_partkeydef(i.inhparent) as key
        from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::text::regclass order by 1
        """,
        table,
    )
    assert [row["name"] for row in found] == partitions(table)
    assert [row["bound"] for row in found] == [
        f"FOR VALUES WITH (modulus 16, remainder {number})" for number in range(16)
    ]
    assert {row["key"] for row in found} == {"HASH (organization_id)"}


async def test_roles_have_no_power_but_their_grants(administrator: asyncpg.Connection) -> None:
    """Nobody is a superuser, passes row security, or makes roles and databases; app, worker and operator log in."""
    found = await rows(
        administrator,
        """
        select rolname as name, rolcanlogin as login,
               rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as powerful
        from pg_roles where rolname = any($1)
        """,
        [OWNER, APP, WORKER, DIRECTORY, QUEUE, OPERATOR, REPORTER],
    )
    assert {row["name"]: (row["login"], row["powerful"]) for row in found} == {
        OWNER: (False, False),
        APP: (True, False),
        WORKER: (True, False),
        QUEUE: (False, False),
        DIRECTORY: (False, False),
        OPERATOR: (True, False),
        REPORTER: (False, False),
    }


async def test_the_app_can_become_nobody_else(administrator: asyncpg.Connection) -> None:
    """Nor can the functions' owners and the operator; the worker is a member of the app's role and of no other."""
    found = await administrator.fetch(
        "select member::regrole::text as member, roleid::regrole::text as role from pg_auth_members"
        " where member::regrole::text = any($1)",
        [APP, WORKER, DIRECTORY, QUEUE, OPERATOR, REPORTER],
    )
    assert [dict(row) for row in found] == [{"member": WORKER, "role": APP}]
    for role in (OWNER, DIRECTORY, QUEUE, REPORTER):
        for login in (APP, WORKER, OPERATOR):
            assert not await administrator.fetchval("select pg_has_role($1, $2, 'member')", login, role)


async def test_the_app_owns_nothing(administrator: asyncpg.Connection) -> None:
    """Nor do the worker and the operator; an owner could take the wall down."""
    owned = await administrator.fetch(
        "select classid::regclass::text, objid from pg_shdepend where deptype = 'o' and refobjid = any($1::regrole[])",
        [APP, WORKER, OPERATOR],
    )
    assert [tuple(row) for row in owned] == []


async def test_rights_on_tables(administrator: asyncpg.Connection) -> None:
    """Exactly these, to exactly these roles; PUBLIC has none, and partitions are reached through their parent (E1)."""
    found = await rows(
        administrator,
        """
        select coalesce(g.rolname, 'PUBLIC') as role, c.relname as table,
               string_agg(x.privilege_type || case when x.is_grantable then ' with grant option' else '' end, ', '
                          order by x.privilege_type) as rights
        from pg_class c cross join aclexplode(c.relacl) x left join pg_roles g on g.oid = x.grantee
        where c.relnamespace = 'public'::regnamespace and x.grantee <> c.relowner
        group by 1, 2
        """,
    )
    on_columns = await rows(
        administrator,
        """
        select coalesce(g.rolname, 'PUBLIC') as role, c.relname as table, x.privilege_type as right,
               bool_or(x.is_grantable) as grantable, string_agg(a.attname, ', ' order by a.attname) as columns
        from pg_class c join pg_attribute a on a.attrelid = c.oid cross join aclexplode(a.attacl) x
        left join pg_roles g on g.oid = x.grantee
        where c.relnamespace = 'public'::regnamespace
        group by 1, 2, 3
        """,
    )
    assert {(row["right"], row["grantable"]) for row in on_columns} == {("UPDATE", False), ("SELECT", False)}
    columns = {(row["role"], row["table"]): row["columns"] for row in on_columns if row["right"] == "UPDATE"}
    read = {(row["role"], row["table"]): row["columns"] for row in on_columns if row["right"] == "SELECT"}
    assert read == REPORTED
    granted = {(row["role"], row["table"]): row["rights"] for row in found}
    assert {key: (granted.get(key, ""), columns.get(key, "")) for key in granted | columns} == GRANTS


async def test_rights_on_the_schema(administrator: asyncpg.Connection) -> None:
    """The app may look names up and create nothing; PUBLIC may not even look."""
    found = await rows(
        administrator,
        """
        select coalesce(g.rolname, 'PUBLIC') as role,
               string_agg(x.privilege_type, ', ' order by x.privilege_type) as rights
        from pg_namespace n cross join aclexplode(n.nspacl) x left join pg_roles g on g.oid = x.grantee
        where n.nspname = 'public' and x.grantee <> n.nspowner group by 1
        """,
    )
    assert {row["role"]: row["rights"] for row in found} == {
        OWNER: "CREATE, USAGE",
        APP: "USAGE",
        OPERATOR: "USAGE",
        REPORTER: "USAGE",
        DIRECTORY: "USAGE",
        QUEUE: "USAGE",
    }


async def test_rights_on_the_queue(administrator: asyncpg.Connection) -> None:
    """The worker works it, the function that enqueues puts jobs in, and nobody else reaches it: not the app."""
    found = await rows(
        administrator,
        """
        select coalesce(g.rolname, 'PUBLIC') as role, c.relname as relation,
               string_agg(x.privilege_type || x.columns, ', ' order by x.privilege_type) as rights
        from pg_class c
        cross join lateral (
          select grantee, privilege_type, '' as columns from aclexplode(c.relacl)
          union all
          select y.grantee, y.privilege_type, ' (' || string_agg(a.attname, ', ' order by a.attname) || ')'
          from pg_attribute a cross join aclexplode(a.attacl) y where a.attrelid = c.oid group by 1, 2
        ) x
        left join pg_roles g on g.oid = x.grantee
        where c.relnamespace = 'queue'::regnamespace and x.grantee <> c.relowner
        group by 1, 2
        """,
    )
    assert {(row["role"], row["relation"]): row["rights"] for row in found} == QUEUE_GRANTS
    for role in (APP, OPERATOR, DIRECTORY, REPORTER):
        assert not await administrator.fetchval("select has_schema_privilege($1, 'queue', 'usage')", role)
    owners = await administrator.fetch(
        "select distinct relowner::regrole::text from pg_class where relnamespace = 'queue'::regnamespace"
    )
    assert [row[0] for row in owners] == [OWNER]


async def test_no_rights_by_default(administrator: asyncpg.Connection) -> None:
    """What is made later is granted to nobody unless a migration says so."""
    assert await administrator.fetchval("select count(*) from pg_default_acl") == 0


async def test_functions(administrator: asyncpg.Connection) -> None:
    """Exactly these functions; each search path is pinned with pg_temp last; PUBLIC may execute none."""
    found = await rows(
        administrator,
        """
        select p.oid::regprocedure::text as signature, pg_get_userbyid(p.proowner) as owner, p.prosecdef as definer,
               p.proconfig as settings,
               array(select coalesce(g.rolname, 'PUBLIC')
                     from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
                     left join pg_roles g on g.oid = x.grantee where x.grantee <> p.proowner)::text[] as others
        from pg_proc p where p.pronamespace = 'public'::regnamespace
        """,
    )
    assert {row["signature"]: (row["owner"], row["definer"], set(row["others"])) for row in found} == FUNCTIONS
    assert {tuple(row["settings"] or ()) for row in found} == {
        ("search_path=pg_catalog, pg_temp",),
        ("search_path=public, pg_temp",),
    }


async def test_few_execute_what_looks_past_a_tenant(administrator: asyncpg.Connection) -> None:
    """SECURITY DEFINER functions belong to roles that do nothing else; app, worker or operator calls them."""
    found = await rows(
        administrator,
        "select oid::regprocedure::text as signature, pg_get_userbyid(proowner) as owner from pg_proc"
        " where prosecdef and pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)",
    )
    assert {row["owner"] for row in found} == {DIRECTORY, QUEUE, REPORTER}
    for row in found:
        may = {
            role: await administrator.fetchval(
                "select has_function_privilege($1, $2, 'execute')", role, row["signature"]
            )
            for role in (APP, WORKER, OPERATOR, OWNER)
        }
        _, _, callers = FUNCTIONS[row["signature"]]
        reports = callers == {OPERATOR}
        assert may == {APP: callers == {APP}, WORKER: not reports, OPERATOR: reports, OWNER: False}, row["signature"]


async def test_triggers_that_hold_whoever_comes(administrator: asyncpg.Connection) -> None:
    """Append-only triggers fire ALWAYS, for replication too, on every partition; the others are there and enabled."""
    found = await rows(
        administrator,
        """
        select c.relname as table, t.tgname as name, t.tgenabled::text as enabled
        from pg_trigger t join pg_class c on c.oid = t.tgrelid where not t.tgisinternal
        """,
    )
    append_only = [name for name in WALLED if name.startswith(PARTITIONED)]
    append_only += ["ledger_transactions", "audit_records", "usage_corrections"]
    expected = {(table, name, "A") for table in append_only for name in ("append_only", "never_truncated")}
    expected |= {(table, "keep_finalized", "O") for table in ("invoices", "invoice_line_items")}
    expected.add(("organizations", "sealed_only", "O"))
    expected |= {(table, "balanced", "O") for table in WALLED if table.startswith("ledger_entries")}
    expected |= {(table, "tell_credentials_changed", "O") for table in ("api_keys", "members", "organizations")}
    expected |= {
        ("usage_events", "no_strangers", "O"),
        ("ledger_transactions", "balanced", "O"),
        ("pgqueuer", "tg_pgqueuer_changed", "O"),
    }
    assert {tuple(row.values()) for row in found} == expected
