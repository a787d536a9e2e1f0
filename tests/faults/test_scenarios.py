"""Single faults that chance would seldom arrange, one after another; after each the checker looks at everything."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import psycopg
import pytest
import pytest_asyncio

from lab.faults.checker import check, lost_events
from lab.faults.clock import NOTICED_SECONDS, WrongClock, library
from lab.faults.environment import DISPATCHERS, LEASE_SECONDS, RELAYS, WORKERS, Environment
from lab.faults.rabbitmq import ALARMS, installed
from lab.faults.trace import Trace
from lab.faults.workload import Workload

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.timeout(600),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not installed(), reason="the fault suite needs Debian's rabbitmq-server"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workload() -> AsyncIterator[Workload[Environment]]:
    """The platform on its environment."""
    with (
        TemporaryDirectory(prefix="botberi-scenes-", dir="/tmp", ignore_cleanup_errors=True) as folder,
        closing(Trace(Path(folder) / "trace.jsonl")) as trace,
    ):
        async with Workload(Environment(Path(folder), trace), 1, trace) as standing:
            yield standing


def rows(workload: Workload[Environment], statement: str) -> list[tuple[str, ...]]:
    url = workload.environment.database_url("shared_psql")
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        done = connection.execute(statement)
        return done.fetchall() if done.description else []


async def test_without_wake_ups_polling_brings_everything(workload: Workload[Environment]) -> None:
    for switch in ("DISABLE", "ENABLE"):
        rows(workload, f"ALTER TABLE outbox {switch} TRIGGER outbox_ring")
        if switch == "DISABLE":
            await workload.some(15)
            await workload.settle()
    assert len(workload.evidence.rows) == 15
    assert check(workload.evidence) == []


async def test_another_relay_takes_over_before_the_first_is_back(workload: Workload[Environment]) -> None:
    for name in RELAYS:
        assert workload.environment.services[name].kill(pause=600.0)
        await workload.some(5)
        await workload.settle()
        assert check(workload.evidence) == []
        assert workload.environment.services[name].pid is None, "the other did not do it alone"
        workload.environment.services[name].revive()
        while workload.environment.services[name].pid is None:  # noqa: ASYNC110 - a process sends no signal for it
            await asyncio.sleep(0.2)


async def test_a_worker_that_slept_through_its_lease_writes_nothing(workload: Workload[Environment]) -> None:
    slept = await _put_a_holder_to_sleep(workload)
    await asyncio.sleep(LEASE_SECONDS + 3.0)
    os.kill(slept, signal.SIGCONT)
    await workload.settle()
    assert check(workload.evidence) == []
    assert any(row.attempt > 1 for row in workload.evidence.rows)
    logs = [(workload.environment.folder / "logs" / f"{name}.log").read_text(errors="replace") for name in WORKERS]
    assert any("FENCED" in log for log in logs), "\n".join(logs)[-3000:]


async def _put_a_holder_to_sleep(workload: Workload[Environment]) -> int:
    """The process that holds a run which is not cancelled, stopped in the middle of it."""
    running = "SELECT id::text, lease_owner FROM instances WHERE status = 'RUNNING'"
    for _ in range(20):
        making = asyncio.create_task(workload.some(10))
        while not making.done() or rows(workload, "SELECT 1 FROM instances WHERE status IN ('PENDING', 'QUEUED')"):
            for run, owner in rows(workload, running):
                pid = int(owner.split(":")[1])
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                    # What it had sent to the database before is done by now, and so are the cancels of this round.
                    await asyncio.sleep(0.2)
                    held = (run, owner) in rows(workload, running)
                    await making
                    ended = (
                        f"SELECT 1 FROM instances WHERE id = '{run}' "
                        "AND (cancel_requested_at IS NOT NULL OR status = 'CANCELLED')"
                    )
                    if held and not rows(workload, ended):
                        return pid
                    os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(0.01)
    raise AssertionError("no run was ever held for long enough")


async def test_a_broker_that_forgot_everything_is_filled_again(workload: Workload[Environment]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(workload.some(30))
        await asyncio.sleep(1.0)
        await workload.environment.restart_rabbitmq(wipe=True)
    await workload.some(5)
    await workload.settle()
    # No consumer gets what the broker had confirmed and forgot; nothing depends on it.
    assert check(workload.evidence, without=[lost_events]) == []


async def test_a_rolling_restart_costs_only_callers_of_what_is_stopped(
    workload: Workload[Environment],
) -> None:
    """SIGTERM to each in turn during runs: nothing lost, and 5xx only while a part is away that every request needs."""
    workload.evidence.failures.clear()
    away: list[tuple[float, float]] = []
    rolled = False

    async def roll() -> None:
        nonlocal rolled
        for name, service in workload.environment.services.items():
            before = time.monotonic()
            await service.restart(timeout_seconds=180.0)
            if name in ("gateway", "identity"):
                # An answer to what was asked as it went may come, and a circuit close again, a moment after it is back.
                away.append((before, time.monotonic() + 15.0))
        rolled = True

    async with asyncio.TaskGroup() as group:
        group.create_task(roll())
        while not rolled:
            await workload.make(group)
            await asyncio.sleep(0.1)
    await workload.settle()
    assert check(workload.evidence, without=[lost_events]) == []
    beyond = [
        (round(at - away[0][0], 1), what)
        for at, what in workload.evidence.failures
        if not any(began <= at <= ended for began, ended in away)
    ]
    assert beyond == [], f"away: {[(round(one - away[0][0], 1), round(two - away[0][0], 1)) for one, two in away]}"


@pytest.mark.parametrize("kind", ALARMS)
async def test_runs_wait_for_an_alarm_of_the_broker_and_then_go_on(workload: Workload[Environment], kind: str) -> None:
    before = len(workload.evidence.made)
    async with asyncio.TaskGroup() as group:
        alarm = workload.environment.rabbitmq.alarm(kind)
        await asyncio.to_thread(alarm.__enter__)
        try:
            # Answered at once: a creation needs the database alone.
            for _ in range(10):
                await workload.make(group)
            async with asyncio.timeout(60):
                while len(workload.evidence.made) < before + 10:  # noqa: ASYNC110 - a dict sends no signal
                    await asyncio.sleep(0.1)
            await asyncio.sleep(12)
            waiting = rows(workload, "SELECT count(*)::text FROM outbox WHERE published_at IS NULL")
            assert int(waiting[0][0]) >= 10
        finally:
            await asyncio.to_thread(alarm.__exit__, None, None, None)
    await workload.settle()
    assert check(workload.evidence, without=[lost_events]) == []


HOUR = 3600.0
needs_wrong_clocks = pytest.mark.skipif(library() is None, reason="wrong clocks need libfaketime (apt-get install)")

#: Notes whom a run was taken from, or that it was ended for, while its lease held by the database's clock.
EARLY = """
    CREATE TABLE early (id uuid, was text, became text);
    CREATE FUNCTION note_early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO early VALUES (NEW.id, OLD.status || ' ' || OLD.lease_expires_at, NEW.status);
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_early AFTER UPDATE ON instances FOR EACH ROW
        WHEN (OLD.status = 'RUNNING' AND OLD.lease_expires_at > clock_timestamp()
            AND (NEW.status IN ('PENDING', 'QUEUED', 'FAILED', 'TIMED_OUT') OR NEW.attempt <> OLD.attempt))
        EXECUTE FUNCTION note_early();
