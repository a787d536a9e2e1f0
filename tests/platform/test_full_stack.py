"""`botberi up --stack full`: RabbitMQ, nginx and Prometheus from Debian's packages, each part a process of its own."""

import asyncio
import json
import math
import os
import re
import runpy
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from botberi.stack import programs
from tests.platform.clients import Client
from tests.platform.running import ROOT, RunningPlatform, processes_of
from tests.platform.test_instances import TEXTS, start, watch

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.timeout(240),
    pytest.mark.skipif(bool(programs.missing()), reason=f"not installed: {', '.join(programs.missing())}"),
]


TWICE = ("gateway", "instance")


@pytest.fixture(scope="module")
def platform() -> Iterator[RunningPlatform]:
    with_beat = {"BOTBERI_CATALOG_COUNT_SECONDS": "2"}
    platform = RunningPlatform(environment=with_beat, arguments=["--stack=full"])
    try:
        yield platform.start(timeout=180)
    finally:
        platform.__exit__(None, None, None)


@pytest.fixture
async def user(platform: RunningPlatform) -> AsyncIterator[Client]:
    async with Client(platform.url) as client:
        client.token = await client.sign_in(*platform.password("user"))
        yield client


def prometheus(platform: RunningPlatform, path: str) -> Any:
    found = platform.output.wait_for(r"prometheus +│? *(http://127\.0\.0\.1:\d+)", 5).group(1)
    with urllib.request.urlopen(found + path, timeout=10) as answer:
        return json.load(answer)["data"]


async def test_the_story_through_nginx(user: Client) -> None:
    events = await watch(user, await start(user, "text-insights", {"texts": TEXTS}))
    assert events[-1]["status"] == "SUCCEEDED"


async def test_both_gateways_and_both_instances_get_requests(platform: RunningPlatform, user: Client) -> None:
    for _ in range(20):
        await user.ask("{ me { instances { totalCount } } }")
    text = platform.output.text
    ports = {name: re.findall(rf"{name}-\d +ready http://127\.0\.0\.1:(\d+)$", text, re.MULTILINE) for name in TWICE}
    assert {name: len(set(found)) for name, found in ports.items()} == {"gateway": 2, "instance": 2}
    for name, found in ports.items():
        metric = {"gateway": "gateway_operations_total", "instance": "botberi_subgraph_requests_total"}[name]
        for port in set(found):
            async with user.session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                assert re.search(rf"^{metric}{{.*}} [1-9]", await answer.text(), re.MULTILINE), (name, port)


async def test_prometheus_scrapes_every_part_and_takes_every_rule(platform: RunningPlatform) -> None:
    deadline = time.monotonic() + 40
    while True:
        targets = prometheus(platform, "/api/v1/targets")["activeTargets"]
        down = {target["labels"]["job"]: target["lastError"] for target in targets if target["health"] != "up"}
        if not down:
            break
        assert time.monotonic() < deadline, down
        await asyncio.sleep(1)
    jobs = {target["labels"]["job"] for target in targets}
    assert jobs >= {"gateway", "identity", "catalog", "instance", "broker", "dispatcher", "worker", "catalog-worker"}
    assert jobs >= {"rabbitmq", "flower", "prometheus"}
    rules = [rule for group in prometheus(platform, "/api/v1/rules")["groups"] for rule in group["rules"]]
    assert len(rules) > 10
    assert [rule for rule in rules if rule["health"] == "err"] == []


async def test_every_panel_shows_something_of_a_platform_under_load(platform: RunningPlatform, user: Client) -> None:
    panels = dict(runpy.run_path(str(ROOT / "infra/grafana/dashboards.py"))["expressions"]())
    assert len(panels) > 30
    deadline = time.monotonic() + 90
    while panels:
        await watch(user, await start(user, "text-insights", {"texts": TEXTS}))
        panels = {title: expression for title, expression in panels.items() if not _values(platform, expression)}
        assert time.monotonic() < deadline, panels
        await asyncio.sleep(1)


def _values(platform: RunningPlatform, expression: str) -> list[float]:
    found = prometheus(platform, f"/api/v1/query?query={quote(expression)}")["result"]
    return [value for series in found if not math.isnan(value := float(series["value"][1]))]


async def test_a_part_that_is_killed_comes_back_and_the_other_answers_meanwhile(
    platform: RunningPlatform, user: Client
) -> None:
    [victim] = [
        int(line.split()[0])
        for line in processes_of(platform.state_dir, with_pid=True)
        if line.endswith("botberi.cli gateway ") and _port_of(int(line.split()[0])) == _ports(platform)[0]
    ]
    os.kill(victim, signal.SIGKILL)
    answers = [
        (await user.session.post(user.url, json={"query": "{ agents { totalCount } }"})).status for _ in range(10)
    ]
    # A request that had reached the killed one is not sent a second time: at most the one at that moment.
    assert answers.count(200) >= 9, answers
    platform.output.wait_for(r"gateway-\d died", 10)


def _ports(platform: RunningPlatform) -> list[str]:
    return re.findall(r"gateway-\d +ready http://127\.0\.0\.1:(\d+)$", platform.output.text, re.MULTILINE)


def _port_of(pid: int) -> str:
    with open(f"/proc/{pid}/environ", "rb") as file:
        found = re.search(rb"BOTBERI_PORT=(\d+)", file.read())
    return found[1].decode() if found else ""


async def test_metrics_are_not_seen_from_outside(platform: RunningPlatform) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{platform.base}/metrics") as answer:
        assert answer.status == 404


def test_everything_ends_with_it(platform: RunningPlatform) -> None:
    assert platform.stop(timeout=90) == 0, platform.output.text[-3000:]
    assert processes_of(platform.state_dir) == []
