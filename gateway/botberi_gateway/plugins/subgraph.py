"""A subgraph's client -> one that calls the hooks around each of its requests."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from botberi_gateway.codec import decode
from botberi_gateway.plan import OperationKind
from botberi_gateway.plugins.hooks import OPERATION, Hooks
from botberi_gateway.plugins.plugin import SubgraphCall
from botberi_gateway.upstream.answer import request_body
from botberi_gateway.upstream.port import (
    Answer,
    CountedAnswer,
    EncodedClient,
    SubgraphClient,
    SubgraphRequest,
    SubgraphResponse,
    TaskAnswer,
)


def hooked(name: str, client: SubgraphClient, hooks: Hooks) -> SubgraphClient:
    """The client, with the hooks around it."""
    return _EncodedClient(name, client, hooks) if isinstance(client, EncodedClient) else _Client(name, client, hooks)


class _Client:
    def __init__(self, name: str, client: SubgraphClient, hooks: Hooks) -> None:
        self._name, self._client, self._hooks = name, client, hooks

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient`."""
        call = self._call(request, request_body(self._name, request))
        response = await self._before(call)
        if response is None:
            response = await self._client.execute(replace(call.request, headers=call.headers))
        return await self._after(call, response)

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient`."""
        call = self._call(request, None)
        response = await self._before(call)
        if response is not None:
            yield await self._after(call, response)
            return
        answers: Any = self._client.subscribe(replace(call.request, headers=call.headers))
        try:
            async for answer in answers:
                yield await self._after(call, answer)
        finally:
            if hasattr(answers, "aclose"):
                await answers.aclose()

    async def aclose(self) -> None:
        """See `SubgraphClient`."""
        await self._client.aclose()

    def _call(self, request: SubgraphRequest, body: bytes | None) -> SubgraphCall:
        return SubgraphCall(self._name, request, dict(request.headers), body, OPERATION.get())

    async def _before(self, call: SubgraphCall) -> SubgraphResponse | None:
        for hook in self._hooks.on_subgraph_request:
            request = call.request
            response: SubgraphResponse | None = await hook(call)
            if response is not None:
                return response
            if call.request is not request and call.body is not None:
                call.body = request_body(self._name, call.request)
        return None

    async def _after(self, call: SubgraphCall, response: SubgraphResponse) -> SubgraphResponse:
        for hook in self._hooks.on_subgraph_response:
            response = await hook(call, response) or response
        return response


class _EncodedClient(_Client):
    _client: EncodedClient

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """See `EncodedClient.start`."""
        return TaskAnswer.of(lambda answer: self._send(answer, body, kind, headers, timeout))

    async def _send(
        self, answer: Answer, body: bytes, kind: OperationKind, headers: Mapping[str, str], seconds: float
    ) -> SubgraphResponse:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        parsed = decode(body)
        request = SubgraphRequest(
            parsed["query"], parsed.get("variables") or {}, parsed.get("operationName"), kind, headers, seconds
        )
        call = self._call(request, body)
        response = await self._before(call)
        if response is None:
            assert call.body is not None
            future = self._client.start(call.body, kind, call.headers, max(0.001, deadline - loop.time()))
            # `answer.read` would make other values than hooks understand.
            if isinstance(future, CountedAnswer):
                future.spending = answer.spending
            response = await (await future).exactly()
        return await self._after(call, response)