"""
#: One is due in ten minutes; one was five minutes ago, which is too late to be made up for.
SCHEDULES = """
    INSERT INTO schedules (id, owner_id, agent_id, name, cron, missed, next_fire_at)
    SELECT gen_random_uuid(), gen_random_uuid(), agents.id, one.name, '@yearly', 'SKIP', now() + one.due
    FROM (SELECT id FROM agents LIMIT 1) AS agents,
        (VALUES ('later', interval '10 minutes'), ('missed', interval '-5 minutes')) AS one (name, due)
    RETURNING name, next_fire_at::text
"""
UNEXPECTED = """
    SELECT id::text, status, attempt, error_code, error_message FROM instances
    WHERE status NOT IN ('SUCCEEDED', 'CANCELLED')
"""


@asynccontextmanager
async def wrong_clocks(environment: Environment, names: Iterable[str]) -> AsyncIterator[dict[str, WrongClock]]:
    """Services that start again with clocks of their own: by turns an hour ahead and an hour behind."""
    clocks: dict[str, WrongClock] = {}
    before = {name: environment.services[name].environment for name in names}
    for number, name in enumerate(before):
        clocks[name] = WrongClock(environment.folder / f"clock-{name}", -HOUR if number % 2 else HOUR)
        environment.services[name].environment = {**before[name], **clocks[name].environment}
    try:
        await asyncio.gather(*(environment.services[name].restart(timeout_seconds=180.0) for name in before))
        yield clocks
    finally:
        for name, variables in before.items():
            environment.services[name].environment = variables
        await asyncio.gather(*(environment.services[name].restart(timeout_seconds=180.0) for name in before))


@needs_wrong_clocks
async def test_wrong_clocks_decide_nothing(workload: Workload[Environment]) -> None:
    """Workers, dispatchers with reaper and scheduler, and relays an hour off, then in mid-run the other way."""
    old = {row.id for row in workload.evidence.rows}
    planned = dict(rows(workload, SCHEDULES))
    rows(workload, EARLY)
    async with wrong_clocks(workload.environment, (*WORKERS, *DISPATCHERS, *RELAYS)) as clocks:
        for name in WORKERS:
            assert abs(_minutes_off(workload.environment, name)) > 50, f"the clock of {name} is right"
        await workload.some(20)
        async with asyncio.TaskGroup() as group:
            group.create_task(workload.some(40))
            await asyncio.sleep(1.0)
            for number, clock in enumerate(clocks.values()):
                clock.set(HOUR if number % 2 else -HOUR)
        await workload.settle()
        assert check(workload.evidence) == []
        # A holder that is truly lost loses its run by the same clock: not sooner, and not an hour later.
        slept = await _put_a_holder_to_sleep(workload)
        await asyncio.sleep(LEASE_SECONDS + 3.0)
        os.kill(slept, signal.SIGCONT)
        await workload.settle()
    assert check(workload.evidence) == []
    new = [row for row in workload.evidence.rows if row.id not in old]
    assert len(new) >= 70
    assert rows(workload, UNEXPECTED) == []
    assert any(row.attempt > 1 for row in new)
    assert rows(workload, "SELECT id::text, was, became FROM early") == []
    fired = "SELECT name, next_fire_at::text, next_fire_at > now() - interval '1 minute', last_fired_at FROM schedules"
    found = {name: rest for name, *rest in rows(workload, fired)}
    assert found["later"][0] == planned["later"]
    assert found["missed"][0] != planned["missed"]
    assert found["missed"][1:] == [True, None]
    rows(workload, "DELETE FROM schedules WHERE name IN ('later', 'missed')")


def _minutes_off(environment: Environment, name: str) -> float:
    """How far the clock of a service that has just begun is from ours, as its log has it."""
    said = (environment.folder / "logs" / f"{name}.log").read_text(errors="replace").splitlines()
    stamps = [line.split()[1] for line in said if " ready." in line]
    hours, minutes = (int(part) for part in stamps[-1].split(":")[:2])
    now = datetime.now()
    off = (hours - now.hour) * 60 + minutes - now.minute
    return (off + 720) % 1440 - 720


@needs_wrong_clocks
@pytest.mark.parametrize(("offset", "why"), [(HOUR, "expired"), (-HOUR, "in the future")], ids=["ahead", "behind"])
async def test_a_subgraph_with_a_wrong_clock_refuses_and_says_why(
    workload: Workload[Environment], offset: float, why: str
) -> None:
    """What the gateway vouches for holds for a minute or so: those two need a clock that is kept right."""
    environment = workload.environment
    async with wrong_clocks(environment, ["instance"]) as clocks:
        clocks["instance"].set(offset)
        await asyncio.sleep(NOTICED_SECONDS * 2)
        before = len(_log(environment, "instance"))
        async with aiohttp.ClientSession() as session:
            query = {"query": "{ instances(first: 1) { pageInfo { hasNextPage } } }"}
            headers = workload.headers
            async with session.post(environment.endpoint, json=query, headers=headers) as response:
                answer = await response.json()
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED_GATEWAY", answer
        assert why in (log := _log(environment, "instance")[before:]), log
        clocks["instance"].set(0.0)
        await workload.some(3)
        await workload.settle()
    assert check(workload.evidence, without=[lost_events]) == []


def _log(environment: Environment, name: str) -> str:
    return (environment.folder / "logs" / f"{name}.log").read_text(errors="replace")
