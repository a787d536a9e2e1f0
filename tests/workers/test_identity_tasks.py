"""Identity's background work: mails go out once, exports hold everything, closed accounts leave nothing."""

import asyncio
import email
import email.policy
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope
from psycopg.rows import dict_row
from sqlalchemy.exc import OperationalError

from shared_schema import platform_account
from shared_schema.ids import new_id
from tests.platform.running import free_ports
from workers.identity import closing, export, letters, post, prune
from workers.identity.feeder import CLOSE, EXPORT, MAIL, Feeder
from workers.identity.tools import Tools
from workers.settings import IdentityWorkerSettings

pytestmark = pytest.mark.postgres

SECRET = "a secret of tests alone with 32 characters"


class Accounts:
    """Rows of both databases, as tests write and read them."""

    def __init__(self, user_url: str, shared_url: str) -> None:
        self.users = psycopg.connect(user_url, autocommit=True, row_factory=dict_row)
        self.shared = psycopg.connect(shared_url, autocommit=True, row_factory=dict_row)

    def add(self, address: str | None = None) -> tuple[UUID, str]:
        account_id, address = new_id(), address or f"u{new_id().hex}@example.com"
        self.users.execute(
            "INSERT INTO accounts (id, email, display_name, password_hash) VALUES (%s, %s, 'Ada', '$argon2id$x')",
            [account_id, address],
        )
        return account_id, address

    def mail(self, kind: str, recipient: str, *, seconds: int | None = 3600, **data: Any) -> UUID:
        mail_id = new_id()
        self.users.execute(
            "INSERT INTO mails (id, kind, recipient, data, expires_at)"
            " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))",
            [mail_id, kind, recipient, json.dumps(data), seconds],
        )
        return mail_id

    def row(self, table: str, row_id: UUID) -> dict[str, Any]:
        [found] = self.users.execute(f"SELECT * FROM {table} WHERE id = %s", [row_id]).fetchall()  # type: ignore[call-overload]
        return cast(dict[str, Any], found)

    def count(self, statement: str, *values: object) -> int:
        """How many rows of both databases' connection `shared` a statement has."""
        found = self.shared.execute(f"SELECT count(*) AS n FROM {statement}", values).fetchone()  # type: ignore[call-overload]
        return int(found["n"])


@pytest.fixture
def accounts(user_database_url: str, shared_database_url: str) -> Iterator[Accounts]:
    made = Accounts(user_database_url, shared_database_url)
    made.users.execute("DELETE FROM mails")
    yield made
    made.users.close()
    made.shared.close()


@pytest.fixture
def make_tools(user_database_url: str, shared_database_url: str, tmp_path: Path) -> Iterator[Callable[..., Tools]]:
    opened: list[Tools] = []

    def make(**changes: Any) -> Tools:
        usual = {"public_url": "https://botberi.example", "identity_secret": SECRET, "state_dir": tmp_path}
        urls = {"user_database_url": user_database_url, "shared_database_url": shared_database_url}
        opened.append(Tools(IdentityWorkerSettings(**{**urls, **usual, **changes})))
        return opened[-1]

    yield make
    for tools in opened:
        tools.close()


