"""A subscription as a long answer of a subgraph: server-sent events, or multipart."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterator
from typing import Final, Protocol

import aiohttp

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig, SubscriptionProtocol
from botberi_gateway.errors import ConnectionFailed, SubgraphError
from botberi_gateway.upstream.answer import invalid, read_answer, request_body, request_headers
from botberi_gateway.upstream.body import BodyError, BodyReader
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.subscriptions.event_stream import EventReader
from botberi_gateway.upstream.subscriptions.parts import PartReader, boundary_of

logger = logging.getLogger(__name__)

_ACCEPTS: Final = {
    # Nothing else: npm's graphql-sse compares the whole header.
    SubscriptionProtocol.SSE: "text/event-stream",
    SubscriptionProtocol.MULTIPART: 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0, application/json;q=0.8',
}


class _Reader(Protocol):
    is_complete: bool

    @property
    def may_end(self) -> bool: ...

    def feed(self, chunk: bytes) -> Iterator[SubgraphResponse]: ...


async def subscribe_over_stream(
    session: aiohttp.ClientSession, subgraph: str, url: str, request: SubgraphRequest, config: SubgraphConfig
) -> AsyncGenerator[SubgraphResponse, None]:
    """Answers until the subgraph completes. Raises `SubgraphError`."""
    protocol = config.subscriptions.protocol
    headers = request_headers(subgraph, config.headers, request.headers)
    headers |= {"content-type": "application/json", "accept": _ACCEPTS[protocol], "accept-encoding": "identity"}
    response = await _begin(session, subgraph, url, request_body(subgraph, request), headers, config)
    try:
        reader = _reader_of(response, subgraph, config)
        if reader is None:
            yield await _answer(response, subgraph, config)
            return
        silence = config.subscriptions.silence_timeout_seconds or None
        while not reader.is_complete:
            async with asyncio.timeout(silence):
                chunk = await response.content.readany()
            if not chunk:
                if reader.may_end:
                    return
                raise _lost(subgraph, "ended the subscription's stream too early")
            for answer in reader.feed(chunk):
                yield answer
    except TimeoutError as error:
        raise _lost(subgraph, "was silent for too long", errors.SUBGRAPH_TIMEOUT) from error
    except aiohttp.ClientError as error:
        logger.debug("subgraph %s: %s", subgraph, type(error).__name__)
        raise _lost(subgraph, "closed the subscription's stream") from error
    finally:
        response.close()


async def _begin(
    session: aiohttp.ClientSession,
    subgraph: str,
    url: str,
    body: bytes,
    headers: dict[str, str],
    config: SubgraphConfig,
) -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout(config.timeout_seconds):
            return await session.post(
                url, data=body, headers=headers, allow_redirects=False, server_hostname=config.tls.server_name
            )
    except TimeoutError as error:  # aiohttp's own are of this class too
        raise _lost(subgraph, "did not begin the subscription in time", errors.SUBGRAPH_TIMEOUT) from error
    except aiohttp.ClientConnectorError as error:
        message = f"Subgraph {subgraph!r} can't be reached."
        raise ConnectionFailed(subgraph, message, code=errors.SUBGRAPH_UNREACHABLE) from error
    except (aiohttp.ClientError, ValueError) as error:
        logger.debug("subgraph %s: %s", subgraph, type(error).__name__)
        raise _lost(subgraph, "closed the connection") from error


def _reader_of(response: aiohttp.ClientResponse, subgraph: str, config: SubgraphConfig) -> _Reader | None:
    """What reads the stream; None where the answer is none."""
    maximum = config.websocket.max_message_bytes
    content_type = response.headers.get("content-type", "")
    if not 200 <= response.status < 300:
        return None
    # `none` is what GraphQL Yoga says, so that no proxy packs the stream.
    if response.headers.get("content-encoding", "").strip().lower() not in ("", "identity", "none"):
        return None
    if content_type.partition(";")[0].strip().lower() == "text/event-stream":
        return EventReader(subgraph, maximum)
    boundary = boundary_of(content_type)
    return None if boundary is None else PartReader(subgraph, boundary, maximum)


async def _answer(response: aiohttp.ClientResponse, subgraph: str, config: SubgraphConfig) -> SubgraphResponse:
    """An answer in one piece: why there is no subscription."""
    try:
        reader = BodyReader(response.headers.get("content-encoding"), config.max_response_bytes)
        async with asyncio.timeout(config.timeout_seconds):
            async for chunk in response.content.iter_any():
                reader.feed(chunk)
        body = reader.finish()
    except BodyError as error:
        raise invalid(subgraph, str(error)) from error
    headers = [(name.lower(), value) for name, value in response.headers.items()]
    answer = read_answer(subgraph, response.status, response.headers.get("content-type"), body, headers)
    if not answer.errors:
        raise invalid(subgraph, "no stream of results")
    return answer


def _lost(subgraph: str, what: str, code: str = errors.SUBGRAPH_UNREACHABLE) -> SubgraphError:
    return SubgraphError(subgraph, f"Subgraph {subgraph!r} {what}.", code=code)
