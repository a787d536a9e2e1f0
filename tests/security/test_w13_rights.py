"""W13: a service that is taken over has the rights of that service: one database role and one RabbitMQ user each."""

import re
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
import yaml
from psycopg.errors import InsufficientPrivilege
from pydantic import ValidationError

from botberi import settings_table
from botberi.postgres import DATABASES, EmbeddedPostgres
from botberi.settings import UpSettings
from event_broker.audit_trail import AuditTrail
from event_broker.memory import MemoryBus
from event_broker.outbox import Outbox
from shared_schema import roles
from shared_schema.contracts.events import AuditRecorded, Event
from shared_schema.database import Database
from shared_schema.ids import new_id
from shared_schema.migrate import upgrade
from shared_schema.settings import DEVELOPMENT
from subgraphs.identity.settings import IdentitySettings
from subgraphs.instance.settings import InstanceSettings
from workers.settings import WorkerSettings

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "env"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A server as `botberi up` makes it: both databases, the roles, their rights."""
    with tempfile.TemporaryDirectory(prefix="botberi-rights-", dir="/tmp") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "state", 0, durable=False) as server:
            for database in DATABASES:
                upgrade(database, server.url(database))  # type: ignore[arg-type]
            yield server


def rights(server: EmbeddedPostgres, role: str, database: str) -> dict[str, set[str]]:
    """What a role has, by table."""
    query = """SELECT t.tablename, p.privilege FROM pg_tables AS t,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p(privilege)
        WHERE t.schemaname = 'public' AND has_table_privilege(%s, 'public.' || t.tablename, p.privilege)"""
    found: dict[str, set[str]] = {}
    with psycopg.connect(server.url(database)) as connection:
        for table, privilege in connection.execute(query, [role]):
            found.setdefault(table, set()).add(privilege)
    return found


@pytest.mark.postgres
@pytest.mark.parametrize("role", roles.SERVICES)
def test_no_service_is_a_superuser_or_makes_roles_and_databases(server: EmbeddedPostgres, role: str) -> None:
    query = "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %s"
    with psycopg.connect(server.url("user_psql")) as connection:
        assert connection.execute(query, [role]).fetchone() == (False,) * 5


OTHERS = [(role, name) for name in DATABASES for role in roles.SERVICES if role not in roles.RIGHTS[name]]


@pytest.mark.postgres
@pytest.mark.parametrize(("role", "database"), OTHERS)
def test_a_service_that_has_no_business_in_a_database_does_not_get_in(
    server: EmbeddedPostgres, role: str, database: str
) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(server.role_url(role, database), connect_timeout=5)


@pytest.mark.postgres
def test_accounts_and_passwords_are_identitys_alone(server: EmbeddedPostgres) -> None:
    for role in roles.SERVICES:
        if role not in (roles.IDENTITY, roles.IDENTITY_WORKER):
            found = rights(server, role, "user_psql")
            # The broker brings entries of other services to the audit log, and reads none.
            assert found.pop("audit_log", set()) == ({"INSERT"} if role == roles.BROKER else set()), role
            assert set(found) <= {"outbox", "inbox", "alembic_version"}, role


@pytest.mark.postgres
@pytest.mark.parametrize(
    "secret",
    [
        "password_hash FROM accounts",
        "password_hash FROM mails",
        "token_hash FROM sessions",
        "secret_hash FROM api_keys",
        "token_hash FROM known_devices",
        "secret FROM totp_factors",
        "code_hash FROM recovery_codes",
        "public_key FROM passkeys",
        "data FROM challenges",
    ],
)
def test_who_sends_mails_reads_nothing_that_signs_anybody_in(server: EmbeddedPostgres, secret: str) -> None:
    worker = server.role_url(roles.IDENTITY_WORKER, "user_psql")
    with psycopg.connect(worker) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute(f"SELECT {secret}")  # type: ignore[call-overload]


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET action = 'x'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER ALL",
        "DROP TABLE audit_log",
        "SET session_replication_role = replica",
    ],
)
def test_no_part_that_serves_requests_changes_the_audit_log(server: EmbeddedPostgres, statement: str) -> None:
    with psycopg.connect(server.role_url(roles.IDENTITY, "user_psql")) as connection:
        connection.execute("SELECT count(*) FROM audit_log")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(statement)  # type: ignore[call-overload]


@pytest.mark.postgres
@pytest.mark.parametrize("database", DATABASES)
def test_what_every_service_may_change_is_what_it_is_for(server: EmbeddedPostgres, database: str) -> None:
    changers: dict[str, set[str]] = {}
    for role in roles.RIGHTS[database]:
        for table, found in rights(server, role, database).items():
            assert not found & {"TRUNCATE", "REFERENCES", "TRIGGER"}, (role, table)
            if found & {"INSERT", "UPDATE", "DELETE"}:
                changers.setdefault(table, set()).add(role.removeprefix("botberi_"))
    assert "alembic_version" not in changers
    if database == "shared_psql":
        assert changers["agents"] == changers["templates"] == {"catalog", "identity_worker"}
        assert changers["instances"] == {"instance", "dispatcher", "worker", "identity_worker"}
        assert changers["schedules"] == {"instance", "dispatcher", "identity_worker"}


@pytest.mark.postgres
def test_a_later_table_of_accounts_is_identitys_after_its_migration(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url("user_psql"), autocommit=True) as connection:
        connection.execute("CREATE TABLE later (id int)")
        with psycopg.connect(server.role_url(roles.IDENTITY, "user_psql")) as identity:
            identity.execute("INSERT INTO later VALUES (1)")
        connection.execute("DROP TABLE later")


@pytest.mark.postgres
def test_triggers_write_events_and_steps_with_the_rights_of_who_changes_the_row(server: EmbeddedPostgres) -> None:
    agent, owner, instance = new_id(), new_id(), new_id()
    with psycopg.connect(server.role_url(roles.CATALOG, "shared_psql")) as catalog:
        catalog.execute("SELECT set_config('botberi.workspaces', %s, true)", (str(owner),))
        catalog.execute(
            "INSERT INTO agents (id, slug, name, workflow, publisher_id, status) "
            "VALUES (%s, 'a', 'A', 'w', %s, 'PUBLISHED')",
            (agent, owner),
        )
        catalog.execute("UPDATE agents SET name = 'B' WHERE id = %s", (agent,))
    with psycopg.connect(server.role_url(roles.INSTANCE, "shared_psql")) as instances:
        instances.execute("SELECT set_config('botberi.workspaces', %s, true)", (str(owner),))
        instances.execute("SELECT id FROM agents WHERE id = %s FOR SHARE", (agent,))
        instances.execute(
            "INSERT INTO instances (id, owner_id, agent_id, name) VALUES (%s, %s, %s, 'I')", (instance, owner, agent)
        )
    with psycopg.connect(server.role_url(roles.DISPATCHER, "shared_psql")) as dispatcher:
        dispatcher.execute("UPDATE instances SET status = 'QUEUED' WHERE id = %s", (instance,))
    with psycopg.connect(server.role_url(roles.WORKER, "shared_psql")) as worker:
        worker.execute(
            "UPDATE instances SET status = 'RUNNING', attempt = 1, lease_owner = 'w',"
            " lease_expires_at = now() + interval '1 minute' WHERE id = %s",
            (instance,),
        )
    with psycopg.connect(server.role_url(roles.BROKER, "shared_psql")) as broker:
        rows = broker.execute("SELECT event_type FROM outbox ORDER BY seq").fetchall()
        assert [row[0] for row in rows][:3] == ["agent.created", "agent.updated", "instance.created"]
        broker.execute("UPDATE outbox SET published_at = now()")
        broker.execute("DELETE FROM outbox")
        with pytest.raises(InsufficientPrivilege):
            broker.execute("SELECT * FROM instances")


@pytest.mark.postgres
@pytest.mark.parametrize("database", DATABASES)
async def test_the_brokers_role_may_run_every_statement_of_its_housekeeping(
    server: EmbeddedPostgres, database: str
) -> None:
    with psycopg.connect(server.url(database)) as owner:
        owner.execute(
            "INSERT INTO inbox (consumer, event_id, handled_at) "
            "VALUES ('test', gen_random_uuid(), now() - interval '9 days')"
        )
    connection = await asyncpg.connect(server.role_url(roles.BROKER, database))
    try:
        outbox = Outbox(connection)
        await outbox.backlog()
        await outbox.prune(timedelta(days=7), 100)
        assert await outbox.forget(timedelta(days=30), 100) == 0
        assert await outbox.forget(timedelta(days=7), 100) == 1
    finally:
        await connection.close()


@pytest.mark.postgres
async def test_the_brokers_role_may_add_an_entry_to_the_audit_log_once(server: EmbeddedPostgres) -> None:
    database = Database(server.role_url(roles.BROKER, "user_psql"))
    entry = new_id()
    data = AuditRecorded(id=entry, version=1, source="catalog", action="agent.publish", outcome="SUCCESS")
    event = Event(id=new_id(), source="botberi/shared_psql", type="audit.recorded", subject=entry, data=data)
    try:
        trail = AuditTrail(MemoryBus(), database)
        await trail.handle(event)
        await trail.handle(event)
    finally:
        await database.aclose()
    with psycopg.connect(server.url("user_psql")) as owner:
        found = owner.execute("SELECT count(*), min(action) FROM audit_log WHERE id = %s", (entry,)).fetchone()
    assert found == (1, "agent.publish")


# -- compose, env, RabbitMQ --------------------------------------------------------------------------------------------


def assignments(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def services() -> dict[str, dict[str, str]]:
    """Each of compose's own services -> its environment in development."""
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    found = {}
    for name, service in compose["services"].items():
        if service.get("command", [""])[0] == "botberi":
            found[name] = {}
            for path in service.get("env_file", []):
                found[name] |= assignments(ROOT / path.replace("${BOTBERI_ENV:-dev}", "dev"))
    return found


