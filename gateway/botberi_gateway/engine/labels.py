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
    labels: frozenset[str], context: RequestContext, resolver: LabelResolver | None, patience: float
) -> frozenset[str]:
    """One decision for the whole request.

    Percentages share one draw: who is in `percent(10)` is in `percent(20)` too. It follows from the request's key (or its subject), so that a
    caller stays where he is; without either it is random. A resolver that fails or doesn't answer in time leaves its labels off, which keeps
    fields where they came from.
    """
    if not labels:
        return labels
    shares = {label: share for label in labels if (share := percentage(label)) is not None}
    found: set[str] = set()
    if shares:
        drawn = _draw(context)
        found = {label for label, share in shares.items() if drawn < share}
    named = labels - shares.keys()
    if named and resolver is not None:
        try:
            async with asyncio.timeout(patience):
                found |= named & frozenset(await resolver.active(named, context))
        except Exception:
            logger.exception("the labels %s stay off: who decides them failed", ", ".join(sorted(named)))
    return frozenset(found)


def _draw(context: RequestContext) -> float:
    """At least 0, less than 100."""
    key = context.rollout_key if context.rollout_key is not None else context.subject
    if key is None:
        return secrets.randbelow(_STEPS) * 100 / _STEPS
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % _STEPS * 100 / _STEPS
