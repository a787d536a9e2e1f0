"""Subscriptions of real runs: logs over reconnects, states after a version, deletions, credentials that end."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.platform.clients import Client
from tests.platform.running import RunningPlatform
from tests.platform.test_instances import TEXTS, start

LOGS = (
    "subscription($id: ID!, $after: String) { instanceLogs(id: $id, after: $after) { sequence attempt level message } }"
)
STATE = "subscription($id: ID!, $after: ID) { instanceUpdated(id: $id, after: $after) { version status } }"
MINE = (
    "subscription($after: String) { instancesUpdated(after: $after) "
    "{ id status version isTerminal deletedAt agent { name } } }"
)


@pytest.fixture
async def person(platform: RunningPlatform) -> AsyncIterator[Client]:
    """A new account, without instances."""
    name = secrets.token_hex(6)
    async with Client(platform.url) as client:
        given = {"email": f"{name}@example.com", "password": f"the words of {name}", "displayName": "Somebody"}
        await client.mutate("register", "", input=given)
        client.token = await client.sign_in(given["email"], given["password"])
        client.session.cookie_jar.clear()
        yield client


async def lines_of(client: Client, instance: str) -> list[dict[str, Any]]:
    query = """query($id: ID!, $after: String) { instance(id: $id) { logs(first: 100, after: $after) {
        nodes { sequence attempt level message } pageInfo { endCursor hasNextPage } } } }"""
    found: list[dict[str, Any]] = []
    cursor, more = None, True
    while more:
        page = (await client.ask(query, {"id": instance, "after": cursor}))["instance"]["logs"]
        found += page["nodes"]
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    return found


async def test_a_log_is_followed_to_its_end_line_by_line(person: Client) -> None:
    instance = await start(person, "text-insights", {"texts": TEXTS})
    async with person.socket() as socket:
        followed = [event["instanceLogs"] for event in await socket.all_of(LOGS, {"id": instance}, 90)]
    assert followed == await lines_of(person, instance)
    assert [line["sequence"] for line in followed] == list(range(1, len(followed) + 1))
    assert followed[-1]["message"] == "Succeeded."


async def test_a_log_over_reconnects_is_whole(person: Client) -> None:
    """A new connection for every two lines, each over another way; the client keeps the last event's id alone."""
    instance = await start(person, "text-insights", {"texts": TEXTS})
    followed: list[dict[str, Any]] = []
    cursor: str | None = None
    ended = False
    async with asyncio.timeout(120):
        for number in range(10_000):
            if ended:
                break
            if number % 2:
                async with person.socket() as socket:
                    await socket.begin(LOGS, {"id": instance, "after": cursor})
                    for _ in range(2):
                        message = await socket.receive(60)
                        if message["type"] == "complete":
                            ended = True
                            break
                        followed.append(message["payload"]["data"]["instanceLogs"])
                        cursor = message["payload"]["extensions"]["eventId"]
                continue
            headers = person.headers | {"accept": "text/event-stream"} | ({"last-event-id": cursor} if cursor else {})
            body = {"query": LOGS, "variables": {"id": instance}}
            async with (
                aiohttp.ClientSession() as session,
                session.post(person.url, json=body, headers=headers) as events,
            ):
                taken = 0
                async for raw in events.content:
                    line = raw.decode()
                    if line.startswith("id: "):
                        cursor = line[4:].strip()
                        taken += 1
                        if taken == 2:
                            query = (
                                "query($id: ID!, $a: String) { instance(id: $id) "
                                "{ logs(after: $a, first: 1) { nodes { sequence } } } }"
                            )
                            assert await person.ask(query, {"id": instance, "a": cursor})
                            break
                    ended = ended or line.startswith("event: complete")
            found = await lines_of(person, instance)
            followed = [each for each in found if each["sequence"] <= int(cursor or 0)]
    whole = await lines_of(person, instance)
    assert followed == whole
    assert whole[-1]["message"] == "Succeeded."


