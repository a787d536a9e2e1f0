"""The configuration of a subgraph -> how subscriptions are made there."""

from collections.abc import AsyncGenerator, Callable
from typing import Protocol

import aiohttp

from botberi_gateway.config import SubgraphConfig, SubscriptionProtocol
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.subscriptions.callback import subscribe_by_callback
from botberi_gateway.upstream.subscriptions.fan_out import FanOut
from botberi_gateway.upstream.subscriptions.lasting import lasting
from botberi_gateway.upstream.subscriptions.socket import Sockets
from botberi_gateway.upstream.subscriptions.streams import subscribe_over_stream


class HasSession(Protocol):
    """What opens a session of aiohttp when it is first asked for."""

    def session(self) -> aiohttp.ClientSession:
        """The session."""
        ...


class Subscribing:
    """Subscriptions at one subgraph: shared where they may be, begun again where they are lost."""

    def __init__(self, subgraph: str, address: Callable[[], str], library: HasSession, config: SubgraphConfig) -> None:
        """`address` gives the URL for the next subscription."""
        self._subgraph, self._address, self._library, self._config = subgraph, address, library, config
        self.sockets = Sockets(subgraph, config)
        self.fan_out = FanOut(subgraph, config.subscriptions.max_queued_results)

    def subscribe(self, request: SubgraphRequest) -> AsyncGenerator[SubgraphResponse, None]:
        """Answers until the subgraph completes. Raises `SubgraphError`."""
        if self._config.subscriptions.share_equal:
            return self.fan_out.subscribe(request, lambda: self._lasting(request))
        return self._lasting(request)

    def _lasting(self, request: SubgraphRequest) -> AsyncGenerator[SubgraphResponse, None]:
        config = self._config.subscriptions
        if not config.max_reconnects:
            return self._once(request)
        return lasting(self._subgraph, lambda: self._once(request), config)

    def _once(self, request: SubgraphRequest) -> AsyncGenerator[SubgraphResponse, None]:
        config, url = self._config, self._address()
        match config.subscriptions.protocol:
            case SubscriptionProtocol.WEBSOCKET:
                return self.sockets.subscribe(url, request)
            case SubscriptionProtocol.CALLBACK:
                return subscribe_by_callback(self._library.session(), self._subgraph, url, request, config)
            case _:
                return subscribe_over_stream(self._library.session(), self._subgraph, url, request, config)
