"""A client of identity that makes the verifier ask again after each mutation.

The verifier believes an answer for a second. A person who signs out expects to be out at once, at least on that
gateway; other gateways follow within that second.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

from botberi.wiring.assertion import subject_of
from botberi.wiring.verifier import Verifier
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.port import EncodedClient, SubgraphClient, SubgraphRequest, SubgraphResponse
from shared_schema.contracts.assertion import HEADER

#: Headers of subgraph requests go by their lower-case names.
_HEADER: Final = HEADER.lower()


def forgetting(client: SubgraphClient, verifier: Verifier) -> SubgraphClient:
    """Identity's client, so that it forgets; it takes encoded bodies where `client` does."""
    if isinstance(client, EncodedClient):
        return ForgettingEncodedClient(client, verifier)
    return ForgettingClient(client, verifier)


class ForgettingClient:
    """A `SubgraphClient` around identity's."""

    def __init__(self, client: SubgraphClient, verifier: Verifier) -> None:
        self.client = client
        self.verifier = verifier

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """Implements `SubgraphClient`."""
        try:
            return await self.client.execute(request)
        finally:
            # Even when no answer came: the mutation may have happened.
            if request.kind == "mutation":
                self.verifier.forget(subject_of(request.headers[_HEADER]))

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """Implements `SubgraphClient`."""
        return self.client.subscribe(request)

    async def aclose(self) -> None:
        """Implements `SubgraphClient`."""
        await self.client.aclose()


class ForgettingEncodedClient(ForgettingClient):
    """An `EncodedClient` around identity's."""

    def __init__(self, client: EncodedClient, verifier: Verifier) -> None:
        super().__init__(client, verifier)
        self._start = client.start

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """Implements `EncodedClient`."""
        future = self._start(body, kind, headers, timeout)
        if kind == "mutation":
            subject = subject_of(headers[_HEADER])
            future.add_done_callback(lambda _: self.verifier.forget(subject))
        return future
