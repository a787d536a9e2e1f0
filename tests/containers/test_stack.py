"""compose.yaml on a real engine: `up --wait` ends with 0, the story through nginx, replicas, killed containers."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.containers.stack import Stack, eventually, get_json
from tests.platform.clients import Client
from tests.platform.test_instances import TEXTS, WATCH, start, watch

SCALED = ("gateway", "instance", "worker", "broker")
TWO_OF_EACH = tuple(part for name in SCALED for part in ("--scale", f"{name}=2"))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def account(stack: Stack) -> tuple[str, str]:
    return stack.account()


@pytest.fixture
async def user(stack: Stack, account: tuple[str, str]) -> AsyncIterator[Client]:
    async with Client(f"{stack.url}/graphql") as client:
        client.token = await client.sign_in(*account)
        yield client


async def test_the_story_over_http_and_websocket(user: Client) -> None:
    events = await watch(user, await start(user, "text-insights", {"texts": TEXTS}))
    assert events[-1]["status"] == "SUCCEEDED"
    assert events[-1]["agent"]["publisher"] == {"displayName": "Botberi"}


async def test_the_story_over_server_sent_events(user: Client) -> None:
    instance = await start(user, "text-insights", {"texts": TEXTS})
    body = {"query": WATCH, "variables": {"id": instance}}
    states: list[str] = []
    headers = user.headers | {"accept": "text/event-stream"}
    async with user.session.post(user.url, json=body, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.content:
            if line.startswith(b"data:") and b"instanceUpdated" in line:
                states.append(json.loads(line[5:])["data"]["instanceUpdated"]["status"])
    assert states[-1] == "SUCCEEDED"


def test_every_part_is_healthy_and_none_has_started_again(stack: Stack) -> None:
    for line in stack.compose("ps", "--format", "json").splitlines():
        part = json.loads(line)
        assert part["State"] == "running", part
        # These two have no page that would say so.
        assert part["Health"] == ("" if part["Service"] in ("beat", "flower") else "healthy"), part


def test_prometheus_scrapes_every_part(stack: Stack) -> None:
    def all_up() -> bool:
        targets = get_json("http://127.0.0.1:9090/api/v1/targets")["data"]["activeTargets"]
        jobs = {target["labels"]["job"] for target in targets}
        wanted = {"gateway", "identity", "catalog", "instance", "broker", "dispatcher", "worker", "catalog-worker"}
        return wanted | {"rabbitmq", "flower"} <= jobs and all(target["health"] == "up" for target in targets)

    eventually(all_up, 60, "all of Prometheus' targets are up")
    rules = get_json("http://127.0.0.1:9090/api/v1/rules")["data"]["groups"]
    assert rules
    assert all(rule["health"] != "err" for group in rules for rule in group["rules"])
    assert get_json("http://127.0.0.1:9090/api/v1/alertmanagers")["data"]["activeAlertmanagers"]


def test_flower_shows_the_workers_of_every_queue(stack: Stack) -> None:
    def queues() -> set[str]:
        workers = get_json("http://127.0.0.1:4400/api/workers?refresh=true")
        return {queue["name"] for worker in workers.values() for queue in worker.get("active_queues", [])}

    eventually(lambda: queues() >= {"agents", "identity", "catalog"}, 60, "workers of all three queues")


async def test_added_replicas_get_requests(stack: Stack, user: Client) -> None:
    stack.up("--no-recreate", *TWO_OF_EACH)
    gateways = stack.containers("gateway")
    assert len(gateways) == 2

    def requests(container: str) -> float:
        found = re.findall(
            r"^gateway_operations_total\{.*\} (\S+)", stack.page(container, 8080, "/metrics"), re.MULTILINE
        )
        return sum(map(float, found))

    before = {name: requests(name) for name in gateways}
    # nginx asks for the addresses of the name every 5 s.
    await asyncio.sleep(6)
    for _ in range(40):
        await user.ask("{ agents { totalCount } }")
    after = {name: requests(name) for name in gateways}
    assert all(after[name] > before[name] for name in gateways), (before, after)
    events = await asyncio.gather(
        *[_story(user) for _ in range(6)],
    )
    assert set(events) == {"SUCCEEDED"}


async def _story(user: Client) -> str:
    events = await watch(user, await start(user, "text-insights", {"texts": TEXTS}))
    return str(events[-1]["status"])


@pytest.mark.parametrize("service", SCALED)
async def test_one_of_two_is_killed_and_runs_go_on(stack: Stack, account: tuple[str, str], service: str) -> None:
    victim = stack.containers(service)[0]
    stack.kill(victim)
    began = time.monotonic()
    try:
        async with Client(f"{stack.url}/graphql") as client:
            client.token = await _retried(client.sign_in, *account)
            instance = await _retried(start, client, "text-insights", {"texts": TEXTS})
            assert await _until_ended(client, instance, 60) == "SUCCEEDED"
        print(f"{service} killed: a run made and done after {time.monotonic() - began:.1f} s")
    finally:
        stack.start(victim)
        stack.up("--no-recreate", *TWO_OF_EACH)


@pytest.mark.parametrize("service", ["rabbitmq", "dispatcher", "postgres"])
async def test_a_single_part_is_killed_and_runs_go_on_once_it_is_back(
    stack: Stack, account: tuple[str, str], user: Client, service: str
) -> None:
    made = [await start(user, "text-insights", {"texts": TEXTS}) for _ in range(2)]
    [victim] = stack.containers(service)
    stack.kill(victim)
    stack.start(victim)
    for instance in made:
        assert await _until_ended(user, instance, 120) == "SUCCEEDED"


async def _retried(what, *arguments):  # type: ignore[no-untyped-def]
    """A client's call, again after a connection that was cut."""
    for attempt in range(20):
        try:
            return await what(*arguments)
        except (aiohttp.ClientError, AssertionError, TimeoutError):
            if attempt == 19:
                raise
            await asyncio.sleep(1)


async def _until_ended(client: Client, instance: str, seconds: float) -> str:
    """Poll, as a client does that a broken connection left: the status once it is final."""
    deadline, status = time.monotonic() + seconds, "?"
    query = "query ($id: ID!) { instance(id: $id) { status isTerminal } }"
    while time.monotonic() < deadline:
        try:
            found = (await client.ask(query, {"id": instance}))["instance"]
        except (aiohttp.ClientError, AssertionError, ValueError):
            await asyncio.sleep(0.5)
            continue
        status = str(found["status"])
        if found["isTerminal"]:
            return status
        await asyncio.sleep(0.2)
    raise AssertionError(f"{instance} is {status} after {seconds:.0f} s")


async def test_nothing_of_the_inside_is_reached_through_nginx(stack: Stack) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/metrics", "/metrics/platform"):
            async with session.get(stack.url + path) as answer:
                assert answer.status == 404, path
