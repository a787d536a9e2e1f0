"""compose.ha.yaml on a real engine: three nodes of RabbitMQ, each killed in its turn; no run is lost."""

import asyncio
import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.containers.stack import Stack, eventually
from tests.containers.test_stack import _retried, _until_ended
from tests.platform.clients import Client
from tests.platform.test_instances import TEXTS, start

NODES = ("rabbitmq", "rabbitmq-2", "rabbitmq-3")


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(("compose.yaml", "compose.ha.yaml")) as stack:
        yield stack


def ctl(stack: Stack, service: str, *arguments: str) -> str:
    return stack.compose("exec", "-T", service, "rabbitmqctl", "-q", *arguments)


def members(stack: Stack) -> dict[str, int]:
    """Quorum queues -> how many nodes hold them."""
    said = ctl(stack, "rabbitmq", "list_queues", "name", "type", "members", "--formatter=json")
    return {queue["name"]: len(queue["members"]) for queue in json.loads(said) if queue["type"] == "quorum"}


def _if_three_each(found: dict[str, int]) -> dict[str, int] | None:
    return found if set(found.values()) == {3} else None


def test_the_queues_have_a_member_on_each_node(stack: Stack) -> None:
    status = json.loads(ctl(stack, "rabbitmq", "cluster_status", "--formatter=json"))
    assert len(status["running_nodes"]) == 3
    found = eventually(lambda: _if_three_each(members(stack)), 90, "three members each")
    assert {"agents", "catalog", "agents-dispatcher"} <= set(found)


async def test_each_node_is_killed_in_its_turn_and_no_run_is_lost(stack: Stack) -> None:
    account = stack.account()
    ended: list[str] = []
    async with Client(f"{stack.url}/graphql") as client:
        client.token = await client.sign_in(*account)
        for service in NODES:
            made = [await _retried(start, client, "text-insights", {"texts": TEXTS}) for _ in range(3)]
            [victim] = stack.containers(service)
            stack.kill(victim)
            made += [await _retried(start, client, "text-insights", {"texts": TEXTS}) for _ in range(5)]
            ended += [await _until_ended(client, instance, 120) for instance in made]
            stack.start(victim)
            await asyncio.to_thread(
                eventually,
                lambda name=victim: (
                    subprocess.run(
                        ["docker", "inspect", "-f", "{{.State.Health.Status}}", name],
                        capture_output=True,
                        text=True,
                        timeout=30,
                        check=True,
                    ).stdout.strip()
                    == "healthy"
                ),
                120,
                f"{service} is healthy again",
            )
    assert ended == ["SUCCEEDED"] * 24
