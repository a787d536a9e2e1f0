"""Sign requests: each request to a subgraph gets an HMAC over its time and its body, which the subgraph checks.

```yaml
plugins:
  - use: examples.sign_requests:SignRequests
    options: {key: "file:/run/secrets/gateway-key"}
```

The subgraph computes `HMAC-SHA256(key, "<x-signature-time>.<body>")`, compares it with `x-signature` in constant time,
and refuses times that are more than a minute away from its own.
"""

import hashlib
import hmac
import time
from collections.abc import Callable

from botberi_gateway.plugins import Plugin, SubgraphCall
from botberi_gateway.upstream.port import SubgraphResponse


class SignRequests(Plugin):
    """Put it last, so that it signs what the other plug-ins made of a request."""

    def __init__(self, key: str, subgraphs: str = "", clock: Callable[[], float] = time.time) -> None:
        """`subgraphs` are names with spaces between them; none: all."""
        if len(key) < 32:
            raise ValueError("the key has fewer than 32 characters")
        self._key, self._subgraphs, self._clock = key.encode(), frozenset(subgraphs.split()), clock

    async def on_subgraph_request(self, call: SubgraphCall) -> SubgraphResponse | None:
        """Add the signature. A subscription's request has no body of its own: its operation is signed."""
        if self._subgraphs and call.subgraph not in self._subgraphs:
            return None
        now = str(int(self._clock()))
        body = call.body if call.body is not None else call.request.operation.encode()
        call.headers["x-signature-time"] = now
        call.headers["x-signature"] = hmac.new(self._key, now.encode() + b"." + body, hashlib.sha256).hexdigest()
        return None
