"""A client's address -> the network that one customer usually has; whether it is within networks that a key names."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address, ip_network

MAX_NETWORKS = 20


def site_of(address: str | None) -> str:
    """An IPv4 address, or the /48 of an IPv6 one: 65,536 of the networks that `RequestFacts` counts by."""
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    return address if parsed.version == 4 else f"{IPv6Address(int(parsed) >> 80 << 80)}/48"


def normalised_network(text: str) -> str | None:
    """A network such as 192.0.2.0/24, or a single address as one; None for a text that is neither."""
    try:
        return str(ip_network(text.strip()))
    except ValueError:
        return None


def is_within(address: str | None, networks: Sequence[str]) -> bool:
    """True if the address is in one of the networks, or there are none; an unknown address is in no network."""
    if not networks:
        return True
    if address is None:
        return False
    parsed = ip_address(address)
    return any(parsed in ip_network(network) for network in networks)
