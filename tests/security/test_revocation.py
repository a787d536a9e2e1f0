"""What ends, ends everywhere: two gateways, a revocation at one of them, and the last moment at which the other serves.

Without a message broker nothing is slower: a gateway believes identity for a second, events or none.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from botberi.parts import gateway as gateways
from botberi.parts.subgraphs import NAMES, sdl_file
from botberi.run.serving import serving
from botberi.settings import GatewaySettings
from botberi.wiring import keys
from botberi.wiring.events import BusEventSource
from botberi.wiring.gateway_config import gateway_config
from botberi.wiring.internal_call import LocalCall
from botberi_gateway.engine import SubgraphSource
from botberi_gateway.server import bind
from event_broker.bus import Bus
from event_broker.memory import MemoryBus
from event_broker.service import EventBroker
from shared_schema.ids import new_id, to_global_id
from subgraphs.catalog.app import create_app as create_catalog
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.assertion import SAME_PROCESS
from subgraphs.identity.app import create_app as create_identity
from subgraphs.instance.app import create_app as create_instance
from subgraphs.instance.settings import InstanceSettings
from tests.platform.clients import Client
from tests.platform.running import free_ports
from tests.subgraphs.conftest import add_agent, identity_settings
from tests.support.identity import PASSWORD, new_address

pytestmark = pytest.mark.postgres

#: So long at most is an answer of identity believed.
WITHIN_SECONDS = 1.0
ME = "{ me { id } }"
RUN = """mutation ($input: CreateInstanceInput!) { answer: createInstance(input: $input) { __typename
  ... on CreateInstanceSuccess { instance { id } } } }"""


class InProcess:
    """A subgraph's app in the gateways' process, and its database for the tests."""

    def __init__(self, app: Any) -> None:
        self.app: ASGIApp = app
        self.store = app.state.subgraph.store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, SAME_PROCESS: True}, receive, send)


class Fleet:
    """Two gateways over the same three subgraphs."""

    def __init__(self, urls: tuple[str, str], instance: InProcess, bus: Bus) -> None:
        self.first, self.second = urls
        self.instance = instance
        self.bus = bus


@pytest.fixture
async def fleet(
    user_database_url: str, shared_database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Fleet]:
    """With events between them, unless the test's parameter says `dead`."""
    ring = keys.load_folder(tmp_path / "keys")
    shared: dict[str, Any] = {"shared_database_url": shared_database_url}
    apps = {
        "identity": InProcess(create_identity(identity_settings(user_database_url), jwks=ring.jwks)),
        "catalog": InProcess(create_catalog(CatalogSettings(**shared), jwks=ring.jwks)),
        "instance": InProcess(create_instance(InstanceSettings(**shared, state_dir=tmp_path), jwks=ring.jwks)),
    }
    bus, stop = MemoryBus(), asyncio.Event()
    await bus.start()
    async with AsyncExitStack() as stack:
        for app in apps.values():
            await stack.enter_async_context(app.app.router.lifespan_context(app.app))  # type: ignore[attr-defined]
        if getattr(request, "param", "alive") == "alive":
            databases = {"user_psql": user_database_url, "shared_psql": shared_database_url}
            broker = asyncio.create_task(EventBroker(databases, bus).run(stop))
            stack.push_async_callback(asyncio.wait, {broker})
        stack.callback(stop.set)
        ports = free_ports(2)
        for port in ports:
            settings = GatewaySettings(port=port, state_dir=tmp_path, documents=False)
            sources = {name: SubgraphSource(sdl_file(name).read_text(), app=apps[name]) for name in NAMES}
            app = gateways.make_app(settings, ring, sources, LocalCall(apps["identity"]), BusEventSource(bus))
            config = gateway_config(settings)
            await stack.enter_async_context(serving(app, bind(settings.host, port), config))
        urls = (f"http://127.0.0.1:{ports[0]}/graphql", f"http://127.0.0.1:{ports[1]}/graphql")
        yield Fleet(urls, apps["instance"], bus)
    await bus.aclose()


@asynccontextmanager
async def person(url: str) -> AsyncIterator[Client]:
    """A new account at one gateway, by bearer token."""
    given = {"email": new_address(), "password": PASSWORD, "displayName": "Somebody"}
    async with Client(url) as client:
        await client.mutate("register", "", input=given)
        client.token = await client.sign_in(given["email"], given["password"])
        client.session.cookie_jar.clear()
        yield client


async def last_success(serve: Callable[[], Awaitable[bool]], end: Callable[[], Awaitable[object]]) -> float:
    """Ask without pause while something is ended; seconds from its end to the last request that was served."""
    ended_at, last = float("inf"), float("-inf")

    async def hammer() -> None:
        nonlocal last
        while time.monotonic() < ended_at + 1.5 * WITHIN_SECONDS:
            asked = time.monotonic()
            if await serve():
                last = max(last, asked)
            await asyncio.sleep(0.01)

    hammering = asyncio.create_task(hammer())
    await asyncio.sleep(0.3)
    await end()
    ended_at = time.monotonic()
    await hammering
    assert last > float("-inf")
    return last - ended_at


async def signs_in(client: Client) -> bool:
    status, answer = await client.post({"query": ME})
    return status == 200 and answer["data"]["me"] is not None


