"""The gateway's address -> clients like applications: they try again, reconnect, and note every answer."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import aiohttp

from lab.faults.evidence import Evidence, Seen, Watch
from shared_schema.ids import from_global_id

_AGENT: Final = "query($slug: String!) { agent(slug: $slug) { id } }"
_LOGIN: Final = (
    "mutation($input: LoginInput!) { login(input: $input) { __typename ... on LoginSuccess { token } "
    "... on Error { message } } }"
)
_CREATE: Final = (
    "mutation($input: CreateInstanceInput!) { createInstance(input: $input) { __typename "
    "... on CreateInstanceSuccess { instance { id } } ... on Error { message } } }"
)
_CANCEL: Final = "mutation($id: ID!) { cancelInstance(id: $id) { __typename } }"
_WATCH: Final = "subscription($id: ID!) { instanceUpdated(id: $id) { id version status isTerminal } }"
_FOLLOW: Final = "subscription { instancesUpdated { id version status isTerminal } }"
#: How long a client insists on one request.
_INSISTS_SECONDS: Final = 180.0
_PAUSE: Final = 0.3
_RECONNECT_PAUSE: Final = 1.0
#: Anything that a client can meet where a server dies under it.
_LOST: Final = (aiohttp.ClientError, OSError, TimeoutError, ConnectionError, ValueError, TypeError, KeyError)


class Refused(Exception):
    """An answer that no repetition changes."""


class Clients:
    """One account's clients."""

    def __init__(self, endpoint: str, evidence: Evidence) -> None:
        self._endpoint = endpoint
        self._evidence = evidence
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20))
        self._token = ""

    async def aclose(self) -> None:
        """Close connections."""
        await self._session.close()

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the caller."""
        return {"authorization": f"Bearer {self._token}"} if self._token else {}

    async def sign_in(self, email: str, password: str) -> None:
        """Be that account from now on."""
        answer = await self._insist(_LOGIN, {"input": {"email": email, "password": password}}, "login")
        self._token = answer["token"]

    async def agent(self, slug: str) -> str:
        """An agent's id."""
        found: str = (await self._insist(_AGENT, {"slug": slug}, "agent"))["id"]
        return found

    async def create(self, key: str, agent: str, parameters: Mapping[str, Any]) -> str:
        """Create an instance, under the same key until it is answered; its global id."""
        given = {"name": key, "agentId": agent, "parameters": parameters, "idempotencyKey": key}
        try:
            answer = await self._insist(_CREATE, {"input": given}, "createInstance")
        except TimeoutError:
            self._evidence.unanswered.add(key)
            raise
        instance: str = answer["instance"]["id"]
        self._evidence.made[key] = from_global_id("Instance", instance)
        return instance

    async def cancel(self, instance: str) -> None:
        """Cancel it, if it has not ended; once, for a cancel that was not answered promises nothing."""
        try:
            answer = await self._ask(_CANCEL, {"id": instance})
        except _LOST:
            return
        if (answer.get("cancelInstance") or {}).get("__typename") == "CancelInstanceSuccess":
            self._evidence.cancelled.add(from_global_id("Instance", instance))

    async def _insist(self, query: str, variables: Mapping[str, Any], field: str) -> dict[str, Any]:
        """Ask until the answer is a success. Raises `TimeoutError`, and `Refused` for what was asked wrongly."""
        last: object = None
        async with asyncio.timeout(_INSISTS_SECONDS):
            while True:
                try:
                    answer = (await self._ask(query, variables)).get(field)
                except _LOST as error:
                    last = error
                else:
                    if answer is not None and not str(answer.get("__typename", "")).endswith("Error"):
                        return dict(answer)
                    if answer is not None:
                        raise Refused(f"{field}: {answer}")
                await asyncio.sleep(_PAUSE)
        raise TimeoutError(f"{field}: {last}")

    async def _ask(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        body = {"query": query, "variables": dict(variables)}
        try:
            async with self._session.post(self._endpoint, json=body, headers=self.headers) as response:
                if response.status >= 500:
                    self._evidence.failures.append((time.monotonic(), f"HTTP {response.status}"))
                answer: dict[str, Any] = await response.json(content_type=None)
                data: dict[str, Any] = answer.get("data") or {}
                return data
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            self._evidence.failures.append((time.monotonic(), type(error).__name__))
            raise

    def connect(self) -> aiohttp.client._WSRequestContextManager:
        """A WebSocket to the gateway, not yet initialised."""
        url = self._endpoint.replace("http", "ws", 1)
        return self._session.ws_connect(url, protocols=["graphql-transport-ws"], timeout=aiohttp.ClientWSTimeout(5.0))


class Socket:
    """One connection that watches instances to their ends; when it is lost, it comes back and subscribes again."""

    def __init__(self, clients: Clients, evidence: Evidence, *, resumes: bool) -> None:
        """A client with `resumes` sends the last event's id; another starts again from the present state."""
        self._clients = clients
        self._evidence = evidence
        self._resumes = resumes
        #: The id of each instance's event that came last.
        self._last: dict[str, str] = {}
        self._names = itertools.count(1)
        #: What is watched and has not ended.
        self._wanted: set[str] = set()
        self._open: dict[str, str] = {}
        #: Subscriptions that have delivered nothing yet.
        self._fresh: set[str] = set()
        self._connection: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._task = asyncio.create_task(self._run(), name="watching socket")
        self._ended: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.reconnects = 0

    async def watch(self, instance: str) -> None:
        """Follow one more."""
        self._evidence.watches[from_global_id("Instance", instance)] = Watch()
        self._wanted.add(instance)
        await self._subscribe(instance)

    async def wait(self, instance: str) -> None:
        """Return once its subscription has completed."""
        await self._ended[instance].wait()

    async def stop(self) -> None:
        """Hang up."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._clients.connect() as connection:
                    await connection.send_json({"type": "connection_init", "payload": self._clients.headers})
                    if (await connection.receive_json(timeout=10)).get("type") == "connection_ack":
                        self._connection = connection
                        self._open.clear()
                        for instance in sorted(self._wanted):
                            self._watch_of(instance).resumed += 1
                            await self._subscribe(instance)
                        await self._listen(connection)
            except _LOST:
                pass
            finally:
                self._connection = None
            self.reconnects += 1
            await asyncio.sleep(_RECONNECT_PAUSE)

    async def _listen(self, connection: aiohttp.ClientWebSocketResponse[bool]) -> None:
        # Silence is no sign of death while nothing happens, so it is the client that asks.
        while True:
            try:
                message = await connection.receive_json(timeout=5)
            except TimeoutError:
                await connection.send_json({"type": "ping"})
                message = await connection.receive_json(timeout=10)
            await self._hear(connection, message)

    async def _hear(self, connection: aiohttp.ClientWebSocketResponse[bool], message: dict[str, Any]) -> None:
        if message["type"] == "ping":
            await connection.send_json({"type": "pong"})
        instance = self._open.get(message.get("id", ""))
        if instance is None:
            return
        watch = self._watch_of(instance)
        if message["type"] == "next":
            payload = message["payload"]
            state = (payload.get("data") or {}).get("instanceUpdated")
            watch.errors += bool(payload.get("errors"))
            if event := (payload.get("extensions") or {}).get("eventId"):
                self._last[instance] = event
            if state is not None:
                state_seen = Seen(state["version"], state["status"])
                # A resumed subscription begins with the present state, which may be the one seen last.
                if not (message["id"] in self._fresh and watch.seen and watch.seen[-1] == state_seen):
                    watch.seen.append(state_seen)
                self._fresh.discard(message["id"])
                if state["isTerminal"]:
                    self._wanted.discard(instance)
                    self._last.pop(instance, None)
        elif message["type"] in ("complete", "error"):
            del self._open[message["id"]]
            if instance in self._wanted:
                # It ended without the end: an event source that was lost says so, and the client subscribes again.
                watch.resumed += 1
                await asyncio.sleep(0.05)
                await self._subscribe(instance)
            else:
                watch.completed = True
                self._ended[instance].set()

    async def _subscribe(self, instance: str) -> None:
        if self._connection is None:
            return
        name = str(next(self._names))
        self._open[name] = instance
        self._fresh.add(name)
        payload: dict[str, Any] = {"query": _WATCH, "variables": {"id": instance}}
        if self._resumes and instance in self._last:
            payload["extensions"] = {"lastEventId": self._last[instance]}
        try:
            await self._connection.send_json({"id": name, "type": "subscribe", "payload": payload})
        except _LOST:
            return

    def _watch_of(self, instance: str) -> Watch:
        return self._evidence.watches[from_global_id("Instance", instance)]


class Follower:
    """A subscriber of all instances of the account; each of its sessions is a stream of its own."""

    def __init__(self, clients: Clients, evidence: Evidence) -> None:
        self._clients = clients
        self._evidence = evidence
        self._task = asyncio.create_task(self._run(), name="follower")

    async def stop(self) -> None:
        """Hang up."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._clients.connect() as connection:
                    await connection.send_json({"type": "connection_init", "payload": self._clients.headers})
                    await connection.receive_json(timeout=10)
                    await connection.send_json({"id": "1", "type": "subscribe", "payload": {"query": _FOLLOW}})
                    await self._listen(connection)
            except _LOST:
                pass
            await asyncio.sleep(_RECONNECT_PAUSE)

    async def _listen(self, connection: aiohttp.ClientWebSocketResponse[bool]) -> None:
        stream: defaultdict[UUID, list[Seen]] = defaultdict(list)
        self._evidence.streams.append(stream)
        while True:
            try:
                message = await connection.receive_json(timeout=5)
            except TimeoutError:
                await connection.send_json({"type": "ping"})
                message = await connection.receive_json(timeout=10)
            if message["type"] == "ping":
                await connection.send_json({"type": "pong"})
            elif message["type"] in ("complete", "error"):
                return
            elif message["type"] == "next":
                state = (message["payload"].get("data") or {}).get("instancesUpdated")
                if state is not None:
                    stream[from_global_id("Instance", state["id"])].append(Seen(state["version"], state["status"]))
