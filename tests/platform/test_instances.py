"""Runs of agents: made, watched to their end, cancelled, deleted; no account sees another's."""

import asyncio
import itertools
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.platform.clients import Client
from tests.platform.running import RunningPlatform

MADE = "... on CreateInstanceSuccess { instance { id status version } }"
WATCH = """subscription($id: ID!) { instanceUpdated(id: $id) {
    status progress version isTerminal result error { code message }
    agent { slug name publisher { displayName } } owner { displayName } } }"""


@pytest.fixture
async def other_user(platform: RunningPlatform) -> AsyncIterator[Client]:
    """Another user."""
    name = secrets.token_hex(6)
    async with Client(platform.url) as client:
        person = {"email": f"{name}@example.com", "password": f"another person's {name}", "displayName": "Other"}
        await client.mutate("register", "", input=person)
        client.token = await client.sign_in(person["email"], person["password"])
        client.session.cookie_jar.clear()
        yield client


async def agent_id(client: Client, slug: str) -> str:
    found: str = (await client.ask("query($s: String!) { agent(slug: $s) { id } }", {"s": slug}))["agent"]["id"]
    return found


async def start(client: Client, slug: str, parameters: dict[str, Any]) -> str:
    given = {"name": f"test of {slug}", "agentId": await agent_id(client, slug), "parameters": parameters}
    made = await client.mutate("createInstance", MADE, input=given)
    assert made["__typename"] == "CreateInstanceSuccess", made
    assert made["instance"]["status"] == "PENDING"
    found: str = made["instance"]["id"]
    return found


async def watch(client: Client, instance: str, timeout_seconds: float = 90.0) -> list[dict[str, Any]]:
    async with client.socket() as socket:
        return [event["instanceUpdated"] for event in await socket.all_of(WATCH, {"id": instance}, timeout_seconds)]


TEXTS = [
    "The delivery was fast and the coffee is wonderful. I love it.",
    "Terrible service. The package arrived broken and no one answered.",
    "It is a coffee machine.",
]
POINTS = [[1 + i / 50, 1 - i / 40] for i in range(15)] + [[9 - i / 50, 8 + i / 45] for i in range(15)]


async def test_texts_are_analysed_and_watched_to_the_end(user: Client) -> None:
    events = await watch(user, await start(user, "text-insights", {"texts": TEXTS}))
    versions = [event["version"] for event in events]
    assert versions == sorted(set(versions)), "never an older state after a newer one"
    assert events[-1]["status"] == "SUCCEEDED", events[-1]
    assert [event["isTerminal"] for event in events] == [False] * (len(events) - 1) + [True]
    assert events[-1]["progress"] == 1
    for event in events:
        assert event["agent"] == {
            "slug": "text-insights",
            "name": "Text insights",
            "publisher": {"displayName": "Botberi"},
        }
        assert event["owner"]["displayName"] == "Development user"
    labels = [report["label"] for report in events[-1]["result"]["texts"]]
    assert labels[:2] == ["positive", "negative"]


async def test_a_table_is_clustered(user: Client) -> None:
    schema = (await user.ask('{ agent(slug: "table-clusters") { templates { nodes { id parameters } } } }'))["agent"]
    template = schema["templates"]["nodes"][0]
    made = await user.mutate("createInstance", MADE, input={"templateId": template["id"]})
    events = await watch(user, made["instance"]["id"])
    assert events[-1]["status"] == "SUCCEEDED", events[-1]
    assert len(events[-1]["result"]["clusters"]) >= 2


async def test_one_query_across_all_three_subgraphs(user: Client) -> None:
    instance = await start(user, "text-insights", {"texts": TEXTS})
    await user.mutate("createApiKey", "", input={"name": "across"})
    query = """{ me { displayName apiKeys(first: 50) { nodes { name } } instances(first: 50) { nodes {
        id status agent { name publisher { displayName } } owner { displayName email } } } } }"""
    me = (await user.ask(query))["me"]
    assert "across" in [key["name"] for key in me["apiKeys"]["nodes"]]
    mine = next(node for node in me["instances"]["nodes"] if node["id"] == instance)
    assert mine["agent"] == {"name": "Text insights", "publisher": {"displayName": "Botberi"}}
    assert mine["owner"] == {"displayName": me["displayName"], "email": "user@botberi.dev"}