def users(variable: str) -> dict[str, str]:
    """Service -> the user of its URL."""
    return {
        name: found[variable].split("://")[1].split(":")[0] for name, found in services().items() if variable in found
    }


def test_every_service_of_compose_has_its_own_database_role() -> None:
    accounts, shared = users("BOTBERI_USER_DATABASE_URL"), users("BOTBERI_SHARED_DATABASE_URL")
    assert {name: user for name, user in accounts.items() if user != roles.OWNER} == {
        "identity": roles.IDENTITY,
        "identity-worker": roles.IDENTITY_WORKER,
        "broker": roles.BROKER,
    }
    assert {name: user for name, user in shared.items() if user != roles.OWNER} == {
        "catalog": roles.CATALOG,
        "catalog-worker": roles.CATALOG,
        "instance": roles.INSTANCE,
        "broker": roles.BROKER,
        "dispatcher": roles.DISPATCHER,
        "worker": roles.WORKER,
        "identity-worker": roles.IDENTITY_WORKER,
    }
    assert {name for name, user in (accounts | shared).items() if user == roles.OWNER} == {"migrate", "seed"}


def test_every_service_of_compose_has_its_own_rabbitmq_user() -> None:
    found = users("BOTBERI_AMQP_URL")
    assert set(found) == {
        "gateway",
        "broker",
        "dispatcher",
        "worker",
        "catalog-worker",
        "identity-worker",
        "beat",
        "flower",
    }
    assert len(set(found.values())) == len(found)
    script = (ROOT / "infra/rabbitmq/users.sh").read_text()
    for name, user in found.items():
        assert re.search(rf"^user {user} ", script, re.MULTILINE), name


