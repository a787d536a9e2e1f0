"""A GraphQL client over HTTP and WebSocket, as an application would have one."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Self

import aiohttp

_names = itertools.count(1)


class GraphQLError(AssertionError):
    """An answer with errors where none were expected."""


class Client:
    """One caller: anonymous, with a cookie jar of its own, or with a bearer token."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        jar = aiohttp.CookieJar(unsafe=True)
        self._session = aiohttp.ClientSession(cookie_jar=jar, timeout=aiohttp.ClientTimeout(total=60))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"authorization": f"Bearer {self.token}"}

    async def post(self, body: Any, **options: Any) -> tuple[int, dict[str, Any]]:
        """Status and JSON of one request."""
        headers = self.headers | dict(options.pop("headers", {}))
        async with self.session.post(self.url, json=body, headers=headers, **options) as response:
            return response.status, await response.json(content_type=None)

    async def execute(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The whole answer, errors and all."""
        _, answer = await self.post({"query": query, "variables": dict(variables or {})})
        return answer

    async def ask(self, query: str, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.execute(query, variables)
        if answer.get("errors"):
            raise GraphQLError(f"{query}\n{variables}\n{answer}")
        data: dict[str, Any] = answer["data"]
        return data

    async def mutate(self, field: str, selection: str, **arguments: Any) -> dict[str, Any]:
        """One mutation with all its arguments as variables; its payload, `__typename` and error fields included."""
        types = {"input": f"{field[0].upper()}{field[1:]}Input!", "id": "ID!", "expectedVersion": "Int"}
        types |= dict.fromkeys(("token", "email", "newEmail"), "String!")
        declared = ", ".join(f"${name}: {types[name]}" for name in arguments)
        given = ", ".join(f"{name}: ${name}" for name in arguments)
        query = (
            f"mutation{f'({declared})' if declared else ''} {{ {field}{f'({given})' if given else ''} {{ __typename "
            f"{selection} ... on Error {{ message }} ... on ValidationError {{ fields {{ path message }} }} }} }}"
        )
        payload: dict[str, Any] = (await self.ask(query, arguments))[field]
        return payload

    async def sign_in(self, email: str, password: str) -> str:
        """Log in; the session's token."""
        given = {"email": email, "password": password}
        answer = await self.mutate("login", "... on LoginSuccess { token }", input=given)
        assert answer["__typename"] == "LoginSuccess", answer
        token: str = answer["token"]
        return token

    @asynccontextmanager
    async def socket(self) -> AsyncIterator["Socket"]:
        """A `graphql-transport-ws` connection, acknowledged."""
        async with self.session.ws_connect(
            self.url.replace("http", "ws", 1), protocols=["graphql-transport-ws"], max_msg_size=0
        ) as connection:
            await connection.send_json({"type": "connection_init", "payload": self.headers})
            assert (await connection.receive_json(timeout=10))["type"] == "connection_ack"
            yield Socket(connection)


class Socket:
    """Subscriptions on one connection, one after another or by id."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self.connection = connection

    async def begin(self, query: str, variables: Mapping[str, Any] | None = None) -> str:
        """Subscribe; the operation's id."""
        name = str(next(_names))
        payload = {"query": query, "variables": dict(variables or {})}
        await self.connection.send_json({"id": name, "type": "subscribe", "payload": payload})
        return name

    async def receive(self, timeout_seconds: float = 30.0) -> dict[str, Any]:
        """The next message that isn't a ping."""
        async with asyncio.timeout(timeout_seconds):
            while True:
                message: dict[str, Any] = await self.connection.receive_json()
                if message["type"] == "ping":
                    await self.connection.send_json({"type": "pong"})
                    continue
                return message

    async def all_of(
        self, query: str, variables: Mapping[str, Any] | None = None, timeout_seconds: float = 60.0
    ) -> list[dict[str, Any]]:
        """Every payload's data until the subscription completes."""
        name = await self.begin(query, variables)
        found = []
        async with asyncio.timeout(timeout_seconds):
            while True:
                message = await self.receive(timeout_seconds)
                if message["type"] == "complete" and message["id"] == name:
                    return found
                assert message["type"] == "next", message
                assert not message["payload"].get("errors"), message
                found.append(message["payload"]["data"])