class MailServer:
    """An SMTP server of this process; `answers` are given to the mails to come, the last one to all others."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.answers = ["250 OK"]
        self.hold = threading.Event()
        self.hold.set()

    async def handle_DATA(self, server: SMTP, session: object, envelope: Envelope) -> str:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.startswith("250"):
            content = cast(bytes, envelope.content)
            self.taken.append(cast(EmailMessage, email.message_from_bytes(content, policy=email.policy.default)))
        await asyncio.to_thread(self.hold.wait)
        return answer


@contextmanager
def mail_server() -> Iterator[tuple[MailServer, str]]:
    handler = MailServer()
    [port] = free_ports(1)
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield handler, f"smtp+plain://127.0.0.1:{port}"
    finally:
        controller.stop()


def test_a_link_goes_to_the_mail_server_and_opens_its_row_alone(
    accounts: Accounts, make_tools: Callable[..., Tools]
) -> None:
    mail_id = accounts.mail("registration", "new@example.com", display_name="<b>Ada</b>")
    with mail_server() as (server, url):
        tools = make_tools(smtp_url=url, mail_from="Botberi <no-reply@botberi.example>")
        assert post.send(tools, mail_id) == "SENT"
        assert post.send(tools, mail_id) == "NOTHING"
    [mail] = server.taken
    assert mail["To"] == "new@example.com"
    assert mail["Message-ID"] == f"<{mail_id}@botberi.example>"
    text = mail.get_body(["plain"]).get_content()  # type: ignore[union-attr]
    html = mail.get_body(["html"]).get_content()  # type: ignore[union-attr]
    [link] = [line for line in text.splitlines() if "://" in line and "#" in line]
    assert link.startswith("https://botberi.example/account/verify#token=")
    assert link in html
    assert "Ada" not in text + html, "a name that others chose goes to no one by mail"
    token = link.partition("token=")[2]
    assert tools.keys.mail_id("registration", token) == mail_id
    assert tools.keys.mail_id("reset", token) is None
    assert accounts.row("mails", mail_id)["sent_at"] is not None


@pytest.mark.parametrize("kind", ["registration", "invitation", "new_address"])
def test_who_has_an_account_already_gets_a_mail_without_a_link(
    accounts: Accounts, make_tools: Callable[..., Tools], kind: str
) -> None:
    _, address = accounts.add()
    mail_id = accounts.mail(kind, address.upper())
    with mail_server() as (server, url):
        assert post.send(make_tools(smtp_url=url), mail_id) == "SENT"
    assert server.taken[0]["Subject"] == "You have an account already"
    assert "token=" not in server.taken[0].as_string()
    assert accounts.row("mails", mail_id)["used_at"] is not None


def test_a_reset_for_an_address_without_an_account_is_dropped(
    accounts: Accounts, make_tools: Callable[..., Tools]
) -> None:
    account_id, address = accounts.add()
    known, unknown = accounts.mail("reset", address), accounts.mail("reset", "unknown@example.com")
    with mail_server() as (server, url):
        tools = make_tools(smtp_url=url)
        assert [post.send(tools, known), post.send(tools, unknown)] == ["SENT", "DROPPED"]
        accounts.users.execute("UPDATE accounts SET disabled_at = now() WHERE id = %s", [account_id])
        assert post.send(tools, accounts.mail("reset", address)) == "DROPPED"
    assert [mail["To"] for mail in server.taken] == [address]
    assert accounts.row("mails", known)["account_id"] == account_id


def test_a_mail_waits_while_the_server_is_away_or_busy_and_is_dropped_when_refused(
    accounts: Accounts, make_tools: Callable[..., Tools]
) -> None:
    mail_id = accounts.mail("kept", "ada@example.com")
    assert post.send(make_tools(smtp_url="smtp+plain://127.0.0.1:1"), mail_id) == "LATER"
    row = accounts.row("mails", mail_id)
    assert (row["attempts"], row["sent_at"], row["dropped_at"]) == (1, None, None)
    assert "refused" in row["last_error"].lower()
    with mail_server() as (server, url):
        tools = make_tools(smtp_url=url)
        server.answers = ["451 busy", "250 OK", "554 no such mail here"]
        assert [post.send(tools, mail_id), post.send(tools, mail_id)] == ["LATER", "SENT"]
        refused = accounts.mail("kept", "ada@example.com")
        assert [post.send(tools, refused), post.send(tools, refused)] == ["REFUSED", "NOTHING"]
        old = accounts.mail("kept", "ada@example.com")
        accounts.users.execute("UPDATE mails SET created_at = now() - interval '2 days' WHERE id = %s", [old])
        server.answers = ["451 busy"]
        assert post.send(tools, old) == "GIVEN_UP"
    assert len(server.taken) == 1


def test_starttls_is_not_given_up_where_the_server_offers_none(
    accounts: Accounts, make_tools: Callable[..., Tools]
) -> None:
    mail_id = accounts.mail("kept", "ada@example.com")
    with mail_server() as (server, url):
        assert post.send(make_tools(smtp_url=url.replace("smtp+plain", "smtp")), mail_id) == "LATER"
    assert server.taken == []


def test_two_workers_send_a_mail_once_and_a_crash_repeats_it_under_the_same_id(
    accounts: Accounts, make_tools: Callable[..., Tools]
) -> None:
    mail_id = accounts.mail("kept", "ada@example.com")
    with mail_server() as (server, url), ThreadPoolExecutor(1) as pool:
        first, second = make_tools(smtp_url=url), make_tools(smtp_url=url)
        server.hold.clear()
        sending = pool.submit(post.send, first, mail_id)
        deadline = time.monotonic() + 10
        while not server.taken and time.monotonic() < deadline:
            time.sleep(0.01)
        assert post.send(second, mail_id) == "NOTHING", "the row is locked while the server has the mail"
        # The server has accepted the mail; its sender ends before it can say so.
        accounts.users.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'botberi-identity-worker' AND state = 'idle in transaction'"
        )
        server.hold.set()
        with pytest.raises(OperationalError):
            sending.result(10)
        assert post.send(second, mail_id) == "SENT"
    assert [mail["Message-ID"] for mail in server.taken] == [f"<{mail_id}@localhost>"] * 2


def test_developers_find_mails_in_the_state_folder_and_links_in_the_log(
    accounts: Accounts, make_tools: Callable[..., Tools], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mail_id = accounts.mail("registration", "new@example.com")
    with caplog.at_level("INFO"):
        assert post.send(make_tools(), mail_id) == "SENT"
    [file] = (tmp_path / "mails").glob("*.eml")
    assert file.stat().st_mode & 0o077 == 0
    assert "/account/verify#token=" in caplog.text


def test_production_sends_no_mail_into_a_folder() -> None:
    urls = {"user_database_url": "postgresql://u@h/d", "shared_database_url": "postgresql://u@h/d"}
    with pytest.raises(Exception, match="BOTBERI_SMTP_URL is not set"):
        IdentityWorkerSettings(env="prod", public_url="https://botberi.example", **urls).require_all()


@pytest.mark.parametrize("language", sorted(letters.languages()))
def test_every_language_has_every_mail_whole(language: str) -> None:
    english = letters._texts("en")
    own = letters._texts(language)
    assert own.keys() == english.keys()
    assert own["changes"].keys() == english["changes"].keys()
    for kind in own.keys() - {"footer", "changes"}:
        assert ("button" in own[kind]) == (kind in letters.PAGES), kind
        values: dict[str, Any] = {"address": "new@example.com", "reason": "<spam>", "change": "totp_on"}
        moment = letters.datetime.now(letters.UTC)
        letter = letters.Letter(
            new_id(),
            kind,
            "a@example.com",
            language,
            moment,
            {**values, "until": moment, "closes": moment},
            "https://x/#t",
        )
        mail = letters.write(letter, sender="B <b@example.com>", site="https://x")
        html = mail.get_body(["html"]).get_content()  # type: ignore[union-attr]
        assert "<spam>" not in html
        assert "{{" not in mail.as_string()


def test_the_feeder_sends_what_is_due_once_for_several_workers(
    accounts: Accounts, make_tools: Callable[..., Tools]
) -> None:
    account_id, _ = accounts.add()
    mail_id = accounts.mail("kept", "ada@example.com")
    export_id = new_id()
    accounts.users.execute("INSERT INTO data_exports (id, account_id) VALUES (%s, %s)", [export_id, account_id])
    accounts.users.execute("UPDATE accounts SET closes_at = now() WHERE id = %s", [account_id])
    sent: list[tuple[str, dict[str, Any]]] = []
    feeders = [Feeder(make_tools(), lambda task, values: sent.append((task, values))) for _ in range(2)]
    for feeder in feeders:
        feeder.feed()
    assert sent.count((MAIL, {"mail_id": str(mail_id)})) == 1
    assert sent.count((EXPORT, {"export_id": str(export_id)})) == 1
    assert (CLOSE, {"account_id": str(account_id)}) in sent
    accounts.users.execute("DELETE FROM accounts WHERE id = %s", [account_id])


def test_the_feeder_is_woken_by_a_new_mail(accounts: Accounts, make_tools: Callable[..., Tools]) -> None:
    sent: list[float] = []
    feeder = Feeder(make_tools(identity_sweep_seconds=60), lambda *_: sent.append(time.monotonic()))
    feeder.start()
    try:
        time.sleep(0.5)
        began = time.monotonic()
        accounts.mail("kept", "ada@example.com")
        while not sent and time.monotonic() < began + 10:
            time.sleep(0.01)
        assert sent[0] - began < 5
    finally:
        feeder.stop()
        feeder.join(5)
    assert not feeder.is_alive()


def give_things(accounts: Accounts, account_id: UUID) -> dict[str, UUID]:
    """Agents, instances with a file, and a schedule of an account."""
    made = {name: new_id() for name in ("published", "draft", "waiting", "running", "ended", "schedule", "shared")}
    for name, status in (("published", "PUBLISHED"), ("draft", "DRAFT")):
        accounts.shared.execute(
            "INSERT INTO agents (id, slug, name, workflow, publisher_id, status) VALUES (%s, %s, 'A', 'w', %s, %s)",
            [made[name], f"a{made[name].hex}", account_id, status],
        )
    for name in ("waiting", "running", "ended"):
        accounts.shared.execute(
            "INSERT INTO instances (id, owner_id, agent_id, name, parameters)"
            " VALUES (%s, %s, %s, 'mine', '{\"q\": 1}')",
            [made[name], account_id, made["published"]],
        )
    accounts.shared.execute(
        "INSERT INTO instances (id, owner_id, workspace_id, agent_id, name) VALUES (%s, %s, %s, %s, 'ours')",
        [made["shared"], account_id, new_id(), made["published"]],
    )
    accounts.shared.execute(
        "UPDATE instances SET status = 'RUNNING', attempt = 1, lease_owner = 'w',"
        " lease_expires_at = now() + interval '1 hour' WHERE id = ANY(%s)",
        [[made["running"], made["ended"]]],
    )
    accounts.shared.execute(
        "INSERT INTO instance_artifacts (id, instance_id, attempt, name, content_type, size_bytes, sha256, storage_key)"
        " VALUES (gen_random_uuid(), %s, 1, 'f.csv', 'text/csv', 1, %s, 'k')",
        [made["ended"], b"0" * 32],
    )
    accounts.shared.execute("UPDATE instances SET status = 'FAILED' WHERE id = %s", [made["ended"]])
    accounts.shared.execute(
        "INSERT INTO schedules (id, owner_id, agent_id, name, cron, next_fire_at)"
        " VALUES (%s, %s, %s, 'daily', '0 0 * * *', now())",
        [made["schedule"], account_id, made["published"]],
    )
    return made


def test_a_closed_account_leaves_nothing_but_what_was_handed_over(
    accounts: Accounts, make_tools: Callable[..., Tools]
) -> None:
    platform, _ = accounts.add(platform_account.EMAIL)
    account_id, address = accounts.add()
    made = give_things(accounts, account_id)
    accounts.users.execute("UPDATE accounts SET closes_at = now() + interval '1 day' WHERE id = %s", [account_id])
    tools = make_tools()
    assert closing.close(tools, account_id) == "NOTHING", "not before its time"
    accounts.users.execute("UPDATE accounts SET closes_at = now() WHERE id = %s", [account_id])
    assert closing.close(tools, account_id) == "LATER", "a run is still being stopped, a file is still there"
    status = {
        row["id"]: (row["status"], row["asked"])
        for row in accounts.shared.execute(
            "SELECT id, status, cancel_requested_at IS NOT NULL AS asked FROM instances WHERE workspace_id = %s",
            [account_id],
        )
    }
    assert status == {made["running"]: ("RUNNING", True), made["ended"]: ("FAILED", False)}
    accounts.shared.execute("DELETE FROM instance_artifacts WHERE instance_id = %s", [made["ended"]])
    accounts.shared.execute("UPDATE instances SET status = 'CANCELLED' WHERE id = %s", [made["running"]])
    assert closing.close(tools, account_id) == "CLOSED"
    assert closing.close(tools, account_id) == "NOTHING"

    for table in ("instances", "schedules"):
        assert accounts.count(f"{table} WHERE workspace_id = %s", account_id) == 0
    assert accounts.count("instances WHERE id = %s AND deleted_at IS NULL", made["shared"]) == 1, (
        "it is others' as well"
    )
    agents = {
        row["id"]: (row["publisher_id"], row["status"])
        for row in accounts.shared.execute("SELECT id, publisher_id, status FROM agents")
    }
    assert agents[made["published"]] == (platform, "PUBLISHED")
    assert agents[made["draft"]] == (account_id, "RETIRED")
    row = accounts.row("accounts", account_id)
    assert (row["email"], row["display_name"]) == (f"closed-{account_id}@closed.invalid", "Closed account")
    assert row["deleted_at"] is not None
    [farewell] = accounts.users.execute("SELECT kind, recipient FROM mails").fetchall()
    assert farewell == {"kind": "closed", "recipient": address}
    accounts.users.execute("DELETE FROM accounts WHERE id = %s", [platform])


def test_agents_may_be_retired_instead(accounts: Accounts, make_tools: Callable[..., Tools]) -> None:
    platform, _ = accounts.add(platform_account.EMAIL)
    account_id, _ = accounts.add()
    agent = new_id()
    accounts.shared.execute(
        "INSERT INTO agents (id, slug, name, workflow, publisher_id, status)"
        " VALUES (%s, %s, 'A', 'w', %s, 'PUBLISHED')",
        [agent, f"a{agent.hex}", account_id],
    )
    accounts.users.execute("UPDATE accounts SET closes_at = now() WHERE id = %s", [account_id])
    assert closing.close(make_tools(closed_accounts_agents="retire"), account_id) == "CLOSED"
    assert accounts.count("agents WHERE id = %s AND status = 'RETIRED'", agent) == 1
    accounts.users.execute("DELETE FROM accounts WHERE id = %s", [platform])


def test_an_export_has_all_of_the_account_and_no_secret(
    accounts: Accounts, make_tools: Callable[..., Tools], tmp_path: Path
) -> None:
    account_id, address = accounts.add()
    made = give_things(accounts, account_id)
    accounts.users.execute(
        "INSERT INTO sessions (id, account_id, token_hash, user_agent, expires_at)"
        " VALUES (gen_random_uuid(), %s, sha256('t'), 'Firefox', now() + interval '1 day')",
        [account_id],
    )
    export_id = new_id()
    accounts.users.execute("INSERT INTO data_exports (id, account_id) VALUES (%s, %s)", [export_id, account_id])
    tools = make_tools()
    assert export.write(tools, export_id) == "WRITTEN"
    assert export.write(tools, export_id) == "NOTHING"
    file = tmp_path / "artifacts" / accounts.row("data_exports", export_id)["storage_key"]
    text = file.read_text()
    said = json.loads(text)
    assert [row["email"] for row in said["account"]] == [address]
    assert [row["user_agent"] for row in said["sessions"]] == ["Firefox"]
    assert {row["id"] for row in said["instances"]} == {
        str(made[name]) for name in ("waiting", "running", "ended", "shared")
    }
    assert {"q": 1} in [row["parameters"] for row in said["instances"]]
    assert [row["id"] for row in said["schedules"]] == [str(made["schedule"])]
    assert {row["id"] for row in said["agents"]} == {str(made["published"]), str(made["draft"])}
    assert "argon2id" not in text
    assert "hash" not in text
    [mail] = accounts.users.execute("SELECT kind, recipient FROM mails").fetchall()
    assert mail == {"kind": "export_ready", "recipient": address}

    accounts.users.execute("UPDATE data_exports SET expires_at = now() - interval '1 s' WHERE id = %s", [export_id])
    prune.prune(tools)
    assert not file.exists()
    assert accounts.users.execute("SELECT FROM data_exports WHERE id = %s", [export_id]).rowcount == 0


def test_pruning_leaves_what_still_counts(accounts: Accounts, make_tools: Callable[..., Tools]) -> None:
    account_id, _ = accounts.add()
    waiting = accounts.mail("kept", "ada@example.com")
    old = accounts.mail("kept", "ada@example.com", seconds=None)
    unconfirmed = accounts.mail("registration", "new@example.com")
    accounts.users.execute("UPDATE mails SET sent_at = now() WHERE id = ANY(%s)", [[old, unconfirmed]])
    accounts.users.execute(
        "UPDATE mails SET created_at = now() - interval '31 days', expires_at = CASE WHEN expires_at IS NULL THEN NULL"
        " ELSE now() - interval '2 days' END WHERE id = ANY(%s)",
        [[old, unconfirmed]],
    )
    challenges = {new_id(): "-1 minute", new_id(): "1 minute"}
    for challenge_id, ends in challenges.items():
        accounts.users.execute(
            "INSERT INTO challenges (id, kind, account_id, created_at, expires_at)"
            " VALUES (%s, 'k', %s, now() - interval '1 hour', now() + %s::interval)",
            [challenge_id, account_id, ends],
        )
    assert prune.prune(make_tools()) == "DONE"
    assert [row["id"] for row in accounts.users.execute("SELECT id FROM mails")] == [waiting]
    kept = [row["id"] for row in accounts.users.execute("SELECT id FROM challenges")]
    assert kept == [list(challenges)[1]]
