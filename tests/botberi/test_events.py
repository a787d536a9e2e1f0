"""`botberi events`: what an operator sees and does when events wait, die or are wanted again."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from typer.testing import CliRunner, Result

from botberi.cli import app
from botberi.events.moments import moment
from event_broker.amqp import AmqpBus
from event_broker.bus import Bus, Handler
from event_broker.connection import connect
from event_broker.delivery import RetryPolicy
from event_broker.memory import MemoryBus
from event_broker.replay import Replay, ReplayStalled, Selection, topics_of
from event_broker.service import EventBroker
from event_broker.settings import EventBrokerSettings
from event_broker.topology import QUEUES, QueueSpec
from shared_schema.contracts.events import Event
from shared_schema.ids import new_id
from tests.support.postgres import TestPostgres

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 5, 6, 12, 0, tzinfo=UTC)
Urls = dict[str, str]


@pytest.fixture
def urls(postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Urls]:
    """Two databases of the test's own, which the command finds in its environment."""
    names = {name: postgres.migrated(name) for name in ("user_psql", "shared_psql")}
    made = {name: postgres.url(database) for name, database in names.items()}
    monkeypatch.setenv("BOTBERI_USER_DATABASE_URL", made["user_psql"])
    monkeypatch.setenv("BOTBERI_SHARED_DATABASE_URL", made["shared_psql"])
    monkeypatch.delenv("BOTBERI_AMQP_URL", raising=False)
    yield made
    for database in names.values():
        postgres.drop(database)


def botberi(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["events", *arguments])


def answered(*arguments: str) -> Any:
    result = botberi(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def run_for_answer(*arguments: str) -> tuple[int, Any]:
    """The exit code, and the answer (nothing where there is none)."""
    result = botberi(*arguments, "--json")
    return result.exit_code, json.loads(result.stdout or "{}")


def add_agents(url: str, count: int) -> list[UUID]:
    ids = [new_id() for _ in range(count)]
    with psycopg.connect(url) as connection:
        for one in ids:
            connection.execute(
                "INSERT INTO agents (id, slug, name, workflow, publisher_id) VALUES (%s, %s, 'Agent', 'w', %s)",
                (one, f"agent-{one.hex}", new_id()),
            )
    return ids


@contextmanager
def broker(urls: Urls, make: Callable[[], Bus], queue: str, handler: Handler) -> Iterator[None]:
    """An event broker with one consumer, in a loop of its own beside the command's."""
    ready, ended = threading.Event(), threading.Event()

    async def main() -> None:
        bus, stop = make(), asyncio.Event()
        await bus.start()
        running = asyncio.create_task(EventBroker(urls, bus, EventBrokerSettings(relay_poll_seconds=0.1)).run(stop))
        await bus.consume(queue, ["agent.*"], handler)
        ready.set()
        await asyncio.to_thread(ended.wait)
        stop.set()
        await running
        await bus.aclose()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    try:
        assert ready.wait(30)
        yield
    finally:
        ended.set()
        thread.join(30)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1500):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError("the condition did not hold within 30 s")


def test_lag_says_what_waits_and_why(urls: Urls) -> None:
    add_agents(urls["shared_psql"], 3)
    with psycopg.connect(urls["shared_psql"]) as connection:
        connection.execute("UPDATE outbox SET attempts = 2, last_error = 'PUBLISH: no route' WHERE seq = 1")
    found = answered("lag")
    assert found["queues"] is None
    user, shared = found["outboxes"]
    assert (user["database"], user["waiting"], user["oldest_seconds"]) == ("user_psql", 0, 0)
    assert (shared["waiting"], shared["failing"], shared["relays"], shared["partitions"]) == (3, 1, 0, 0)
    assert shared["oldest_seconds"] > 0
    assert shared["failures"][0]["error"] == "PUBLISH: no route"
    output = botberi("lag").stdout
    assert "failed 2 times" in output
    assert "no broker relays it" in output