@pytest.mark.parametrize("fleet", ["alive", "dead"], indirect=True, ids=["with events", "without a broker"])
async def test_credentials_end_at_the_other_gateway_within_a_second(fleet: Fleet) -> None:
    """A session that signs out, all sessions, a key that is revoked, and the former secret of a rotated one."""
    async with AsyncExitStack() as stack:

        async def holder(owner: Client, token: str | None, end: Callable[[], Awaitable[object]]) -> float:
            other = await stack.enter_async_context(Client(fleet.second, token))
            seconds = await last_success(lambda: signs_in(other), end)
            assert not await signs_in(other)
            return seconds

        out, everywhere, owner = [await stack.enter_async_context(person(fleet.first)) for _ in range(3)]
        selection = "... on CreateApiKeySuccess { secret apiKey { id } }"
        given = {"name": "k", "scopes": ["account:read"]}
        revoked, rotated = [await owner.mutate("createApiKey", selection, input=given) for _ in range(2)]
        rotation = {"id": rotated["apiKey"]["id"], "overlapSeconds": 0}
        all_sessions = "mutation { revokeSessions(keepCurrent: false) { __typename } }"
        found = await asyncio.gather(
            holder(out, out.token, lambda: out.mutate("logout", "")),
            holder(everywhere, everywhere.token, lambda: everywhere.ask(all_sessions)),
            holder(owner, revoked["secret"], lambda: owner.mutate("revokeApiKey", "", id=revoked["apiKey"]["id"])),
            holder(owner, rotated["secret"], lambda: owner.mutate("rotateApiKey", "", input=rotation)),
        )
        assert max(found) <= WITHIN_SECONDS, found


async def team(fleet: Fleet, owner: Client, member: Client) -> tuple[str, str]:
    """A workspace that both share; ids of the workspace and of the member's account."""
    made = await owner.ask(
        'mutation { answer: createWorkspace(name: "T") { ... on WorkspaceSuccess { workspace { id } } } }'
    )
    workspace: str = made["answer"]["workspace"]["id"]
    account: str = (await member.ask(ME))["me"]["id"]
    given = {"workspaceId": workspace, "accountId": account, "role": "MEMBER"}
    answer = await owner.mutate("setWorkspaceMember", "", input=given)
    assert answer["__typename"] == "WorkspaceSuccess", answer
    await asyncio.sleep(WITHIN_SECONDS + 0.1)
    return workspace, account


def removal(owner: Client, workspace: str, account: str) -> Callable[[], Awaitable[object]]:
    document = """mutation ($w: ID!, $a: ID!) { answer: removeWorkspaceMember(workspaceId: $w, accountId: $a) {
      __typename ... on Error { message } } }"""

    async def remove() -> None:
        answer = (await owner.ask(document, {"w": workspace, "a": account}))["answer"]
        assert answer["__typename"] == "WorkspaceSuccess", answer

    return remove


@pytest.mark.parametrize("fleet", ["alive", "dead"], indirect=True, ids=["with events", "without a broker"])
async def test_a_removed_member_is_out_at_the_other_gateway_within_a_second(fleet: Fleet) -> None:
    agent = await add_agent(fleet.instance)  # type: ignore[arg-type]
    async with person(fleet.first) as owner, person(fleet.second) as member:
        workspace, account = await team(fleet, owner, member)
        given = {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}, "workspaceId": workspace}
        run = (await owner.ask(RUN, {"input": given}))["answer"]["instance"]["id"]
        query = "query ($id: ID!) { instance(id: $id) { id } }"

        async def sees() -> bool:
            return (await member.ask(query, {"id": run}))["instance"] is not None

        seconds = await last_success(sees, removal(owner, workspace, account))
        assert seconds <= WITHIN_SECONDS, seconds
        assert not await sees()
        assert await signs_in(member)


async def test_a_removed_member_hears_nothing_more_of_the_workspace(fleet: Fleet) -> None:
    agent = await add_agent(fleet.instance)  # type: ignore[arg-type]
    followed = "subscription ($w: ID!) { workspaceInstancesUpdated(workspaceId: $w) { id status } }"
    given: dict[str, Any] = {"agentId": to_global_id("Agent", agent.id), "parameters": {"texts": ["a"]}}
    async with person(fleet.first) as owner, person(fleet.second) as member, AsyncExitStack() as stack:
        workspace, account = await team(fleet, owner, member)
        given["workspaceId"] = workspace
        socket = await stack.enter_async_context(member.socket())
        await socket.begin(followed, {"w": workspace})
        await asyncio.sleep(0.5)
        first = (await owner.ask(RUN, {"input": given}))["answer"]["instance"]["id"]
        message = await socket.receive(10)
        assert message["payload"]["data"]["workspaceInstancesUpdated"]["id"] == first
        await removal(owner, workspace, account)()
        await asyncio.sleep(WITHIN_SECONDS + 0.1)
        second = (await owner.ask(RUN, {"input": given}))["answer"]["instance"]["id"]
        heard = []
        try:
            async with asyncio.timeout(4):
                while (received := await socket.connection.receive()).type is aiohttp.WSMsgType.TEXT:
                    heard.append(received.data)
        except TimeoutError:
            pass
        assert second not in "".join(heard)
        assert '"status"' not in "".join(heard)


async def test_a_workspace_of_others_is_not_followed(fleet: Fleet) -> None:
    followed = "subscription ($w: ID!) { workspaceInstancesUpdated(workspaceId: $w) { id } }"
    async with person(fleet.first) as other, other.socket() as socket:
        await socket.begin(followed, {"w": to_global_id("Workspace", new_id())})
        message = await socket.receive(10)
        assert message["payload"]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
