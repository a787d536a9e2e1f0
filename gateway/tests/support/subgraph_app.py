"""A graphql-core schema -> an ASGI app with `POST /graphql` and `graphql-transport-ws`.

Also a uvicorn server for it in this process.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import uvicorn
from graphql import ExecutionResult, GraphQLSchema, execute, parse, subscribe, validate

App = Callable[..., Any]


def subgraph_app(schema: GraphQLSchema, root_value: Any = None) -> App:
    """Resolvers get `{"headers": {...}}` as context, lower-case names."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope.get("headers", ())}
        if scope["type"] == "http":
            await _http(schema, root_value, headers, receive, send)
        elif scope["type"] == "websocket":
            await _websocket(schema, root_value, headers, scope, receive, send)

    return app


async def _http(schema: GraphQLSchema, root_value: Any, headers: dict[str, str], receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    request = json.loads(body)
    document = parse(request["query"])
    problems = validate(schema, document)
    if problems:
        result: Any = ExecutionResult(None, problems)
    else:
        result = execute(
            schema,
            document,
            root_value=root_value,
            context_value={"headers": headers},
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
        )
        result = await result if asyncio.iscoroutine(result) else result
    answer = json.dumps(result.formatted).encode()
    start = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [(b"content-type", b"application/json"), (b"x-served-by", b"test")]})
    await send({"type": "http.response.body", "body": answer})


async def _websocket(
    schema: GraphQLSchema, root_value: Any, headers: dict[str, str], scope: dict[str, Any], receive: Any, send: Any
) -> None:
    await receive()
    if "graphql-transport-ws" not in scope["subprotocols"]:
        await send({"type": "websocket.close", "code": 4406})
        return
    await send({"type": "websocket.accept", "subprotocol": "graphql-transport-ws"})

    async def say(**message: Any) -> None:
        await send({"type": "websocket.send", "text": json.dumps(message)})

    async def run(message: dict[str, Any]) -> None:
        request = message["payload"]
        document = parse(request["query"])
        problems = validate(schema, document)
        if problems:
            await say(id=message["id"], type="error", payload=[p.formatted for p in problems])
            return
        source: Any = subscribe(
            schema,
            document,
            root_value=root_value,
            context_value={"headers": headers},
            variable_values=request.get("variables"),
            operation_name=request.get("operationName"),
        )
        source = await source if asyncio.iscoroutine(source) else source
        if isinstance(source, ExecutionResult):
            await say(id=message["id"], type="error", payload=source.formatted["errors"])
            return
        try:
            async for result in source:
                await say(id=message["id"], type="next", payload=result.formatted)
        finally:
            await source.aclose()
        await say(id=message["id"], type="complete")

    running: set[asyncio.Task[None]] = set()
    try:
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                return
            message = json.loads(event["text"])
            match message["type"]:
                case "connection_init":
                    await say(type="ping")
                    await say(type="connection_ack")
                case "subscribe":
                    running.add(asyncio.create_task(run(message)))
                case "complete":
                    for task in running:
                        task.cancel()
    finally:
        for task in running:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError, Exception):
                await task


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[str]:
    """The app behind a real socket; gives the URL of its endpoint."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="error", lifespan="off", ws="websockets-sansio")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
                await asyncio.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/graphql"
        finally:
            server.should_exit = True
            server.force_exit = True
            await task
