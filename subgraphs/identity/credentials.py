"""Random bits <-> the tokens and keys that clients hold; what is stored is only their SHA-256."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib

SESSION_PREFIX = "bbs_"
API_KEY_PREFIX = "bbk_"
DEVICE_PREFIX = "bbd_"
# How much of a key its owner sees in a list: the prefix and 8 of its 43 characters.
SHOWN = 12

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
# 256 bits take 43 digits in base 62, a CRC-32 takes 6.
_SECRET_DIGITS = 43
_CHECKSUM_DIGITS = 6


def new_session_token() -> str:
    """A session token with 256 random bits."""
    return SESSION_PREFIX + _base62(secrets.randbits(256), _SECRET_DIGITS)


def new_device_token() -> str:
    """A token that a browser is recognised by, with 256 random bits; it signs no one in."""
    return DEVICE_PREFIX + _base62(secrets.randbits(256), _SECRET_DIGITS)


def new_api_key() -> str:
    """An API key with 256 random bits and a checksum, so that a typo or a leak is seen without a database."""
    body = API_KEY_PREFIX + _base62(secrets.randbits(256), _SECRET_DIGITS)
    return body + _checksum(body)


def is_api_key(text: str) -> bool:
    """True if the text has the form of a key and its checksum holds."""
    if len(text) != len(API_KEY_PREFIX) + _SECRET_DIGITS + _CHECKSUM_DIGITS or not text.isascii():
        return False
    body, checksum = text[:-_CHECKSUM_DIGITS], text[-_CHECKSUM_DIGITS:]
    return body.startswith(API_KEY_PREFIX) and checksum == _checksum(body)


def is_session_token(text: str) -> bool:
    """True if the text has the form of a session token."""
    return len(text) == len(SESSION_PREFIX) + _SECRET_DIGITS and text.startswith(SESSION_PREFIX)


def digest(credential: str) -> bytes:
    """Stored form of a credential, by which it is looked up; with 256 random bits behind it, a fast hash is enough."""
    return hashlib.sha256(credential.encode()).digest()


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()), _CHECKSUM_DIGITS)


def _base62(number: int, digits: int) -> str:
    characters = []
    for _ in range(digits):
        number, rest = divmod(number, 62)
        characters.append(_ALPHABET[rest])
    return "".join(reversed(characters))
