"""A subscription that may be lost -> one that is begun again, with pauses that grow."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable

from botberi_gateway import errors
from botberi_gateway.backoff import Backoff
from botberi_gateway.config import SubgraphSubscriptionsConfig
from botberi_gateway.errors import SubgraphError, SubscriptionRefused
from botberi_gateway.upstream.port import SubgraphResponse

logger = logging.getLogger(__name__)


async def lasting(
    subgraph: str, begin: Callable[[], AsyncGenerator[SubgraphResponse, None]], config: SubgraphSubscriptionsConfig
) -> AsyncGenerator[SubgraphResponse, None]:
    """The answers of `begin()`, and of further ones when it is lost.

    At each loss an answer comes with an error, as results may be missing. A subscription that has given no result yet
    isn't begun again. Raises `SubgraphError`.
    """
    backoff = Backoff(config.first_backoff_seconds, config.max_backoff_seconds, spread=True)
    has_begun, failures = False, 0
    while True:
        answers = begin()
        try:
            async for answer in answers:
                has_begun, failures = True, 0
                backoff.reset()
                yield answer
            return
        except SubgraphError as error:
            if not has_begun or failures >= config.max_reconnects or not _is_loss(error):
                raise
            failures += 1
            logger.warning("subgraph %s: a subscription was lost and is begun again: %s", subgraph, error.message)
        finally:
            await answers.aclose()
        if failures == 1:
            yield _interrupted(subgraph)
        await asyncio.sleep(backoff.next())


def _is_loss(error: SubgraphError) -> bool:
    if isinstance(error, SubscriptionRefused):
        return False
    if error.code == errors.SUBGRAPH_HTTP_ERROR:
        return (error.status or 0) >= 500
    return error.code in (errors.SUBGRAPH_UNREACHABLE, errors.SUBGRAPH_TIMEOUT)


def _interrupted(subgraph: str) -> SubgraphResponse:
    message = f"The connection to subgraph {subgraph!r} was lost; results may be missing."
    return SubgraphResponse(None, [{"message": message, "extensions": {"code": errors.SUBSCRIPTION_INTERRUPTED}}])
