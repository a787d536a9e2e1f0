"""A client's address -> the widest network that one customer of a provider usually has to itself."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def site_of(address: str | None) -> str:
    """An IPv4 address, or the /48 of an IPv6 one: 65,536 of the networks that `RequestFacts` counts by."""
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    return address if parsed.version == 4 else f"{IPv6Address(int(parsed) >> 80 << 80)}/48"
