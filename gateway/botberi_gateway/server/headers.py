"""The headers that every answer of the server has: of pages, probes, errors and refusals alike."""

from collections.abc import Iterable
from typing import Final

#: Nothing that the gateway serves needs any of these.
_PERMISSIONS: Final = b"accelerometer=(), camera=(), geolocation=(), gyroscope=(), microphone=(), payment=(), usb=()"
#: A year; without subdomains, which are other people's.
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")


def security_headers(public_url: str | None) -> tuple[tuple[bytes, bytes], ...]:
    """The headers for a server that clients reach at `public_url`.

    HSTS is among them only for HTTPS, as browsers ignore it otherwise.
    """
    common = (
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"permissions-policy", _PERMISSIONS),
    )
    return (*common, _HSTS) if (public_url or "").lower().startswith("https://") else common


def add_missing(
    headers: Iterable[tuple[bytes, bytes]], required: Iterable[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """An answer's headers, with the required ones that it lacks. Those that it has stay: a page's own are stricter."""
    headers = list(headers)
    present = {name.lower() for name, _ in headers}
    return headers + [pair for pair in required if pair[0] not in present]
