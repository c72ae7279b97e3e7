"""The database roles: who owns, who serves, who works off jobs, who reports.

`tallygate_owner` owns every object and logs in nowhere; a migrating login becomes it. `tallygate_app` serves requests:
it owns nothing and row security binds it. `tallygate_worker` runs jobs: all that the app may do, bound like it, and the
queue besides. `tallygate_directory` owns the few functions that must look past one tenant (to find a key's
organization, to list an organization's descendants, to find who is to be billed) and sees only what its policies name.
`tallygate_queue` owns the one function by which the app enqueues. `tallygate_operator` may call the functions of
`tallygate_reporter`, which add up over tenants, and may see no row of anybody's.
"""

from typing import Final

import sqlalchemy as sa

OWNER: Final = "tallygate_owner"
APP: Final = "tallygate_app"
WORKER: Final = "tallygate_worker"
DIRECTORY: Final = "tallygate_directory"
QUEUE: Final = "tallygate_queue"
OPERATOR: Final = "tallygate_operator"
REPORTER: Final = "tallygate_reporter"

QUEUE_SCHEMA: Final = "queue"
"""Where the queue's tables are, apart from the tenants' own."""

_LOGIN: Final = {
    OWNER: "nologin",
    APP: "login",
    WORKER: "login",
    DIRECTORY: "nologin",
    QUEUE: "nologin",
    OPERATOR: "login",
    REPORTER: "nologin",
}

_NEEDED: Final = "nosuperuser nobypassrls nocreatedb nocreaterole noreplication"


def become_owner(connection: sa.Connection) -> None:
    """Make the roles and the queue's schema where they are missing, let this login act as the owner, and act as it.

    Needs a login that may create roles and owns the database (a superuser, or a managed service's administrator).
    """
    run = connection.exec_driver_sql
    # Roles belong to the whole server, so that two migrations of two databases may meet here.
    run("select pg_advisory_xact_lock(hashtext('tallygate.roles'))")
    there = {row[0] for row in run("select rolname from pg_roles where rolname like 'tallygate\\_%'")}
    for role, login in _LOGIN.items():
        if role not in there:
            run(f"create role {role} {login} {_NEEDED}")
    if not run("select rolcanlogin from pg_roles where rolname = 'tallygate_operator'").scalar():
        run(f"alter role {OPERATOR} login")  # made by a release in which it had nothing to do
    # From PostgreSQL 16 on, whoever makes a role is its member without being allowed to act as it.
    acting = "set" if (connection.dialect.server_version_info or ()) >= (16,) else "member"
    for role in (OWNER, DIRECTORY, QUEUE, REPORTER):
        if not run(f"select pg_has_role(current_user, '{role}', '{acting}')").scalar():
            run(f"grant {role} to current_user")
    if not run(f"select pg_has_role('{WORKER}', '{APP}', 'usage')").scalar():
        run(f"grant {APP} to {WORKER}")
    if not run(f"select has_schema_privilege('{OWNER}', 'public', 'create with grant option')").scalar():
        run("revoke all on schema public from public")
        run(f"grant usage, create on schema public to {OWNER} with grant option")
        run(f"grant usage on schema public to {APP}, {OPERATOR}, {DIRECTORY}")
    # The owner of the tables may not make schemas; whoever owns the database may.
    if not run(f"select to_regnamespace('{QUEUE_SCHEMA}') is not null").scalar():
        run(f"create schema {QUEUE_SCHEMA} authorization {OWNER}")
    connection.commit()
    run(f"set role {OWNER}")
    connection.commit()