async def test_parameters_are_validated_against_the_agents_schema(user: Client) -> None:
    agent = await agent_id(user, "text-insights")
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"parameters": {}}, ["parameters", "texts"]),
        ({"parameters": {"texts": [1]}}, ["parameters", "texts", "0"]),
        ({"parameters": {"texts": ["a"], "key_phrases": 0}}, ["parameters", "key_phrases"]),
        ({"parameters": {"texts": ["a"], "unheard": 1}}, ["parameters", "unheard"]),
    ]
    for given, path in cases:
        refused = await user.mutate("createInstance", "", input={"agentId": agent} | given)
        assert refused["__typename"] == "ValidationError", (given, refused)
        assert path in [field["path"] for field in refused["fields"]], (given, refused)
    neither = await user.mutate("createInstance", "", input={"parameters": {}})
    assert neither["__typename"] == "ValidationError"
    missing = await user.mutate("createInstance", "", input={"agentId": "QWdlbnQ6eA", "parameters": {}})
    assert missing["__typename"] in ("NotFoundError", "ValidationError")


async def test_all_of_the_callers_and_no_others(user: Client, other_user: Client) -> None:
    follow = "subscription { instancesUpdated { id status isTerminal } }"
    async with user.socket() as mine, other_user.socket() as theirs:
        await mine.begin(follow)
        await theirs.begin(follow)
        await asyncio.sleep(0.5)
        wanted = {await start(user, "text-insights", {"texts": TEXTS[:1]}) for _ in range(2)}
        own = await start(other_user, "text-insights", {"texts": TEXTS[1:2]})
        ended: set[str] = set()
        while not wanted <= ended:
            event = (await mine.receive(60))["payload"]["data"]["instancesUpdated"]
            assert event["id"] != own
            if event["isTerminal"]:
                ended.add(event["id"])
        for _ in itertools.count():
            event = (await theirs.receive(60))["payload"]["data"]["instancesUpdated"]
            assert event["id"] == own
            if event["isTerminal"]:
                break


async def test_no_account_sees_or_changes_anothers(user: Client, other_user: Client, anonymous: Client) -> None:
    instance = await start(user, "text-insights", {"texts": TEXTS})
    for client in (other_user, anonymous):
        answer = await client.execute("query($id: ID!) { instance(id: $id) { id name } }", {"id": instance})
        assert answer["data"]["instance"] is None
        for field in ("cancelInstance", "deleteInstance"):
            refused = await client.mutate(field, "", id=instance)
            assert refused["__typename"] in ("NotFoundError", "UnauthenticatedError"), refused
    listed = await other_user.ask("{ instances(first: 100) { nodes { id } } }")
    assert instance not in [node["id"] for node in listed["instances"]["nodes"]]
    async with other_user.socket() as socket:
        await socket.begin(WATCH, {"id": instance})
        message = await socket.receive(10)
        leaked = (message["payload"].get("data") or {}).get("instanceUpdated") if message["type"] == "next" else None
        assert leaked is None, message


async def test_cancel_and_delete(user: Client) -> None:
    instance = await start(user, "text-insights", {"texts": TEXTS * 100})
    answer = await user.mutate("cancelInstance", "... on CancelInstanceSuccess { instance { status } }", id=instance)
    assert answer["__typename"] == "CancelInstanceSuccess", answer
    events = await watch(user, instance)
    assert events[-1]["status"] == "CANCELLED", events[-1]
    again = await user.mutate("cancelInstance", "", id=instance)
    assert again["__typename"] == "ConflictError", again

    gone = await user.mutate("deleteInstance", "... on DeleteInstanceSuccess { id }", id=instance)
    assert gone["id"] == instance
    assert (await user.ask("query($id: ID!) { instance(id: $id) { id } }", {"id": instance}))["instance"] is None
    twice = await user.mutate("deleteInstance", "", id=instance)
    assert twice["__typename"] == "NotFoundError"


async def test_a_late_subscriber_gets_the_end_at_once(user: Client) -> None:
    instance = await start(user, "text-insights", {"texts": TEXTS[:1]})
    await watch(user, instance)
    events = await watch(user, instance, 5)
    assert [event["status"] for event in events] == ["SUCCEEDED"]


async def test_the_same_idempotency_key_makes_one_instance(user: Client) -> None:
    given = {
        "agentId": await agent_id(user, "text-insights"),
        "parameters": {"texts": TEXTS[:1]},
        "idempotencyKey": secrets.token_hex(8),
    }
    answers = [await user.mutate("createInstance", MADE, input=given) for _ in range(2)]
    assert answers[0]["instance"]["id"] == answers[1]["instance"]["id"]
