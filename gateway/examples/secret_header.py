"""A header from a secret store: each request to one subgraph gets a token, which is read again when it gets old.

```yaml
plugins:
  - use: examples.secret_header:SecretHeader
    options: {subgraph: billing, header: x-api-key, file: /run/secrets/billing-key}
```
"""

import asyncio
import time
from pathlib import Path

from botberi_gateway.plugins import Plugin, SubgraphCall
from botberi_gateway.upstream.port import SubgraphResponse


class SecretHeader(Plugin):
    """Sends the content of a file, where a secret store such as Vault's agent or Kubernetes keeps the newest value."""

    def __init__(self, subgraph: str, header: str, file: str, max_age_seconds: str = "30") -> None:
        self._subgraph, self._header, self._file = subgraph, header.lower(), Path(file)
        self._max_age = float(max_age_seconds)
        self._value, self._read_at = "", float("-inf")

    async def start(self) -> None:
        """A secret that isn't there is noticed before the first request."""
        await self._read()

    async def on_subgraph_request(self, call: SubgraphCall) -> SubgraphResponse | None:
        """Add the header to requests for the subgraph, and to its subscriptions."""
        if call.subgraph == self._subgraph:
            if time.monotonic() - self._read_at > self._max_age:
                await self._read()
            call.headers[self._header] = self._value
        return None

    async def _read(self) -> None:
        self._value = (await asyncio.to_thread(self._file.read_text)).strip()
        self._read_at = time.monotonic()