async def test_a_state_resumes_after_a_version_and_ends_with_the_run(person: Client) -> None:
    instance = await start(person, "text-insights", {"texts": TEXTS})
    async with person.socket() as socket:
        states = [event["instanceUpdated"] for event in await socket.all_of(STATE, {"id": instance}, 90)]
        last = states[-1]["version"]
        assert await socket.all_of(STATE, {"id": instance, "after": last}, 10) == []
        again = await socket.all_of(STATE, {"id": instance, "after": last - 1}, 10)
        assert [event["instanceUpdated"] for event in again] == states[-1:]


async def test_what_has_not_ended_then_changes_then_deletions_and_all_of_it_after_a_pause(person: Client) -> None:
    first = await start(person, "text-insights", {"texts": TEXTS})
    async with person.socket() as socket:
        await socket.begin(MINE)
        while True:
            message = (await socket.receive(90))["payload"]
            event = message["data"]["instancesUpdated"]
            assert event["id"] == first
            assert event["agent"] == {"name": "Text insights"}
            if event["isTerminal"]:
                break
        cursor = message["extensions"]["eventId"]
        await person.mutate("deleteInstance", "", id=first)
        event = (await socket.receive(30))["payload"]["data"]["instancesUpdated"]
        assert event["id"] == first
        assert event["deletedAt"] is not None
    second = await start(person, "text-insights", {"texts": TEXTS[:1]})
    await person.mutate("cancelInstance", "", id=second)
    async with person.socket() as socket:
        await socket.begin(MINE, {"after": cursor})
        seen: dict[str, Any] = {}
        while second not in seen or not seen[second]["isTerminal"]:
            event = (await socket.receive(60))["payload"]["data"]["instancesUpdated"]
            assert event["version"] > seen.get(event["id"], {"version": 0})["version"]
            seen[event["id"]] = event
        assert seen[first]["deletedAt"] is not None


async def test_a_followed_instance_that_is_deleted_ends_with_an_error(person: Client) -> None:
    instance = await start(person, "text-insights", {"texts": TEXTS * 30})
    async with person.socket() as socket:
        await socket.begin(STATE, {"id": instance})
        await socket.receive(30)
        await person.mutate("cancelInstance", "", id=instance)
        await person.mutate("deleteInstance", "", id=instance)
        while (message := await socket.receive(60))["type"] == "next" and not message["payload"].get("errors"):
            pass
        if message["type"] == "next":
            assert message["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_no_account_follows_anothers_log(person: Client, user: Client, anonymous: Client) -> None:
    instance = await start(user, "text-insights", {"texts": TEXTS[:1]})
    for client in (person, anonymous):
        async with client.socket() as socket:
            await socket.begin(LOGS, {"id": instance})
            message = await socket.receive(20)
            assert message["payload"]["data"] == {"instanceLogs": None}
            assert message["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
            assert (await socket.receive(20))["type"] == "complete"


@pytest.mark.parametrize("how", ["revoked", "expired"])
async def test_a_key_that_ends_closes_the_live_socket_within_seconds(person: Client, how: str) -> None:
    given: dict[str, Any] = {"name": how, "scopes": ["instances:read"]}
    if how == "expired":
        given["expiresAt"] = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
    selection = "... on CreateApiKeySuccess { apiKey { id } secret }"
    made = await person.mutate("createApiKey", selection, input=given)
    assert made["__typename"] == "CreateApiKeySuccess", made
    async with Client(person.url, made["secret"]) as holder, holder.socket() as socket:
        await socket.begin(MINE)
        await asyncio.sleep(0.5)
        if how == "revoked":
            await person.mutate("revokeApiKey", "", id=made["apiKey"]["id"])
        async with asyncio.timeout(15):
            while (message := await socket.connection.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING)
        assert socket.connection.close_code == 4403
