"""A session token -> the Set-Cookie header of the subgraph's response, which the gateway lets through."""

from __future__ import annotations

from subgraphs.identity.context import Context

NAME = "botberi_session"


def keep_session(context: Context, token: str) -> None:
    """Have the browser keep the session."""
    _set(context, token, context.settings.session_lifetime_seconds)


def forget_session(context: Context) -> None:
    """Have the browser drop the session."""
    _set(context, "", 0)


def _set(context: Context, value: str, max_age: int) -> None:
    # Lax: links from other sites find a person signed in, their forms and scripts don't.
    secure = "; Secure" if context.settings.session_cookie_secure else ""
    cookie = f"{NAME}={value}; Max-Age={max_age}; Path=/; HttpOnly; SameSite=Lax{secure}"
    context.response_headers.append(("set-cookie", cookie))
