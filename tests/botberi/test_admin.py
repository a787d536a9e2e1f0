"""`botberi admin`: the first admin, roles, and secrets that are sealed again."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from click.testing import Result
from psycopg.rows import dict_row
from typer.testing import CliRunner

from botberi.cli import app
from shared_schema.ids import new_id
from shared_schema.links import Keys

OLD, NEW = "the old secret that has 32 characters", "the new secret that has 32 characters"

pytestmark = pytest.mark.postgres


@pytest.fixture
def rows(user_database_url: str) -> Iterator[psycopg.Connection[dict[str, object]]]:
    with psycopg.connect(user_database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def botberi(user_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`botberi admin …` in this process."""

    def run(*arguments: str, given: str = "", **environment: str) -> Result:
        monkeypatch.setenv("BOTBERI_USER_DATABASE_URL", user_database_url)
        monkeypatch.setenv("BOTBERI_PASSWORD_MEMORY_KIB", "64")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, arguments, input=given)

    return run


def test_the_first_admin_and_a_role(
    botberi: Callable[..., Result], rows: psycopg.Connection[dict[str, object]]
) -> None:
    weak = botberi("admin", "create", "ada@example.com", "--password-stdin", given="short\n")
    assert weak.exit_code == 1
    assert "at least 12 characters" in weak.stderr
    made = botberi("admin", "create", "Ada@Example.com", "--name", "Ada", "--password-stdin", given="a first admin\n")
    assert made.exit_code == 0, made.stderr
    assert "a first admin" not in made.stdout
    [account] = rows.execute(
        "SELECT id, email, role, email_verified_at IS NOT NULL AS is_proved FROM accounts"
    ).fetchall()
    assert (account["email"], account["role"], account["is_proved"]) == ("ada@example.com", "admin", True)
    assert botberi("admin", "create", "ada@example.com").exit_code == 1

    session = (
        "INSERT INTO sessions (id, account_id, token_hash, expires_at)"
        " VALUES (%s, %s, sha256('t'), now() + interval '1 day')"
    )
    rows.execute(session, [new_id(), account["id"]])
    given = botberi("admin", "grant", "ada@example.com", "curator")
    assert given.exit_code == 0, given.stderr
    [left] = rows.execute(
        "SELECT role, (SELECT count(*) FROM sessions WHERE revoked_at IS NULL) AS open FROM accounts"
    ).fetchall()
    assert left == {"role": "curator", "open": 0}
    actions = [row["action"] for row in rows.execute("SELECT action FROM audit_log ORDER BY seq")]
    assert actions == ["account.register", "account.set_role"]
    assert "no account" in botberi("admin", "grant", "x@example.com", "admin").stderr
    rows.execute("DELETE FROM accounts")


def test_sealed_secrets_are_sealed_again(
    botberi: Callable[..., Result], rows: psycopg.Connection[dict[str, object]]
) -> None:
    account = new_id()
    rows.execute(
        "INSERT INTO accounts (id, email, display_name, password_hash) VALUES (%s, 'b@example.com', 'B', '$argon2id$')",
        [account],
    )
    sealed = Keys([OLD.encode()]).seal(b"app")
    rows.execute("INSERT INTO totp_factors (account_id, secret) VALUES (%s, %s)", [account, sealed])
    lost = botberi("admin", "reseal", BOTBERI_IDENTITY_SECRET=NEW)
    assert lost.exit_code == 1
    done = botberi("admin", "reseal", BOTBERI_IDENTITY_SECRET=f"{NEW},{OLD}")
    assert done.exit_code == 0, done.stderr
    [row] = rows.execute("SELECT secret FROM totp_factors").fetchall()
    assert Keys([NEW.encode()]).open(bytes(row["secret"])) == b"app"  # type: ignore[call-overload]
