"""A subscription whose results the subgraph sends to the gateway (HTTP callback protocol, `callbackSpec=1.0`).

The gateway names an address, an id and a verifier in its request; the subgraph sends `check`, `next` and `complete`
there, each as a POST. The protocol: https://www.apollographql.com/docs/graphos/reference/router/graphql-subscriptions
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

import aiohttp

from botberi_gateway import errors
from botberi_gateway.codec import CodecError, decode, encode
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.upstream.answer import invalid, read_answer, request_headers
from botberi_gateway.upstream.body import BodyError, BodyReader
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.subscriptions.expected import CALLBACKS, Expected
from botberi_gateway.upstream.subscriptions.graphql_ws import payload_of

_ACCEPT: Final = "application/json;callbackSpec=1.0, application/json;q=0.8"
#: Signs of life that may be missing in a row.
_MISSED: Final = 3


async def subscribe_by_callback(
    session: aiohttp.ClientSession, subgraph: str, url: str, request: SubgraphRequest, config: SubgraphConfig
) -> AsyncGenerator[SubgraphResponse, None]:
    """Answers until the subgraph completes. Raises `SubgraphError`."""
    expected = Expected(subgraph, config)
    CALLBACKS.add(expected)
    watch = asyncio.get_running_loop().create_task(_watch(expected, config))
    try:
        refused = await _begin(session, url, request, expected, config)
        if refused is not None:
            yield refused
            return
        while (answer := await expected.results.next()) is not None:
            yield answer
    finally:
        # From now on the subgraph gets 404, which ends its part.
        CALLBACKS.remove(expected)
        watch.cancel()
        await asyncio.wait({watch})


async def _begin(
    session: aiohttp.ClientSession,
    url: str,
    request: SubgraphRequest,
    expected: Expected,
    config: SubgraphConfig,
) -> SubgraphResponse | None:
    """Ask for the subscription. Returns the answer of a subgraph that refuses it."""
    address = (config.subscriptions.callback_url or "").rstrip("/")
    extension = {
        "callbackUrl": f"{address}/{expected.id}",
        "subscriptionId": expected.id,
        "verifier": expected.verifier,
        "heartbeatIntervalMs": int(config.subscriptions.heartbeat_interval_seconds * 1000),
    }
    body = encode({**payload_of(request), "extensions": {"subscription": extension}})
    headers = request_headers(expected.subgraph, config.headers, request.headers)
    headers |= {"content-type": "application/json", "accept": _ACCEPT, "accept-encoding": "identity"}
    try:
        async with (
            asyncio.timeout(config.timeout_seconds),
            session.post(
                url, data=body, headers=headers, allow_redirects=False, server_hostname=config.tls.server_name
            ) as response,
        ):
            reader = BodyReader(response.headers.get("content-encoding"), config.max_response_bytes)
            async for chunk in response.content.iter_any():
                reader.feed(chunk)
            text, status, kind = reader.finish(), response.status, response.headers.get("content-type")
    except BodyError as error:
        raise invalid(expected.subgraph, str(error)) from error
    except TimeoutError as error:
        raise _failed(expected, "did not begin the subscription in time", errors.SUBGRAPH_TIMEOUT) from error
    except (aiohttp.ClientError, ValueError) as error:
        raise _failed(expected, "can't be reached", errors.SUBGRAPH_UNREACHABLE) from error
    if not (200 <= status < 300 and _says_nothing(text)):
        return read_answer(expected.subgraph, status, kind, text)
    if not expected.is_checked:
        raise invalid(expected.subgraph, "a subscription without a check of its callback")
    return None


def _says_nothing(text: bytes) -> bool:
    """Whether an answer has neither data nor errors, as that to a subscription which is accepted."""
    if not text.strip():
        return True
    try:
        value = decode(text)
    except CodecError:
        return False
    return isinstance(value, dict) and value.get("data") is None and not value.get("errors")


async def _watch(expected: Expected, config: SubgraphConfig) -> None:
    """End the subscription when the subgraph is silent for too long."""
    while True:
        expected.heard.clear()
        try:
            async with asyncio.timeout(config.subscriptions.heartbeat_interval_seconds * _MISSED):
                await expected.heard.wait()
        except TimeoutError:
            break
    CALLBACKS.remove(expected)
    expected.results.put(_failed(expected, "was silent for too long", errors.SUBGRAPH_TIMEOUT))


def _failed(expected: Expected, what: str, code: str) -> SubgraphError:
    return SubgraphError(expected.subgraph, f"Subgraph {expected.subgraph!r} {what}.", code=code)