def test_lag_names_the_transaction_that_holds_events_back(urls: Urls) -> None:
    with psycopg.connect(urls["shared_psql"], application_name="forgotten") as open_one:
        open_one.execute("SELECT pg_current_xact_id()")
        add_agents(urls["shared_psql"], 1)
        shared = answered("lag")["outboxes"][1]
    assert (shared["held"], shared["holder"]["application"]) == (1, "forgotten")
    assert shared["holder"]["state"] == "idle in transaction"


def test_lag_is_a_check_for_monitoring(urls: Urls) -> None:
    assert botberi("lag", "--max-seconds", "0").exit_code == 0
    add_agents(urls["shared_psql"], 1)
    late = botberi("lag", "--max-seconds", "0")
    assert late.exit_code == 1
    assert "shared_psql: the oldest event has waited longer than 0 s" in late.stderr


def test_replay_sends_the_same_events_again(urls: Urls) -> None:
    got: list[Event] = []

    async def handler(event: Event) -> None:
        got.append(event)

    with broker(urls, MemoryBus, "audit", handler):
        agents = add_agents(urls["shared_psql"], 700)
        until(lambda: len(got) == 700)
        first = {event.id: event for event in got}
        got.clear()

        plan = answered("replay", "--since", "1h", "--type", "agent.*", "--dry-run")
        assert plan["published"] == 0
        assert [(kind["event_type"], kind["events"], kind["aggregates"]) for kind in plan["matched"]] == [
            ("agent.created", 700, 700)
        ]
        refused = botberi("replay", "--since", "1h")
        assert refused.exit_code == 1
        assert "say --yes" in refused.stderr
        assert got == []

        done = botberi("replay", "--since", "1h", "--type", "agent.created", "--yes")
        assert done.exit_code == 0, done.output
        assert "700 of 700 published again" in done.stdout
        until(lambda: len(got) == 700)
        assert {event.id: event for event in got} == first
        got.clear()

        one = answered("replay", "--since", "1h", "--aggregate", str(agents[5]), "--yes")
        assert one["published"] == 1
        until(lambda: [event.subject for event in got] == [agents[5]])
        assert answered("replay", "--since", "1h", "--database", "user_psql", "--yes")["published"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "yesterday"], "'yesterday' is no time: write 2026-01-31"),
        (["--since", "1h", "--type", "run.*"], "no event type matches 'run.*'; there are: account.created"),
        (["--since", "1h", "--type", "a..b"], "not a topic pattern"),
        (["--since", "1h", "--until", "2h"], "--since is not before --until"),
    ],
)
def test_a_replay_that_cannot_be_meant_is_refused(urls: Urls, arguments: list[str], said: str) -> None:
    result = botberi("replay", *arguments, "--yes")
    assert result.exit_code == 1
    assert said in result.stderr


async def test_a_replay_without_a_broker_stops_and_says_so(urls: Urls) -> None:
    add_agents(urls["shared_psql"], 1)
    connection = await connect(urls["shared_psql"], "test")
    await connection.execute("UPDATE outbox SET published_at = now()")
    now = datetime.now(UTC)
    everything = Selection(now - timedelta(hours=1), now + timedelta(hours=1), topics_of([]))
    with pytest.raises(ReplayStalled, match="1 rows have been waiting"):
        _ = [count async for count in Replay(connection, everything, timeout_seconds=0.2).run()]
    assert await connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL") == 1
    await connection.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-05-06", datetime(2026, 5, 6, tzinfo=UTC)),
        ("2026-05-06T10:30", datetime(2026, 5, 6, 10, 30, tzinfo=UTC)),
        ("2026-05-06T10:30:00Z", datetime(2026, 5, 6, 10, 30, tzinfo=UTC)),
        ("2026-05-06T12:30+02:00", datetime(2026, 5, 6, 10, 30, tzinfo=UTC)),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        (" 3d ", NOW - timedelta(days=3)),
    ],
)
def test_moments(text: str, expected: datetime) -> None:
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "3", "-3d", "3y", "2026-13-01", "999999w"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match="is no time: write"):
        moment(text, NOW)


