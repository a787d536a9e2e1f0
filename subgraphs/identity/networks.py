"""A client's address -> the networks under whose names its tries are counted."""

from __future__ import annotations

import ipaddress

UNKNOWN = "unknown"


def own_network(address: str | None) -> str:
    """The smallest network that one client has to itself: an IPv4 address, or the /64 of an IPv6 address."""
    return _network(address, 64)


def site(address: str | None) -> str:
    """The network that one customer of a provider gets: an IPv4 address, or the /48 of an IPv6 address."""
    return _network(address, 48)


def _network(address: str | None, ipv6_prefix: int) -> str:
    if address is None:
        return UNKNOWN
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv6Address):
        # ::ffff:192.0.2.1 is an IPv4 client of a socket that takes both; as IPv6 all of IPv4 would be one network.
        if parsed.ipv4_mapped is None:
            return str(ipaddress.ip_network((parsed, ipv6_prefix), strict=False))
        parsed = parsed.ipv4_mapped
    return str(parsed)
