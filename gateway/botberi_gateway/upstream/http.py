"""A subgraph over HTTP: `POST` of JSON through keep-alive pools; subscriptions over WebSocket."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING

from botberi_gateway import errors
from botberi_gateway.config import SubgraphConfig
from botberi_gateway.errors import SubgraphError
from botberi_gateway.plan import OperationKind
from botberi_gateway.upstream.answer import request_body
from botberi_gateway.upstream.http_pool import Pool
from botberi_gateway.upstream.port import CountedAnswer, StreamedForm, SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.traffic import TrafficTransport, Transport, needs_traffic_rules

if TYPE_CHECKING:
    from botberi_gateway.upstream.http_library import LibraryTransport
    from botberi_gateway.upstream.subscriptions.ways import Subscribing

logger = logging.getLogger(__name__)


class HttpClient:
    """The client of one subgraph. Follows no redirects, keeps no cookies, uses no proxy from the environment.

    `http://` goes over connections of our own, `https://` through aiohttp.
    """

    def __init__(self, name: str, url: str, options: SubgraphConfig | None = None) -> None:
        self.name = name
        self.options = options or SubgraphConfig()
        urls = tuple(self.options.balancing.urls) or (url,)
        self.url, self._urls = urls[0], urls
        #: What stands in front of the connections; None where the configuration asks for nothing.
        self.traffic: TrafficTransport | None = None
        if needs_traffic_rules(self.options):
            self.traffic = TrafficTransport(name, [_transport(name, each, self.options) for each in urls], self.options)
        self._transport: Transport = self.traffic or _transport(name, urls[0], self.options)
        self._library: LibraryTransport | None = None
        self._subscribing: Subscribing | None = None
        self._closed = False
        self._subscriptions = 0

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient.execute`. A query is sent again, once, if its connection is lost before an answer.

        A mutation is never sent twice.
        """
        timeout = self.options.timeout_seconds if request.timeout is None else request.timeout
        future = self.start(request_body(self.name, request), request.kind, request.headers, timeout)
        if isinstance(future, CountedAnswer):
            future.spending = request.spending
        return await (await future).exactly()

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """See `EncodedClient.start`."""
        return self._transport.start(body, kind, headers, timeout)

    def start_form(
        self, form: StreamedForm, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        """Begin a request with files. It is sent once, to the first address."""
        return self.library.start_form(form, headers, timeout)

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient.subscribe`: over the protocol that the configuration names."""
        if self._closed:
            raise self._failed("is not in use any more")
        if self._subscriptions >= self.options.websocket.max_subscriptions:
            raise self._failed("has too many subscriptions already")
        if self._subscribing is None:
            from botberi_gateway.upstream.subscriptions.ways import Subscribing

            self._subscribing = Subscribing(self.name, self._address, self.library, self.options)
        self._subscriptions += 1
        answers = self._subscribing.subscribe(request)
        try:
            async for answer in answers:
                yield answer
        finally:
            self._subscriptions -= 1
            await answers.aclose()

    def _address(self) -> str:
        """The address for the next subscription."""
        if self.traffic is None or len(self._urls) == 1:
            return self.url
        return self._urls[self.traffic.balancer.pick().number]

    @property
    def library(self) -> "LibraryTransport":
        """For what isn't a plain request: forms, and streams."""
        if self._library is None:
            from botberi_gateway.upstream.http_library import LibraryTransport

            self._library = LibraryTransport(self.name, self.url, self.options)
        return self._library

    def _failed(self, what: str) -> SubgraphError:
        return SubgraphError(self.name, f"Subgraph {self.name!r} {what}.", code=errors.SUBGRAPH_UNREACHABLE)

    async def aclose(self) -> None:
        """Close the pool; requests that are under way fail."""
        self._closed = True
        if self._library is not None:
            await self._library.aclose()
        await self._transport.aclose()


class _NoTransport:
    """To a URL that is none: each request says so."""

    def __init__(self, name: str) -> None:
        self._name = name

    def start(
        self, body: bytes, kind: OperationKind, headers: Mapping[str, str], timeout: float
    ) -> asyncio.Future[SubgraphResponse]:
        message = f"Subgraph {self._name!r} has no usable URL."
        future: asyncio.Future[SubgraphResponse] = asyncio.get_running_loop().create_future()
        future.set_exception(SubgraphError(self._name, message, code=errors.SUBGRAPH_UNREACHABLE))
        return future

    async def aclose(self) -> None: ...


def _transport(name: str, url: str, options: SubgraphConfig) -> Transport:
    if url[:8].lower() == "https://":
        # aiohttp takes a fifth of the gateway's start, and plain subgraphs do without.
        from botberi_gateway.upstream.http_library import LibraryTransport

        return LibraryTransport(name, url, options)
    try:
        return Pool(name, url, options)
    except ValueError:
        logger.error("subgraph %s: its URL can't be used", name)
        return _NoTransport(name)