def test_without_rabbitmq_dead_letters_say_where_they_are(urls: Urls) -> None:
    result = botberi("dead-letters", "list")
    assert result.exit_code == 1
    assert "BOTBERI_AMQP_URL is not set" in result.stderr


def test_a_database_that_does_not_answer_is_said_without_its_password(
    urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOTBERI_SHARED_DATABASE_URL", "postgresql://someone:hunter2@127.0.0.1:1/none")
    result = botberi("lag")
    assert result.exit_code == 1
    assert "shared_psql does not answer" in result.stderr
    assert "hunter2" not in result.output


@pytest.mark.rabbitmq
def test_dead_letters_are_seen_and_sent_again(urls: Urls, amqp_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOTBERI_AMQP_URL", amqp_url)
    queue = f"test-{uuid4().hex}"
    got: list[Event] = []
    broken = True

    async def handler(event: Event) -> None:
        if broken:
            raise RuntimeError("the printer is on fire")
        got.append(event)

    retry = RetryPolicy(attempts=2, first_delay=0.01)
    with broker(urls, lambda: AmqpBus(amqp_url, name="test", retry=retry, close_timeout=1.0), queue, handler):
        agents = add_agents(urls["shared_psql"], 3)
        letters: Any = []

        def are_dead() -> bool:
            nonlocal letters
            letters = answered("dead-letters", "list", queue)
            return len(letters) == 3

        until(are_dead)
        assert {letter["event"]["subject"] for letter in letters} == {str(one) for one in agents}
        assert {(one["reason"], one["attempts"]) for one in letters} == {("RuntimeError: the printer is on fire", 2)}
        assert datetime.fromisoformat(letters[0]["died"]) <= datetime.now(UTC)
        # Looking changes nothing, though what a command looked at comes back to the queue a moment after it has ended
        # only.
        until(lambda: bool(answered("dead-letters", "list", queue, "--limit", "2") == letters[:2]))
        until(lambda: botberi("dead-letters", "list", queue).stdout.count("the printer is on fire") == 3)
        until(lambda: run_for_answer("dead-letters", "show", queue, letters[1]["id"]) == (0, letters[1]))
        until(lambda: "has no dead letter nothing (of 3)" in botberi("dead-letters", "show", queue, "nothing").stderr)
        assert botberi("dead-letters", "show", queue, "nothing").exit_code == 1

        assert botberi("dead-letters", "redrive", queue).exit_code == 2
        until(lambda: botberi("dead-letters", "redrive", queue, "--all").exit_code == 1)

        def would_all_be_sent() -> bool:
            dry = answered("dead-letters", "redrive", queue, "--all", "--dry-run")
            assert dry["sent"] == 0
            return bool(dry["matched"] == [one["id"] for one in letters])

        until(would_all_be_sent)

        # Still broken: it comes back, and says how often it was tried again.
        until(lambda: bool(run_for_answer("dead-letters", "redrive", queue, letters[0]["id"], "--yes")[1]["sent"] == 1))
        until(lambda: [one["redriven"] for one in answered("dead-letters", "list", queue)] == [0, 0, 1])
        broken = False

        def is_one_missing() -> bool:
            code, found = run_for_answer("dead-letters", "redrive", queue, letters[0]["id"], "nothing", "--yes")
            assert code == 1
            return bool(found["missing"] == ["nothing"])

        until(is_one_missing)
        until(lambda: [str(event.id) for event in got] == [letters[0]["id"]])
        sent = 0

        def both_sent() -> bool:
            nonlocal sent
            sent += answered("dead-letters", "redrive", queue, "--all", "--yes")["sent"]
            return sent == 2

        until(both_sent)
        until(lambda: len(got) == 3)
        assert answered("dead-letters", "list", queue) == []
    queues = {one["queue"]: one for one in answered("lag")["queues"]}
    assert QUEUES[0].name in queues
    assert queues[QUEUES[0].name]["dead"] is not None
    assert botberi("dead-letters", "list", QueueSpec("never-declared", ()).name).exit_code == 1