def test_the_roles_of_the_script_are_those_of_the_code() -> None:
    script = (ROOT / "infra/postgres/init.sql").read_text()
    made = set(re.findall(r"^CREATE ROLE (\w+)", script, re.MULTILINE))
    assert made == {*roles.SERVICES, roles.OWNER, roles.QUEUE}
    assert "SUPERUSER" not in script.replace("NOSUPERUSER", "")


def test_secrets_of_development_begin_so_that_production_knows_them() -> None:
    secret = re.compile(r"(PASSWORD|PASS|SECRET)$")
    for path in (ENVIRONMENTS / "dev").glob("*.env"):
        for name, value in assignments(path).items():
            if secret.search(name):
                assert value.startswith(DEVELOPMENT), f"{path.name}: {name}"
            if "://" in value and "@" in value:
                assert value.split("://")[1].split("@")[0].split(":")[1].startswith(DEVELOPMENT), f"{path.name}: {name}"


SECRETS = [
    (UpSettings, "BOTBERI_AMQP_URL", "amqp://botberi:{}@rabbitmq:5672/"),
    (UpSettings, "BOTBERI_USER_DATABASE_URL", "postgresql://botberi:{}@postgres:5432/user_psql"),
    (
        WorkerSettings,
        "BOTBERI_SHARED_DATABASE_URL",
        "postgresql://botberi:{}@postgres:5432/shared_psql?sslmode=require",
    ),
    (IdentitySettings, "BOTBERI_USER_DATABASE_URL", "postgresql://botberi:{}@postgres:5432/user_psql"),
    (InstanceSettings, "BOTBERI_ARTIFACTS_SECRET", "{}-0123456789abcdef0123456789"),
]


