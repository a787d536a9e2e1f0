"""W13: each service works with its own user of RabbitMQ, and cannot do what is another's."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError

from event_broker.amqp import AmqpBus
from event_broker.bus import PublishError
from event_broker.link import LinkOptions
from event_broker.topology import EXCHANGE
from lab.faults.rabbitmq import RabbitNode
from shared_schema.contracts.runs import TASK_NAME
from shared_schema.ids import new_id
from tests.support.events import eventually, make_event
from workers.broker import IDENTITY_QUEUE
from workers.celery_app import create_app
from workers.identity.app import create_app as create_identity_app
from workers.identity.feeder import MAIL
from workers.settings import IdentityWorkerSettings, WorkerSettings

pytestmark = pytest.mark.rabbitmq

SCRIPT = Path(__file__).parents[2] / "infra/rabbitmq/users.sh"
USERS = ("admin", "gateway", "broker", "dispatcher", "worker", "catalog", "beat", "identity-worker", "flower")
# As Celery declares its queue (workers/celery_app.py).
RUNS = {"x-queue-type": "quorum", "x-delivery-limit": 20}
OPTIONS = LinkOptions(operation_timeout=5.0, start_timeout=15.0)


def definitions(**changes: str) -> subprocess.CompletedProcess[str]:
    passwords = {f"{user.upper().replace('-', '_')}_PASSWORD": f"{user}-word" for user in USERS} | changes
    environment = {"PATH": os.environ["PATH"], **passwords}
    return subprocess.run([str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(scope="module")
def node(rabbit_node: RabbitNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitNode]:
    """The node with the users of compose."""
    file = tmp_path_factory.mktemp("definitions") / "definitions.json"
    file.write_text(definitions().stdout)
    rabbit_node.ctl("import_definitions", str(file))
    yield rabbit_node
    for user in USERS:
        rabbit_node.ctl("delete_user", user)


def bus_of(node: RabbitNode, user: str) -> AmqpBus:
    return AmqpBus(f"amqp://{user}:{user}-word@127.0.0.1:{node.port}/", name=user, options=OPTIONS, close_timeout=1.0)


@pytest.mark.parametrize("password", ["", 'a"b', "a\\b", "a b", "ä"])
def test_a_password_that_is_missing_or_would_need_escaping_is_refused(password: str) -> None:
    done = definitions(WORKER_PASSWORD=password)
    assert done.returncode == 1
    assert "rabbitmq.env" in done.stderr


def test_the_definitions_are_json_with_one_user_a_service() -> None:
    said = json.loads(definitions().stdout)
    assert [user["name"] for user in said["users"]] == list(USERS)
    assert [user["name"] for user in said["users"] if user["tags"]] == ["admin"]
    assert {each["user"] for each in said["permissions"]} == set(USERS)


async def test_every_service_does_its_work_and_the_gateway_publishes_nothing(node: RabbitNode) -> None:
    gateway, broker, dispatcher = (bus_of(node, user) for user in ("gateway", "broker", "dispatcher"))
    for bus in (gateway, broker, dispatcher):
        await bus.start()
    taken: list[object] = []

    async def take(event: object) -> None:
        taken.append(event)

    await dispatcher.consume("agents-dispatcher", ["instance.created"], take)
    async with gateway.follow(["instance.*"]) as events:
        event = make_event("instance.created")
        await broker.publish(event)
        assert await asyncio.wait_for(anext(events), 10) == event
        await eventually(lambda: event in taken, what="the dispatcher having it")
        with pytest.raises(PublishError):
            await gateway.publish(make_event("instance.updated"))
    for bus in (gateway, broker, dispatcher):
        await bus.aclose()


@pytest.mark.parametrize("user", ["worker", "flower"])
async def test_who_computes_or_watches_sees_no_event(node: RabbitNode, user: str) -> None:
    async with await aio_pika.connect(f"amqp://{user}:{user}-word@127.0.0.1:{node.port}/") as connection:
        for declare in (
            lambda channel: channel.declare_queue("event_bus.follow.mine"),
            lambda channel: channel.declare_queue("agents-dispatcher", passive=True),
        ):
            channel = await connection.channel()
            if user == "worker":
                own = await channel.declare_queue("agents", durable=True, arguments=RUNS)
                assert own.name == "agents"
            try:
                queue = await declare(channel)
                await queue.bind(EXCHANGE, "#")
            except AMQPError:
                continue
            except RuntimeError:
                continue
            pytest.fail(f"{user} reads events")


async def test_the_dispatcher_sends_runs_that_the_worker_takes(node: RabbitNode) -> None:
    app = create_app(WorkerSettings(amqp_url=f"amqp://dispatcher:dispatcher-word@127.0.0.1:{node.port}/"))
    sent = await asyncio.to_thread(app.send_task, TASK_NAME, [{"instance_id": str(new_id())}])
    async with await aio_pika.connect(f"amqp://worker:worker-word@127.0.0.1:{node.port}/") as connection:
        queue = await (await connection.channel()).get_queue("agents", ensure=False)
        message = await queue.get(timeout=10)
        await message.ack()
        assert message.headers["id"] == sent.id
    await asyncio.to_thread(app.close)


async def test_identitys_worker_feeds_its_own_queue_and_sees_no_runs(node: RabbitNode) -> None:
    url = f"amqp://identity-worker:identity-worker-word@127.0.0.1:{node.port}/"
    app = create_identity_app(IdentityWorkerSettings(amqp_url=url))
    sent = await asyncio.to_thread(app.send_task, MAIL, kwargs={"mail_id": str(new_id())})
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue(IDENTITY_QUEUE, ensure=False)
        message = await queue.get(timeout=10)
        await message.ack()
        assert message.headers["id"] == sent.id
        channel = await connection.channel()
        with pytest.raises((AMQPError, RuntimeError), match="ACCESS_REFUSED"):
            await channel.declare_queue("agents", durable=True, arguments=RUNS)
    await asyncio.to_thread(app.close)


async def test_the_broker_sends_no_runs(node: RabbitNode) -> None:
    async with await aio_pika.connect(f"amqp://broker:broker-word@127.0.0.1:{node.port}/") as connection:
        channel = await connection.channel()
        with pytest.raises((AMQPError, RuntimeError)):
            await channel.declare_queue("agents", durable=True, arguments=RUNS)
