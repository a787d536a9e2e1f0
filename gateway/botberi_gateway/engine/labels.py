"""A supergraph's labels of progressive overrides, and a request's context -> those that are active for it."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Collection
from typing import Final, Protocol

from botberi_gateway.engine.request import RequestContext
from botberi_gateway.query_graph import percentage

logger = logging.getLogger(__name__)

#: `percent(N)` is decided in steps of a millionth.
_STEPS: Final = 100_000_000


class LabelResolver(Protocol):
    """Decides the labels that aren't percentages, such as `"feature-x"`."""

    async def active(self, labels: frozenset[str], context: RequestContext) -> Collection[str]:
        """Those of `labels` that are active for this request. Others are off."""


async def decide_labels(
    labels: frozenset[str], context: RequestContext, resolver: LabelResolver | None, timeout_seconds: float
) -> frozenset[str]:
    """The labels that are active for a request; decided once, for all of its operation.

    Percentages share one number between 0 and 100: a request that `percent(10)` includes, `percent(20)` includes too.
    The number follows from the request's key, or its subject, so that a caller always gets the same; without either it
    is random. Labels of a resolver that fails or exceeds `timeout_seconds` stay off, so that fields come from the
    subgraph that had them before.
    """
    if not labels:
        return labels
    shares = {label: share for label in labels if (share := percentage(label)) is not None}
    active: set[str] = set()
    if shares:
        drawn = _draw(context)
        active = {label for label, share in shares.items() if drawn < share}
    named = labels - shares.keys()
    if named and resolver is not None:
        try:
            async with asyncio.timeout(timeout_seconds):
                active |= named & frozenset(await resolver.active(named, context))
        except Exception:
            logger.exception("the labels %s stay off: what decides them failed", ", ".join(sorted(named)))
    return frozenset(active)


def _draw(context: RequestContext) -> float:
    """At least 0, less than 100."""
    key = context.rollout_key if context.rollout_key is not None else context.subject
    if key is None:
        return secrets.randbelow(_STEPS) * 100 / _STEPS
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % _STEPS * 100 / _STEPS
