"""HTTPS alone or not -> the names of the platform's cookies, which identity sets and the gateway reads.

A browser takes a cookie whose name begins with `__Host-` only from its own host over HTTPS, without `Domain`: no other
host of the same site can plant one. It needs `Secure`, so http://localhost has other names.
"""

from __future__ import annotations

from typing import Final

_PREFIX: Final = "__Host-"


def session_cookie(*, secure: bool) -> str:
    """The cookie that signs a browser in."""
    return f"{_PREFIX if secure else ''}botberi_session"


def device_cookie(*, secure: bool) -> str:
    """The cookie by which a browser that signed in before is known; it signs no one in."""
    return f"{_PREFIX if secure else ''}botberi_device"
