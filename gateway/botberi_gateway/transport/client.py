"""A connection's peer and a request's headers -> `Client`: the address that calls, and its device.

Who connects is known for certain; who stands behind a proxy is what the proxy says. `X-Forwarded-For` and `Forwarded`
(RFC 7239) therefore count only where the peer is a trusted proxy. They are read from the right, the end that proxies
append to: trusted addresses are skipped, and the first other one is the client. What stands further left was written by
that client itself and is never looked at.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from botberi_gateway.transport.forwarded import parse_forwarded, parse_forwarded_for
from botberi_gateway.transport.notice import Notice

logger = logging.getLogger(__name__)

#: Characters of a user agent that are kept.
MAX_AGENT: Final = 400
#: A trusted peer without an address: one behind a Unix socket.
UNIX: Final = "unix"
#: Proxies that one request may have come through.
_MAX_HOPS: Final = 32
#: Clients that are remembered, and characters of the headers that they are remembered by.
_MAX_REMEMBERED: Final = 4_096
_MAX_KEY: Final = 512

#: A host with or without a port, as `Host` has it (RFC 3986, section 3.2.2, without percent-encoding).
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._~-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from.

    `address` is an IP address in canonical form (IPv4 in IPv6 as IPv4, no port, no zone), or None where it can't be
    known: there is no peer address, or trusted proxies contradict each other or hide it. `agent` is the `User-Agent`,
    at most 400 printable characters, and only what the client says. `proxied`: a trusted proxy stands in between, so
    that what it says in other headers counts too. `origin` is the address by which the client reached us
    (`http://host:port`, from `Host`; behind a trusted proxy from `X-Forwarded-Proto` and `X-Forwarded-Host`): good for
    addresses in an answer to this very client, proof of nothing.
    """

    address: str | None = None
    agent: str | None = None
    proxied: bool = False
    origin: str | None = None

    @property
    def network(self) -> str:
        """The network by which limits for addresses count (see `network_of`).

        Clients without a known address share one.
        """
        return "unknown" if self.address is None else network_of(self.address)


#: Of work that no request asked for.
UNKNOWN: Final = Client()


class ClientResolver:
    """Finds out where requests come from."""

    def __init__(self, trusted: Sequence[str] = ()) -> None:
        """`trusted` are proxies: IP addresses, networks (`10.0.0.0/8`) or `unix`.

        Raises `ValueError`, which says what is wrong.
        """
        self._networks = [_network(text) for text in trusted if text != UNIX]
        self._trusts_unix = UNIX in trusted
        self._remembered: dict[tuple[str | None, ...], Client] = {}
        self._contradiction = Notice(logger)

    def resolve(self, peer: tuple[str, int] | None, headers: Mapping[str, str]) -> Client:
        """The client of a request.

        `peer` is the other end of the connection (None on a Unix socket); `headers` have lower-case names, and repeated
        ones are joined by commas.
        """
        host = peer[0] if peer else None
        get = headers.get
        who = host, get("user-agent"), get("x-forwarded-for"), get("forwarded")
        reached = get("host"), get("x-forwarded-proto"), get("x-forwarded-host")
        key = *who, *reached
        client = self._remembered.get(key)
        if client is None:
            client = self._resolve(*who)
            client = replace(client, origin=_origin(*reached, proxied=client.proxied))
            if sum(len(part) for part in key if part) <= _MAX_KEY:
                if len(self._remembered) >= _MAX_REMEMBERED:
                    self._remembered.clear()
                self._remembered[key] = client
        return client

    def trusts(self, host: str | None) -> bool:
        """Whether this peer is a trusted proxy; None is one on a Unix socket."""
        if host is None:
            return self._trusts_unix
        address = parse_address(host)
        return address is not None and self._is_trusted(address)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)

    def _resolve(self, host: str | None, agent: str | None, forwarded_for: str | None, forwarded: str | None) -> Client:
        device = _device(agent)
        if not self.trusts(host):
            return Client(_canonical(host), device)
        chains = []
        if forwarded_for is not None:
            chains.append(parse_forwarded_for(forwarded_for, _MAX_HOPS))
        if forwarded is not None:
            chains.append(parse_forwarded(forwarded, _MAX_HOPS))
        addresses = {self._behind(chain) for chain in chains} if chains else {_canonical(host)}
        if len(addresses) == 1:
            return Client(addresses.pop(), device, proxied=True)
        # One header is the proxy's and the other one passed through it; which is which can't be known.
        self._contradiction.warn(
            "a trusted proxy sends X-Forwarded-For and Forwarded that name different clients: "
            "their address counts as unknown. "
            "Have the proxy set one of the headers and remove the other"
        )
        return Client(None, device, proxied=True)

    def _behind(self, chain: Sequence[str | None]) -> str | None:
        """The client at the end of what trusted proxies say; None where one of them says nothing that is an address."""
        address: Address | None = None
        for hop in reversed(chain):
            address = None if hop is None else parse_address(hop)
            if address is None or not self._is_trusted(address):
                break
        return None if address is None else str(address)


def network_of(address: str) -> str:
    """The part of the address space that one client can be expected to have: an IPv4 address, or an IPv6 /64.

    A limit by single IPv6 addresses would be none: each connection could come from another one of 2**64.
    """
    parsed = parse_address(address)
    if isinstance(parsed, IPv6Address):
        return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"
    return address


@lru_cache(maxsize=_MAX_REMEMBERED)
def parse_address(text: str) -> Address | None:
    """An IP address, IPv4 in IPv6 as IPv4, without a zone; None for what is none."""
    if len(text) > 64:
        return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _origin(host: str | None, proto: str | None, forwarded_host: str | None, *, proxied: bool) -> str | None:
    """Scheme, host and port by which the client reached us; None where they can't be known."""
    scheme = "https" if proxied and proto is not None and proto.strip().lower() == "https" else "http"
    name = forwarded_host if proxied and forwarded_host else host
    return f"{scheme}://{name}" if name is not None and _HOST.fullmatch(name) else None


def _canonical(host: str | None) -> str | None:
    address = None if host is None else parse_address(host)
    return None if address is None else str(address)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"{text!r} is no trusted proxy (an IP address, a network such as 10.0.0.0/8): {error}."
        ) from None
    if not network.prefixlen:
        raise ValueError(f"{text!r} trusts everybody: any client could then say that it is another. Name the proxies.")
    return network


def _device(agent: str | None) -> str | None:
    if agent is None:
        return None
    text = "".join(char if char.isprintable() else " " for char in agent[: MAX_AGENT * 2]).strip()[:MAX_AGENT]
    return text or None
