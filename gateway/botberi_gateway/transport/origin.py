"""Which pages may make a browser call us: cross-site request forgery, CORS, and the Origin of a WebSocket."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from botberi_gateway.config import TransportConfig
from botberi_gateway.transport.client import parse_address
from botberi_gateway.transport.problem import CSRF_PREVENTED, HttpProblem

#: Among the allowed origins: every origin may call, without cookies.
ANY_ORIGIN: Final = "*"
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@*\\\s]+")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """The origins that may call from a browser: the gateway's own hosts, and those of `allowed`, compared exactly."""

    allowed: frozenset[str]
    csrf_headers: tuple[str, ...]
    #: Whether every origin may call, without cookies (`*`).
    any_origin: bool = False
    #: Our own hosts and ports (None: the scheme's); empty where `Host` is believed.
    own_hosts: frozenset[tuple[str, int | None]] = frozenset()
    #: Methods that pages of allowed origins may use.
    methods: bytes = b"GET, POST"

    @classmethod
    def of(cls, config: TransportConfig) -> "OriginPolicy":
        """The policy that this configuration says. Raises `ValueError` for something that is no origin."""
        named = [origin for origin in config.allowed_origins if origin != ANY_ORIGIN]
        return cls(
            frozenset(map(_origin, named)),
            tuple(name.lower() for name in config.csrf_headers),
            len(named) < len(config.allowed_origins),
            _own_hosts(config),
            b"GET, POST, PUT, DELETE" if config.sse_single_connection else b"GET, POST",
        )

    def trusts(self, origin: str, host: str | None) -> bool:
        """Whether `origin` is the gateway's own or allowed.

        Its own are the configured hosts and ports; where none is configured, the host that `Host` names.
        """
        if origin.lower() in self.allowed:
            return True
        if self.own_hosts:
            return _names_of(origin) in self.own_hosts
        return host is not None and _host_of(origin) is not None and _host_of(origin) == _host(host, origin)

    def admits_socket(self, headers: Mapping[str, str]) -> bool:
        """Whether a WebSocket may open.

        Browsers always send `Origin`; another client has no cookies that a page could abuse.
        """
        origin = headers.get("origin")
        if origin is None or self.trusts(origin, headers.get("host")):
            return True
        # A page of another origin can do nothing that any client can't, as long as the browser sends no cookie for it.
        return self.any_origin and "cookie" not in headers

    def check_get(self, headers: Mapping[str, str]) -> None:
        """Refuse a GET that a page of another site could have made the browser send without a preflight.

        POST needs no such check: its body must be `application/json`, which no form and no simple request can send.
        Raises `HttpProblem`.
        """
        self._check(headers, content_type_counts=True)

    def check_form(self, headers: Mapping[str, str]) -> None:
        """Refuse a POST of a form that a page of another site could have made the browser send.

        Raises `HttpProblem`.
        """
        self._check(headers, content_type_counts=False)

    def _check(self, headers: Mapping[str, str], *, content_type_counts: bool) -> None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if any(headers.get(name) for name in self.csrf_headers):
            return
        if origin is not None and self.trusts(origin, headers.get("host")):
            return
        if self.any_origin and "cookie" not in headers:
            return
        if site is not None:
            # Every current browser says where a request comes from; `none` is the address bar.
            if site in ("same-origin", "none"):
                return
        elif origin is None and "cookie" not in headers:
            # No browser, or one too old to say: without cookies a forged query has no user's rights.
            return
        elif origin is None and content_type_counts and headers.get("content-type"):
            return
        hint = f" a header `{self.csrf_headers[0]}`" if self.csrf_headers else " POST"
        raise HttpProblem(403, f"This request could have been forged by another site. Send{hint}.", CSRF_PREVENTED)

    def cors(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """Response headers for an allowed origin; always says that the answer depends on it."""
        origin = headers.get("origin")
        if not self.allowed and not self.any_origin:
            return []
        answer = [(b"vary", b"origin")]
        if origin is not None and origin.lower() in self.allowed:
            answer += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", b"x-request-id"),
            ]
        elif origin is not None and self.any_origin:
            # Never with credentials: browsers then send no cookies, and pages can't read answers that cookies gave.
            answer += [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"x-request-id")]
        return answer

    def preflight(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """The answer to a CORS preflight, empty of permissions for an origin that isn't allowed."""
        answer = self.cors(headers)
        if len(answer) > 1:
            requested = headers.get("access-control-request-headers", "content-type")
            answer += [
                (b"access-control-allow-methods", self.methods),
                (b"access-control-allow-headers", requested.encode("latin-1")),
                (b"access-control-max-age", b"600"),
            ]
        return answer


def _origin(text: str) -> str:
    """An allowed origin in the form in which browsers send it."""
    origin = text.rstrip("/").lower()
    if origin == "null" or (_host_of(origin) is not None and _ORIGIN.fullmatch(origin)):
        return origin
    raise ValueError(
        f"{text!r} is no origin: scheme, host and port without a path, such as https://app.example or "
        f"http://localhost:5173; or {ANY_ORIGIN} for every origin, without cookies."
    )


def _own_hosts(config: TransportConfig) -> frozenset[tuple[str, int | None]]:
    hosts = [f"//{host}" for host in config.own_hosts]
    if not hosts and config.public_url is not None:
        hosts = [config.public_url]
    own = set()
    for host in hosts:
        names = _names_of(host)
        if names is None or (config.own_hosts and "/" in host[2:]):
            raise ValueError(f"{host.removeprefix('//')!r} names no host of the gateway's own.")
        own.add(names)
        if _is_loopback(names[0]):
            # Names that no DNS server can point elsewhere.
            own |= {(name, names[1]) for name in _LOOPBACK}
    return frozenset(own)


def _is_loopback(name: str) -> bool:
    address = parse_address(name)
    return name in _LOOPBACK or (address is not None and (address.is_loopback or address.is_unspecified))


def _names_of(url: str) -> tuple[str, int | None] | None:
    """Host and port; the port None where it is left out or the scheme's own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.hostname, None if port == _DEFAULT_PORTS.get(parts.scheme) else port


def _host_of(origin: str) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.hostname, port if port is not None else _DEFAULT_PORTS.get(parts.scheme)


def _host(host: str, origin: str) -> tuple[str, int | None] | None:
    # `Host` has no scheme; behind a TLS proxy only the origin knows it, so its default port is taken for both.
    return _host_of(f"{urlsplit(origin).scheme}://{host}")
