"""Client of a subgraph in another process -> the same, with the claims of each request signed for that request.

It is the innermost wrapper: what shares equal requests sees the claims, which are equal for one caller, and what goes
out is signed last, over the bytes that are sent.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Final

from yarl import URL

from botberi.wiring.assertion import AssertionSigner
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.answer import request_body
from botberi_gateway.upstream.port import EncodedClient, SubgraphRequest, SubgraphResponse

#: Where a request has no limit of time: the client's own holds.
_NO_LIMIT: Final = 86_400.0


class SigningClient:
    """An `EncodedClient` in front of another."""

    def __init__(self, name: str, client: EncodedClient, url: str, signer: AssertionSigner) -> None:
        """`url` is the subgraph's endpoint."""
        self._name = name
        self._client = client
        self._start = client.start
        self._path = URL(url).raw_path_qs
        self._signer = signer

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """Implements `SubgraphClient`."""
        timeout = _NO_LIMIT if request.timeout is None else request.timeout
        answer = await self.start(request_body(self._name, request), request.kind, request.headers, timeout)
        return answer.exact()

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """Implements `EncodedClient`."""
        signed = self._signer.signed(headers, "POST", self._path, body, once=kind != "query")
        return self._start(body, kind, signed, timeout)

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """Implements `SubgraphClient`; the claims are signed for the WebSocket's handshake."""
        headers = self._signer.signed(request.headers, "GET", self._path, b"", once=True)
        return self._client.subscribe(replace(request, headers=headers))

    async def aclose(self) -> None:
        """Implements `SubgraphClient`."""
        await self._client.aclose()
