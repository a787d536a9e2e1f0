"""Which service may do what in which database, as data -> roles with those rights and no others.

`botberi migrate` gives the rights after every migration, to the roles that are there: a table that a migration makes
is in them from its first moment. Roles themselves, with their passwords, are made by the server's owner
(infra/postgres/init.sql; `botberi up` for the embedded one; docs/operations/roles.md for a managed one).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import Connection, sql

from shared_schema.origin import ALL_WORKSPACES, WORKSPACES_SETTING

#: Owns both databases, migrates and seeds them. No service holds its password.
OWNER: Final = "botberi_owner"
IDENTITY: Final = "botberi_identity"
CATALOG: Final = "botberi_catalog"
INSTANCE: Final = "botberi_instance"
BROKER: Final = "botberi_broker"
DISPATCHER: Final = "botberi_dispatcher"
WORKER: Final = "botberi_worker"
IDENTITY_WORKER: Final = "botberi_identity_worker"
#: A group: owns pgmq's queue, where there is no RabbitMQ. kombu makes the queue's tables where they are missing.
QUEUE: Final = "botberi_queue"
SERVICES: Final = (IDENTITY, CATALOG, INSTANCE, BROKER, DISPATCHER, WORKER, IDENTITY_WORKER)

_READ: Final = "SELECT"
_ADD: Final = "INSERT"
_WRITE: Final = "SELECT, INSERT, UPDATE"
_ALL: Final = "SELECT, INSERT, UPDATE, DELETE"
#: To lock a row one must be allowed to change something of it. A trigger sets this column whatever is written there.
_LOCK: Final = "SELECT, UPDATE (updated_at)"

#: Columns that identity's worker reads.
_ACCOUNT: Final = (
    "id, email, display_name, role, language, version, email_verified_at, disabled_at, disabled_reason, closes_at,"
    " deleted_at, created_at, updated_at"
)
_MAIL: Final = (
    "id, kind, recipient, language, account_id, data, expires_at, used_at, attempts, next_attempt_at, last_error,"
    " sent_at, dropped_at, created_at"
)
_SESSION: Final = "id, account_id, user_agent, ip_address, last_seen_at, proved_at, expires_at, revoked_at, created_at"
_API_KEY: Final = (
    "id, account_id, name, prefix, allowed_networks, scopes, rotated_at, expires_at, last_used_at, revoked_at,"
    " created_at"
)

#: What each table of everybody's is to a service that changes rows: its triggers write there.
_CHANGES: Final = {"outbox": _ADD, "alembic_version": _READ}
_EVENTS: Final = {"outbox": "SELECT, UPDATE, DELETE", "inbox": "SELECT, DELETE", "alembic_version": _READ}
_RUNS: Final = {"instance_logs": "SELECT, INSERT", "instance_history": "SELECT, INSERT"}


@dataclass(frozen=True, slots=True)
class Rights:
    """One role's in one database: by table, and what it has on every table that is not named."""

    tables: Mapping[str, str]
    others: str | None = None


