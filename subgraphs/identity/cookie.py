"""Tokens of a session and a device -> Set-Cookie headers of the subgraph's response, which the gateway lets through."""

from __future__ import annotations

from datetime import UTC, datetime

from shared_schema.contracts.cookies import device_cookie, session_cookie
from subgraphs.identity.context import Context

# As long as browsers keep any cookie; what the server knows of a device ends 180 days after it was last used.
DEVICE_COOKIE_SECONDS = 400 * 24 * 3600


def keep_session(context: Context, token: str, expires_at: datetime) -> None:
    """Have the browser keep the session until it ends."""
    left = int((expires_at - datetime.now(UTC)).total_seconds())
    _set_session(context, token, max(0, left))


def forget_session(context: Context) -> None:
    """Have the browser drop the session."""
    _set_session(context, "", 0)


def keep_device(context: Context, token: str) -> None:
    """Have the browser be known when it signs in again; no other site's page ever sends this one."""
    name = device_cookie(secure=context.settings.cookies_are_secure)
    _set(context, name, token, DEVICE_COOKIE_SECONDS, "Strict")


def _set_session(context: Context, value: str, max_age: int) -> None:
    # Lax: links from other sites find a person signed in, their forms and scripts don't.
    _set(context, session_cookie(secure=context.settings.cookies_are_secure), value, max_age, "Lax")


def _set(context: Context, name: str, value: str, max_age: int, same_site: str) -> None:
    secure = "; Secure" if context.settings.cookies_are_secure else ""
    cookie = f"{name}={value}; Max-Age={max_age}; Path=/; HttpOnly; SameSite={same_site}{secure}"
    context.response_headers.append(("set-cookie", cookie))
