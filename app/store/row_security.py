"""The DDL of the wall, one helper for each promise: migrations call these and spell nothing of it themselves."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.store.roles import APP, DIRECTORY, OPERATOR, OWNER, QUEUE, REPORTER, WORKER
from app.store.tables.column import PARTITIONS

CURRENT_ORGANIZATION: Final = """
create function current_organization() returns uuid
language plpgsql stable parallel safe set search_path = pg_catalog, pg_temp as $$
declare
  setting text := nullif(current_setting('app.organization_id', true), '');
begin
  if setting is null then
    raise exception 'no organization is set in this transaction' using errcode = 'insufficient_privilege';
  end if;
  return setting::uuid;
end
$$
"""
"""Without a tenant it raises; it never quietly gives nothing (M26)."""

REFUSE_CHANGE: Final = """
create function refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '% on % is refused: its rows are never changed', tg_op, tg_table_name
    using errcode = 'restrict_violation';
end
$$
"""


def partitions(table: str) -> list[str]:
    """The names of a table's hash partitions."""
    return [f"{table}_partition_{number:02d}" for number in range(PARTITIONS)]


def partition_by_organization(table: str) -> list[str]:
    """Make all the hash partitions of a table that is partitioned by organization (M22, M23)."""
    return [
        f"create table {name} partition of {table} for values with (modulus {PARTITIONS}, remainder {number})"
        for number, name in enumerate(partitions(table))
    ]


def wall(table: str, *, partitioned: bool = False) -> list[str]:
    """Let a table's rows be seen and written only from inside their own organization, even by its owner (M25)."""
    statements = []
    for name in [table, *(partitions(table) if partitioned else [])]:
        statements += [
            f"alter table {name} enable row level security",
            f"alter table {name} force row level security",
            f"create policy tenant on {name} using (organization_id = (select current_organization()))"
            " with check (organization_id = (select current_organization()))",
        ]
    return statements


def directory_sees(table: str) -> list[str]:
    """Let the directory's functions look at a table past one tenant: only reading, only through them."""
    return [
        f"grant select on {table} to {DIRECTORY}",
        f"create policy directory on {table} for select to {DIRECTORY} using (true)",
    ]


def reporter_sees(table: str, *columns: str) -> list[str]:
    """Let the reports' functions look at those columns of a table past one tenant: only reading, only through them."""
    return [
        f"grant select ({', '.join(columns)}) on {table} to {REPORTER}",
        f"create policy reporter on {table} for select to {REPORTER} using (true)",
    ]


def directory_function(signature: str, definition: str, *, executed_by: str = APP) -> list[str]:
    """Make a function that runs as the directory role; only the app, or who is named, may execute it."""
    return _function_of(DIRECTORY, signature, definition, executed_by)


def queue_function(signature: str, definition: str) -> list[str]:
    """Make a function that runs as the role that may enqueue; only the app may execute it."""
    return _function_of(QUEUE, signature, definition, APP)


def report_function(signature: str, definition: str) -> list[str]:
    """Make a function that runs as the role that reports are made by; only the operator may execute it."""
    return _function_of(REPORTER, signature, definition, OPERATOR)


def _function_of(role: str, signature: str, definition: str, executed_by: str) -> list[str]:
    name = signature.partition(" returns ")[0]
    return [
        f"grant create on schema public to {role}",
        f"set local role {role}",
        f"create function {signature} {definition}",
        f"revoke all on function {name} from public",
        f"grant execute on function {name} to {executed_by}",
        f"set local role {OWNER}",
        f"revoke create on schema public from {role}",
    ]


def drop_directory_functions(*functions: str) -> list[str]:
    """Drop functions that `directory_function` made."""
    return _drop_functions_of(DIRECTORY, *functions)


def drop_queue_functions(*functions: str) -> list[str]:
    """Drop functions that `queue_function` made."""
    return _drop_functions_of(QUEUE, *functions)


def drop_report_functions(*functions: str) -> list[str]:
    """Drop functions that `report_function` made."""
    return _drop_functions_of(REPORTER, *functions)


def _drop_functions_of(role: str, *functions: str) -> list[str]:
    return [f"set local role {role}", *(f"drop function {name}" for name in functions), f"set local role {OWNER}"]


def append_only(table: str, *, partitioned: bool = False, by: str = "refuse_change") -> list[str]:
    """Refuse UPDATE, DELETE and TRUNCATE on a table, to its owner too (E9); `by` is the trigger function that does."""
    statements = [
        f"create trigger append_only before update or delete on {table} for each row execute function {by}()",
        f"alter table {table} enable always trigger append_only",
    ]
    for name in [table, *(partitions(table) if partitioned else [])]:
        statements += [
            f"create trigger never_truncated before truncate on {name} execute function refuse_change()",
            f"alter table {name} enable always trigger never_truncated",
        ]
        if name != table:
            statements.append(f"alter table {name} enable always trigger append_only")
    return statements


def not_append_only(table: str, *, partitioned: bool = False) -> list[str]:
    """Take back what `append_only` made, to make it anew by another function."""
    names = [table, *(partitions(table) if partitioned else [])]
    return [f"drop trigger append_only on {table}", *(f"drop trigger never_truncated on {name}" for name in names)]


def app_may(table: str, *rights: str, update: Iterable[str] = ()) -> list[str]:
    """Grant the app those rights on a table, and UPDATE of those columns alone."""
    columns: Sequence[str] = sorted(update)
    granted = [*rights, *([f"update ({', '.join(columns)})"] if columns else [])]
    return [f"grant {', '.join(granted)} on {table} to {APP}"]


def worker_may_purge(table: str) -> list[str]:
    """Let the worker, and nobody else, delete rows of a table that it may read as the app does."""
    return [f"grant delete on {table} to {WORKER}"]


def only_app_executes(*functions: str) -> list[str]:
    """Take functions from PUBLIC and give them to the roles that need them."""
    return [
        statement
        for function in functions
        for statement in (
            f"revoke all on function {function} from public",
            f"grant execute on function {function} to {APP}, {DIRECTORY}, {OPERATOR}",
        )
    ]