RIGHTS: Final[Mapping[str, Mapping[str, Rights]]] = {
    "user_psql": {
        # Accounts and all that belongs to them are identity's alone. What was done stays done: the audit log grows, and
        # no part that serves requests changes it.
        IDENTITY: Rights({**_CHANGES, "audit_log": "SELECT, INSERT", "inbox": "SELECT, INSERT"}, others=_ALL),
        # It brings entries of the other services to the audit log.
        BROKER: Rights({**_EVENTS, "inbox": "SELECT, INSERT, DELETE", "audit_log": _ADD}),
        # Sends mails, closes accounts, writes exports, removes what has ended. It reads no hash of a password and no
        # token.
        IDENTITY_WORKER: Rights(
            {
                **_CHANGES,
                "accounts": f"SELECT ({_ACCOUNT}), UPDATE",
                "mails": f"SELECT ({_MAIL}), INSERT, UPDATE, DELETE",
                "sessions": f"SELECT ({_SESSION}), DELETE",
                "api_keys": f"SELECT ({_API_KEY}), DELETE",
                "known_devices": "SELECT (id, account_id, user_agent, ip_address, last_used_at, created_at), DELETE",
                "data_exports": _ALL,
                "totp_factors": "SELECT (account_id, confirmed_at, created_at), DELETE",
                "recovery_codes": "SELECT (id, account_id, used_at), DELETE",
                "passkeys": "SELECT (id, account_id, name, created_at, last_used_at), DELETE",
                "challenges": "SELECT (id, account_id, expires_at), DELETE",
                "external_identities": "SELECT, DELETE",
                "workspace_members": "SELECT, DELETE",
                "audit_log": "SELECT, INSERT",
            }
        ),
    },
    "shared_psql": {
        # Its worker counts runs: of an instance it sees which agent ran, when it was made, and how it ended.
        CATALOG: Rights(
            {
                **_CHANGES,
                "agents": _WRITE,
                "templates": _WRITE,
                "agent_days": "SELECT, INSERT, UPDATE, DELETE",
                "instances": "SELECT (agent_id, created_at, status)",
            }
        ),
        INSTANCE: Rights(
            {
                **_CHANGES,
                **_RUNS,
                "agents": _LOCK,
                "templates": _LOCK,
                "instances": _WRITE,
                "schedules": _WRITE,
                "instance_artifacts": _READ,
            }
        ),
        BROKER: Rights(_EVENTS),
        DISPATCHER: Rights(
            {
                **_CHANGES,
                **_RUNS,
                "agents": _LOCK,
                "templates": _LOCK,
                "instances": _WRITE,
                "schedules": "SELECT, UPDATE",
                "instance_artifacts": "SELECT, UPDATE, DELETE",
                "inbox": "SELECT, INSERT",
            }
        ),
        # What an account leaves behind when it is closed, and what belongs into an export of it.
        IDENTITY_WORKER: Rights(
            {
                **_CHANGES,
                **_RUNS,
                "agents": "SELECT, UPDATE",
                "templates": "SELECT, UPDATE",
                "instances": "SELECT, UPDATE, DELETE",
                "schedules": "SELECT, UPDATE, DELETE",
                "instance_artifacts": _READ,
            }
        ),
        WORKER: Rights(
            {
                **_CHANGES,
                **_RUNS,
                "agents": _READ,
                "instances": "SELECT, UPDATE",
                "instance_artifacts": _WRITE,
            }
        ),
    },
}


# Row-level security, the second wall behind the services' own checks. A transaction names the workspaces that it acts
# for (`shared_schema.origin`); without a name it sees nothing. The owner of the tables is held by no policy.
_WORKSPACES: Final = f"current_setting('{WORKSPACES_SETTING}', true)"
_ALL_ROWS: Final = f"{_WORKSPACES} = '{ALL_WORKSPACES}'"
_MEMBERS: Final = f"{_ALL_ROWS} OR workspace_id::text = ANY (string_to_array({_WORKSPACES}, ','))"
_OFFERED: Final = f"status <> 'DRAFT' OR {_MEMBERS}"
_OF_INSTANCE: Final = "EXISTS (SELECT FROM instances AS i WHERE i.id = instance_id)"
_ANY_ROW: Final = "true"

#: Role -> table -> the rows that it sees and may write, each where its rights let it do anything at all.
POLICIES: Final[Mapping[str, Mapping[str, str]]] = {
    # It counts the runs of all, and may read of them what counting needs (`RIGHTS`).
    CATALOG: {"agents": _OFFERED, "templates": _OFFERED, "instances": _ANY_ROW},
    INSTANCE: {
        "agents": _OFFERED,
        "templates": _OFFERED,
        "instances": _MEMBERS,
        "schedules": _MEMBERS,
        "instance_logs": _OF_INSTANCE,
        "instance_history": _OF_INSTANCE,
        "instance_artifacts": _OF_INSTANCE,
    },
    # They serve no requests: what they do is for whatever workspace the row says.
    **{
        role: dict.fromkeys(
            (
                *("agents", "templates", "instances", "schedules"),
                *("instance_logs", "instance_history", "instance_artifacts"),
            ),
            _ANY_ROW,
        )
        for role in (DISPATCHER, WORKER, IDENTITY_WORKER)
    },
}


