"""A client's address -> the widest network that one customer of a provider usually has to itself."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def site_of(address: str | None) -> str:
    """An IPv4 address, of IPv6 the /48: whoever has one may send from 65,536 networks of the size that `RequestFacts` counts by."""
    if address is None:
        return "unknown"
    parsed = ip_address(address)
    return address if parsed.version == 4 else f"{IPv6Address(int(parsed) >> 80 << 80)}/48"