@pytest.mark.parametrize(("settings", "variable", "value"), SECRETS)
def test_production_refuses_values_of_development(
    settings: type, variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTBERI_ENV", "prod")
    for password in ("development-only", "development", "development%2Donly"):
        monkeypatch.setenv(variable, value.format(password))
        with pytest.raises(ValidationError, match=f"{variable} has a value that begins with `development`") as caught:
            settings()
        assert value.format(password) not in str(caught.value)
    monkeypatch.setenv(variable, value.format("K3p-0123456789abcdef0123456789"))
    settings()
    monkeypatch.setenv("BOTBERI_ENV", "dev")
    monkeypatch.setenv(variable, value.format("development-only"))
    settings()


def test_every_service_of_compose_knows_whether_it_is_in_production() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    for name in services():
        assert compose["services"][name]["environment"]["BOTBERI_ENV"] == "${BOTBERI_ENV:-dev}", name


#: Names that are no settings of a part -> the file that reads them.
NO_SETTINGS = {
    "BOTBERI_TAG": "compose.yaml",
    "BOTBERI_PUBLIC_PORT": "compose.yaml",
    "BOTBERI_UV": "infra/bootstrap.sh",
    "BOTBERI_PYTHON": "infra/bootstrap.sh",
    "BOTBERI_KILL_POINTS": "shared_schema/killpoints.py",
    "BOTBERI_CHECKS_LINES": "lab/checks/steps.py",
    "BOTBERI_COVERAGE_FOLDER": "lab/checks/coverage.py",
    "BOTBERI_BENCH_CACHE": "lab/bench/peers.py",
    "BOTBERI_FUZZ_SECONDS": "tests/fuzz/test_fuzz.py",
    "BOTBERI_FUZZ_SEED": "tests/fuzz/test_fuzz.py",
    "BOTBERI_MODEL_EXAMPLES": "tests/workers/test_model.py",
    # Read by Compose, and by the script that makes secrets.
    "BOTBERI_DATA": "compose.yaml",
    "BOTBERI_SECRETS": "compose.prod.yaml",
    "BOTBERI_CERTIFICATES": "compose.prod.yaml",
    "BOTBERI_HTTP_PORT": "compose.prod.yaml",
    "BOTBERI_HTTPS_PORT": "compose.prod.yaml",
    "BOTBERI_SSLMODE": "infra/make_secrets.sh",
    "BOTBERI_TEST_CONTAINERS": "lab/checks/command.py",
    "BOTBERI_TEST_LOGS": "tests/containers/stack.py",
    "BOTBERI_RANDOM_SETS": "gateway/tests/composition/test_random_sets.py",
    "BOTBERI_TIMING_SAMPLES": "tests/security/test_account_timing.py",
    "BOTBERI_TEST_AMQP_URL": "tests/conftest.py",
    "BOTBERI_TEST_POSTGRES_URL": "tests/conftest.py",
    "BOTBERI_TEST_CHROMIUM": "gateway/tests/transport/test_graphiql.py",
}


def test_every_name_in_every_file_is_a_setting_that_exists() -> None:
    """nginx.conf spoke of BOTBERI_SECURE_COOKIES, which nothing reads: cookies stayed insecure, without a word."""
    known = set(settings_table.settings())
    texts = {path: path.read_text(errors="replace") for path in tracked() if path.suffix not in (".lock", ".snap")}
    for name, reader in NO_SETTINGS.items():
        assert name in texts[ROOT / reader], f"{reader} does not read {name} any more"
    unknown = {
        f"{path.relative_to(ROOT)}: {name}"
        for path, text in texts.items()
        if path != Path(__file__)
        for name in re.findall(r"\bBOTBERI_[A-Z0-9_]*[A-Z0-9]\b", text)
        # `BOTBERI_RUN_…` in a text speaks of several.
        # `…_FILE` names a file with the value.
        if name not in known | set(NO_SETTINGS)
        and name.removesuffix("_FILE") not in known
        # A path in the gateway's own configuration, which its loader checks (gateway/tests/config).
        and not name.startswith("BOTBERI_GATEWAY__")
        and not any(other.startswith(f"{name}_") for other in known)
    }
    assert unknown == set()


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).is_file()]
