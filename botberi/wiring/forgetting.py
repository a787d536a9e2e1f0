"""A client of identity that makes the verifier ask again after each mutation.

The verifier believes an answer for a second. Whoever signs out expects to be out at once, at least where they did it; other gateways follow
within that second.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from botberi.wiring.assertion import subject_of
from botberi.wiring.verifier import Verifier
from gateway.upstream.port import SubgraphClient, SubgraphRequest, SubgraphResponse
from shared_schema.contracts.assertion import HEADER

#: Headers of subgraph requests go by their lower-case names.
_HEADER: Final = HEADER.lower()


@dataclass(frozen=True, slots=True)
class ForgettingClient:
    """A `SubgraphClient` around identity's."""

    client: SubgraphClient
    verifier: Verifier

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient`."""
        try:
            return await self.client.execute(request)
        finally:
            # Even when no answer came: the mutation may have happened.
            if request.kind == "mutation":
                self.verifier.forget(subject_of(request.headers[_HEADER]))

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient`."""
        return self.client.subscribe(request)

    async def aclose(self) -> None:
        """See `SubgraphClient`."""
        await self.client.aclose()