def grant(connection: Connection, database: str) -> None:
    """Give each role that exists the rights of this database, and take all others, in one transaction.

    Does nothing where none of the roles exists: a developer's own server has one user for everything.
    """
    present = {
        row[0] for row in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[*SERVICES]])
    }
    if not present:
        return
    tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    name = sql.Identifier(connection.info.dbname)
    with connection.transaction():
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for role in sorted(present):
            who = sql.Identifier(role)
            for kind in ("TABLES", "SEQUENCES"):
                connection.execute(sql.SQL("REVOKE ALL ON ALL " + kind + " IN SCHEMA public FROM {}").format(who))
            rights = RIGHTS[database].get(role)
            if rights is None:
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(name, who))
                continue
            connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, who))
            connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(who))
            for table, rows in POLICIES.get(role, {}).items() if database == "shared_psql" else ():
                _set_policy(connection, table, role, rows)
            for table, privileges in _given(rights, tables):
                statement = sql.SQL("GRANT " + privileges + " ON {} TO {}")
                connection.execute(statement.format(sql.Identifier("public", table), who))
            if rights.others is not None:
                # For tables that this role's own migrations of tomorrow make, between them and the next grant.
                statement = sql.SQL(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT " + rights.others + " ON TABLES TO {}"
                )
                connection.execute(statement.format(who))


def _set_policy(connection: Connection, table: str, role: str, rows: str) -> None:
    name = sql.Identifier(f"{role}_rows")
    drop = sql.SQL("DROP POLICY IF EXISTS {} ON {}")
    make = sql.SQL("CREATE POLICY {} ON {} TO {} USING (" + rows + ") WITH CHECK (" + rows + ")")
    connection.execute(drop.format(name, sql.Identifier(table)))
    connection.execute(make.format(name, sql.Identifier(table), sql.Identifier(role)))


def _given(rights: Rights, tables: list[str]) -> Iterator[tuple[str, str]]:
    for table in tables:
        privileges = rights.tables.get(table, rights.others)
        if privileges is not None:
            yield table, privileges


def make_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Make the services' roles where they are missing, with these passwords. For the owner of a server."""
    present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    with connection.transaction():
        # What `SHOW` and the log of statements would otherwise keep is the password itself.
        connection.execute("SET LOCAL log_statement = 'none'")
        connection.execute("SET LOCAL password_encryption = 'scram-sha-256'")
        if QUEUE not in present:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(QUEUE)))
        for role, password in passwords.items():
            verb = "ALTER" if role in present else "CREATE"
            statement = sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {}")
            connection.execute(statement.format(sql.Identifier(role), sql.Literal(password)))
        for role in (DISPATCHER, WORKER, IDENTITY_WORKER):
            if role in passwords:
                connection.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(QUEUE), sql.Identifier(role)))


def give_queue(connection: Connection) -> None:
    """Give pgmq's tables to the group that uses them: its members may make the queue's tables again."""
    owner = sql.Identifier(QUEUE)
    with connection.transaction():
        connection.execute(sql.SQL("ALTER SCHEMA pgmq OWNER TO {}").format(owner))
        for kind, name in connection.execute(_PGMQ_OBJECTS).fetchall():
            # Names come from the catalogue, quoted by it.
            connection.execute(sql.SQL("ALTER " + kind + " " + name + " OWNER TO {}").format(owner))
        connection.execute(
            sql.SQL("GRANT CREATE ON DATABASE {} TO {}").format(sql.Identifier(connection.info.dbname), owner)
        )


# Sequences of identity columns go with their tables.
_PGMQ_OBJECTS: Final = """
    SELECT CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'S' THEN 'SEQUENCE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END,
        c.oid::regclass::text
    FROM pg_class AS c
    WHERE c.relnamespace = 'pgmq'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S', 'c')
        AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype IN ('a', 'i')
            AND d.refobjsubid > 0)
    UNION ALL
    SELECT 'ROUTINE', p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = 'pgmq'::regnamespace
"""
