"""Every part as a process of its own, configured by the environment alone, as compose.yaml starts them; on RabbitMQ."""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.platform.clients import Client
from tests.platform.running import READY, ROOT, Output, RunningPlatform, clean_environment, free_ports
from tests.platform.test_instances import TEXTS, start, watch
from tests.support.postgres import TestPostgres


class Service:
    """One part."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        #: Where it serves its metrics; 0 for one that serves them with its requests.
        self.metrics_port = int(environment.get("BOTBERI_METRICS_PORT", 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "botberi.cli", name],
            cwd=ROOT,
            env=clean_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = Output(self.process)

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait(10)


@contextmanager
def service(name: str, environment: Mapping[str, str], ready: str) -> Iterator[Service]:
    running = Service(name, environment)
    try:
        running.output.wait_for(ready, 60)
        yield running
    finally:
        running.stop()


def botberi(command: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "botberi.cli", command],
        cwd=ROOT,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def services(
    postgres: TestPostgres, own_amqp_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path, dict[str, Service]]]:
    """The gateway's endpoint, the seed's state folder, and the processes."""
    state = tmp_path_factory.mktemp("services")
    names = ("identity", "catalog", "instance", "gateway", "broker", "worker", "catalog-worker")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    databases = {
        "BOTBERI_USER_DATABASE_URL": postgres.url(postgres.create()),
        "BOTBERI_SHARED_DATABASE_URL": postgres.url(postgres.create()),
    }
    bus = {"BOTBERI_AMQP_URL": own_amqp_url}
    shared = {"BOTBERI_SHARED_DATABASE_URL": databases["BOTBERI_SHARED_DATABASE_URL"]}
    gateway_url = f"http://127.0.0.1:{ports['gateway']}"
    verify = {"BOTBERI_ASSERTION_JWKS_URL": f"{gateway_url}/.well-known/jwks.json"}
    botberi("migrate", databases)
    assert "admin@botberi.dev" in botberi("seed", databases | {"BOTBERI_STATE_DIR": str(state)})
    botberi("seed", databases | {"BOTBERI_STATE_DIR": str(state)})
    urls = {
        f"BOTBERI_{name.upper()}_URL": f"http://127.0.0.1:{ports[name]}" for name in ("identity", "catalog", "instance")
    }
    own = {"BOTBERI_PORT": str(ports["gateway"]), "BOTBERI_STATE_DIR": str(state), "BOTBERI_LOG_FORMAT": "json"}
    environments = {
        **{
            name: databases | verify | {"BOTBERI_PORT": str(ports[name])}
            for name in ("identity", "catalog", "instance")
        },
        "broker": databases | bus | {"BOTBERI_METRICS_PORT": str(ports["broker"])},
        # These have no way to accounts.
        **{name: shared | bus | {"BOTBERI_METRICS_PORT": str(ports[name])} for name in ("worker", "catalog-worker")},
        "dispatcher": shared | bus,
        "beat": bus | {"BOTBERI_CATALOG_COUNT_SECONDS": "1"},
    }
    with ExitStack() as stack:
        running = {name: Service(name, environment) for name, environment in environments.items()}
        for service_ in running.values():
            stack.callback(service_.stop)
        for name in ("identity", "catalog", "instance"):
            running[name].output.wait_for(rf"{name}\s+ready", 110)
        running["gateway"] = stack.enter_context(service("gateway", urls | own | bus, r'"ready .*"part": "gateway"'))
        for name, ready in (
            ("broker", r"broker\s+ready"),
            ("dispatcher", r"dispatcher\s+ready"),
            ("worker", r" ready\."),
            ("catalog-worker", r" ready\."),
            ("beat", "beat: Starting"),
        ):
            running[name].output.wait_for(ready, 110)
        assert "botberi_outbox_published_total" in metrics_at(ports["broker"])
        yield gateway_url, state, running


def ready_at(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=10) as answer:
        return int(answer.status)


def metrics_at(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


@pytest.mark.rabbitmq
async def test_a_run_through_services_of_their_own(services: tuple[str, Path, dict[str, Service]]) -> None:
    url, state, _ = services
    kept = json.loads((state / "credentials.json").read_text())["user"]
    async with Client(f"{url}/graphql") as client:
        client.token = await client.sign_in(kept["email"], kept["password"])
        events = await watch(client, await start(client, "text-insights", {"texts": TEXTS}))
        assert events[-1]["status"] == "SUCCEEDED"
        assert events[-1]["agent"]["publisher"] == {"displayName": "Botberi"}


@pytest.mark.rabbitmq
async def test_the_worker_counts_its_runs_over_all_its_processes(
    services: tuple[str, Path, dict[str, Service]],
) -> None:
    url, state, running = services
    port = running["worker"].metrics_port

    def ended() -> float:
        found = re.search(
            r'botberi_worker_runs_total\{outcome="SUCCEEDED",workflow="text-insights"\} (\S+)', metrics_at(port)
        )
        return float(found[1]) if found else 0.0

    before = ended()
    kept = json.loads((state / "credentials.json").read_text())["user"]
    async with Client(f"{url}/graphql") as client:
        client.token = await client.sign_in(kept["email"], kept["password"])
        for _ in range(3):
            await watch(client, await start(client, "text-insights", {"texts": TEXTS}))
    deadline = time.monotonic() + 10
    while ended() < before + 3:
        assert time.monotonic() < deadline, metrics_at(port)
        await asyncio.sleep(0.2)
    assert "botberi_worker_runs_active 0.0" in metrics_at(port)


@pytest.mark.rabbitmq
async def test_beat_and_the_catalogs_worker_count_the_runs_of_agents(
    services: tuple[str, Path, dict[str, Service]],
) -> None:
    url, state, running = services
    kept = json.loads((state / "credentials.json").read_text())["user"]
    query = '{ agents(filter: { tag: "text" }) { nodes { slug popularity successRate } } }'
    async with Client(f"{url}/graphql") as client:
        client.token = await client.sign_in(kept["email"], kept["password"])
        for _ in range(5):
            await watch(client, await start(client, "text-insights", {"texts": TEXTS}))
        deadline = time.monotonic() + 20
        while True:
            nodes = (await client.ask(query))["agents"]["nodes"]
            [agent] = [node for node in nodes if node["slug"] == "text-insights"]
            if agent["popularity"] >= 5 and agent["successRate"] is not None:
                break
            assert time.monotonic() < deadline, agent
            await asyncio.sleep(0.3)
    assert agent["successRate"] == 1.0
    page = metrics_at(running["catalog-worker"].metrics_port)
    assert 'botberi_tasks_total{outcome="SUCCESS",task="catalog.count_runs"}' in page
    assert ready_at(running["catalog-worker"].metrics_port) == ready_at(running["worker"].metrics_port) == 200


@pytest.mark.rabbitmq
async def test_subgraphs_believe_the_gateway_alone(services: tuple[str, Path, dict[str, Service]]) -> None:
    _, _, running = services
    for name in ("identity", "catalog", "instance"):
        found = running[name].output.wait_for(r"http://127.0.0.1:\d+", 1).group(0)
        async with Client(f"{found}/graphql", "anything") as client:
            status, answer = await client.post({"query": "{ __typename }"})
        assert status == 401
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED_GATEWAY"


@pytest.mark.rabbitmq
def test_healthy_is_what_containers_ask(services: tuple[str, Path, dict[str, Service]]) -> None:
    url, _, _ = services
    command = [sys.executable, "-m", "botberi.cli", "healthy"]
    assert subprocess.run([*command, f"{url}/health"], timeout=30, check=False).returncode == 0
    assert subprocess.run([*command, "http://127.0.0.1:1/health"], timeout=30, check=False).returncode == 1


@pytest.mark.rabbitmq
def test_each_stops_on_sigterm_with_status_zero(services: tuple[str, Path, dict[str, Service]]) -> None:
    _, _, running = services
    for name in (
        "worker",
        "beat",
        "catalog-worker",
        "dispatcher",
        "broker",
        "gateway",
        "instance",
        "catalog",
        "identity",
    ):
        began = time.monotonic()
        assert running[name].stop() == 0, running[name].output.text
        assert time.monotonic() - began < 20, name


async def test_some_parts_here_and_others_elsewhere(postgres: TestPostgres) -> None:
    """`up --only gateway,instance`, with identity and catalog as services of their own."""
    databases = {
        "BOTBERI_USER_DATABASE_URL": postgres.url(postgres.create()),
        "BOTBERI_SHARED_DATABASE_URL": postgres.url(postgres.create()),
    }
    ports = dict(zip(("identity", "catalog"), free_ports(2), strict=True))
    urls = {f"BOTBERI_{name.upper()}_URL": f"http://127.0.0.1:{port}" for name, port in ports.items()}
    botberi("migrate", databases)
    partly = RunningPlatform(environment=databases | urls, arguments=["--only=gateway,instance"])
    verify = {"BOTBERI_ASSERTION_JWKS_URL": f"{partly.base}/.well-known/jwks.json"}
    with ExitStack() as stack:
        for name, port in ports.items():
            environment = databases | verify | {"BOTBERI_PORT": str(port)}
            stack.enter_context(service(name, environment, rf"{name}\s+ready"))
        stack.enter_context(partly)
        text = partly.output.text
        assert "Postgres" not in text[text.index(READY) :], "no embedded server where others are named"
        assert "without broker and dispatcher here, events go no further" in text
        async with Client(partly.url) as client:
            client.token = await client.sign_in(*partly.password("user"))
            data = await client.ask("{ me { displayName instances { totalCount } } agents { totalCount } }")
            assert data["me"] == {"displayName": "Development user", "instances": {"totalCount": 0}}
            assert data["agents"]["totalCount"] >= 4
