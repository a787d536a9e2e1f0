"""The platform on a Postgres that syncs its log -> time of a committed change to a subscriber, at a steady rate."""

import asyncio
import json
import statistics
import time
from contextlib import ExitStack
from typing import Any, Final
from uuid import UUID

import aiohttp
import asyncpg

from lab.bench.servers import databases, rabbitmq
from shared_schema.ids import new_id, to_global_id
from tests.platform.running import RunningPlatform

_PARTS: Final = "identity,catalog,instance,broker,gateway"
_INSTANCES: Final = 100
_FOLLOW: Final = "subscription { instancesUpdated { id version } }"
_LOGIN: Final = """mutation($e: String!, $p: String!) {
  login(input: {email: $e, password: $p}) { ... on LoginSuccess { token } } }"""
_INSERT: Final = """INSERT INTO instances (id, owner_id, agent_id, name)
    SELECT $1, $2, (SELECT id FROM agents LIMIT 1), 'bench'"""


def measure(per_second: float, seconds: float, bus: str) -> dict[str, Any]:
    """Start it on a bus (`memory` or `rabbitmq`), change rows, stop it. Raises `PeersMissing` without RabbitMQ."""
    with ExitStack() as stack:
        user, shared = stack.enter_context(databases())
        environment = {"BOTBERI_USER_DATABASE_URL": user, "BOTBERI_SHARED_DATABASE_URL": shared}
        environment |= {"BOTBERI_GRAPHIQL": "false"}
        if bus == "rabbitmq":
            environment["BOTBERI_AMQP_URL"] = stack.enter_context(rabbitmq())
        platform = RunningPlatform(environment=environment, arguments=["--only", _PARTS])
        try:
            platform.start(300)
            late = asyncio.run(_changes(platform, user, shared, per_second, seconds))
        finally:
            platform.__exit__(None, None, None)
    late.sort()
    return {
        "bus": bus,
        "changes_per_second": per_second,
        "changes": int(per_second * seconds),
        "seen": len(late),
        "p50_ms": round(statistics.median(late) * 1e3, 1),
        "p99_ms": round(late[int(len(late) * 0.99)] * 1e3, 1),
    }


async def _changes(platform: RunningPlatform, user: str, shared: str, per_second: float, seconds: float) -> list[float]:
    email, password = platform.password("user")
    accounts = await asyncpg.connect(user)
    owner = await accounts.fetchval("SELECT id FROM accounts WHERE email = $1", email)
    await accounts.close()
    database = await asyncpg.connect(shared)
    rows = [new_id() for _ in range(_INSTANCES)]
    for row in rows:
        await database.execute(_INSERT, row, owner)
        await database.execute("UPDATE instances SET status = 'RUNNING', attempt = 1 WHERE id = $1", row)
    changed: dict[tuple[str, int], float] = {}
    late: list[float] = []
    async with aiohttp.ClientSession() as session:
        body = {"query": _LOGIN, "variables": {"e": email, "p": password}}
        async with session.post(platform.url, json=body) as answer:
            token = (await answer.json())["data"]["login"]["token"]
        async with session.ws_connect(platform.url, protocols=["graphql-transport-ws"]) as socket:
            init = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            await socket.send_json(init)
            await socket.receive_json()
            await socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": _FOLLOW}})
            for _ in rows:  # those that have not ended come first
                await socket.receive_json()
            reading = asyncio.create_task(_read(socket, changed, late))
            await _change(database, rows, changed, per_second, seconds)
            await asyncio.sleep(3)
            reading.cancel()
    await database.close()
    return late


async def _change(
    database: Any, rows: list[UUID], changed: dict[tuple[str, int], float], per_second: float, seconds: float
) -> None:
    began = time.monotonic()
    for number in range(int(per_second * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_second - time.monotonic()))
        row, sent = rows[number % len(rows)], time.monotonic()
        # One statement and its commit; the time before it is sent counts, so that the commit is in the figure.
        statement = "UPDATE instances SET progress = random() WHERE id = $1 RETURNING version"
        version = await database.fetchval(statement, row)
        changed[to_global_id("Instance", row), version] = sent


async def _read(socket: Any, changed: dict[tuple[str, int], float], late: list[float]) -> None:
    async for message in socket:
        now = time.monotonic()
        state = json.loads(message.data)["payload"]["data"]["instancesUpdated"]
        place = (state["id"], state["version"])
        for _ in range(200):  # the event may be here before the change's own answer
            if place in changed:
                late.append(now - changed.pop(place))
                break
            await asyncio.sleep(0.005)
