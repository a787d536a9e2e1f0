"""Random bits <-> tokens of sessions and devices, stored as SHA-256 alone. API keys: `shared_schema.api_keys`."""

from __future__ import annotations

import hashlib
import secrets

from shared_schema.api_keys import base62

SESSION_PREFIX = "bbs_"
DEVICE_PREFIX = "bbd_"
# 256 bits take 43 digits in base 62.
_SECRET_DIGITS = 43


def new_session_token() -> str:
    """A session token with 256 random bits."""
    return SESSION_PREFIX + base62(secrets.randbits(256), _SECRET_DIGITS)


def new_device_token() -> str:
    """A token that a browser is recognised by, with 256 random bits; it signs no one in."""
    return DEVICE_PREFIX + base62(secrets.randbits(256), _SECRET_DIGITS)


def is_session_token(text: str) -> bool:
    """True if the text has the form of a session token."""
    return len(text) == len(SESSION_PREFIX) + _SECRET_DIGITS and text.startswith(SESSION_PREFIX)


def digest(credential: str) -> bytes:
    """Stored form of a credential, by which it is looked up; with 256 random bits behind it, a fast hash is enough."""
    return hashlib.sha256(credential.encode()).digest()
