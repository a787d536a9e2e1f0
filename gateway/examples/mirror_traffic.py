"""Mirror traffic: a share of a subgraph's queries goes to a candidate as well, and different answers are logged.

Clients get the subgraph's own answers; they never wait for the candidate.

```yaml
plugins:
  - use: examples.mirror_traffic:MirrorTraffic
    options: {subgraph: reviews, candidate: "http://reviews-next:4001/graphql", share: "0.1"}
```
"""

import asyncio
import logging
import random
from collections import Counter

from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import GatewayError
from botberi_gateway.plugins import Plugin, SubgraphCall
from botberi_gateway.upstream import HttpClient
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse

logger = logging.getLogger(__name__)


class MirrorTraffic(Plugin):
    """Compares a candidate's answers with those of the subgraph. Mutations are not mirrored."""

    def __init__(self, subgraph: str, candidate: str, share: str = "1", max_under_way: str = "50") -> None:
        self._subgraph, self._share, self._max = subgraph, float(share), int(max_under_way)
        self._client = HttpClient(f"{subgraph}-candidate", candidate, SubgraphConfig(timeout_seconds=10))
        self._under_way: set[asyncio.Task[None]] = set()
        #: How comparisons ended: `equal`, `different`, `failed`, or `skipped` as too many were under way.
        self.outcomes: Counter[str] = Counter()

    async def on_subgraph_response(self, call: SubgraphCall, response: SubgraphResponse) -> SubgraphResponse | None:
        """Ask the candidate aside."""
        if call.subgraph != self._subgraph or call.request.kind != "query" or call.body is None:
            return None
        if random.random() >= self._share:  # noqa: S311 - chooses a sample
            return None
        if len(self._under_way) >= self._max:
            self.outcomes["skipped"] += 1
            return None
        task = asyncio.create_task(self._compare(call, response))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return None

    async def _compare(self, call: SubgraphCall, response: SubgraphResponse) -> None:
        request = call.request
        try:
            answer = await self._client.execute(
                SubgraphRequest(request.operation, request.variables, request.operation_name, headers=call.headers)
            )
        except GatewayError as error:
            self.outcomes["failed"] += 1
            logger.warning("the candidate of %s failed: %s", call.subgraph, error.message)
            return
        same = (answer.data, bool(answer.errors)) == (response.data, bool(response.errors))
        self.outcomes["equal" if same else "different"] += 1
        if not same:
            logger.warning("the candidate of %s answered differently: %s", call.subgraph, request.operation)

    async def stop(self) -> None:
        """Let the comparisons under way end."""
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=5)
        await self._client.aclose()
