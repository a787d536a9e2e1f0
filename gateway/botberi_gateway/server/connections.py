"""Connections by client address -> whether one more may be opened."""

from collections import Counter

from botberi_gateway.transport.client import ClientResolver, network_of, parse_address


class ConnectionLimit:
    """Counts open connections by the network that they come from. Those of trusted proxies are not counted."""

    def __init__(self, max_per_network: int, resolver: ClientResolver) -> None:
        """`max_per_network` is what one IPv4 address or IPv6 /64 may have open."""
        self._max = max_per_network
        self._resolver = resolver
        self._open: Counter[str] = Counter()

    def enter(self, host: str | None) -> str | None:
        """Count a connection. Returns the key to `leave` with, or None where it isn't counted.

        Raises `TooManyConnections`.
        """
        if host is None or self._resolver.trusts(host) or parse_address(host) is None:
            return None
        network = network_of(str(parse_address(host)))
        if self._open[network] >= self._max:
            raise TooManyConnections
        self._open[network] += 1
        return network

    def leave(self, network: str | None) -> None:
        """The connection has ended."""
        if network is None:
            return
        self._open[network] -= 1
        if self._open[network] <= 0:
            del self._open[network]


class TooManyConnections(Exception):
    """An address has as many connections open as it may."""
