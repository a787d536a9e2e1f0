"""API keys as text, `bb_<environment>_<id>_<secret><checksum>`: made by identity, and refused early by the gateway.

Environment, id and checksum can be checked without a database: a typing error, a key of another environment or a
made-up text costs no question. The id (22 digits in base 62) names the row; the secret (43 digits, 256 bits) is stored
as its SHA-256 alone. Two texts of one id may be good at a time, while a key is rotated. For scanners of leaked secrets:
`bb_[a-z0-9]{1,12}_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}`.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

PREFIX: Final = "bb_"
#: What an environment may be called.
ENVIRONMENT: Final = r"[a-z0-9]{1,12}"
_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_ID_DIGITS: Final = 22
_SECRET_DIGITS: Final = 43
_CHECKSUM_DIGITS: Final = 6
_KEY: Final = re.compile(
    rf"bb_(?P<environment>{ENVIRONMENT})_(?P<id>[0-9A-Za-z]{{{_ID_DIGITS}}})_"
    rf"(?P<secret>[0-9A-Za-z]{{{_SECRET_DIGITS}}})(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_DIGITS}}})",
    re.ASCII,
)


class KeyRefused(ValueError):
    """The text is no API key of this environment; the message is for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Key:
    """A text that has the form of a key: whose secret it is remains to be asked."""

    id: UUID
    secret_hash: bytes = field(repr=False)


def new_key(environment: str, key_id: UUID) -> str:
    """A key with 256 new random bits."""
    body = f"{PREFIX}{environment}_{base62(key_id.int, _ID_DIGITS)}_{base62(secrets.randbits(256), _SECRET_DIGITS)}"
    return body + _checksum(body)


def shown(environment: str, key_id: UUID) -> str:
    """How a key begins, by which its owner recognises it; nothing of the secret."""
    return f"{PREFIX}{environment}_{base62(key_id.int, _ID_DIGITS)}"


def looks_like_key(text: str) -> bool:
    """True if the text was meant to be an API key."""
    return text.startswith(PREFIX)


def parse_key(text: str, environment: str) -> Key:
    """Check form, checksum and environment. Raises `KeyRefused`."""
    match = _KEY.fullmatch(text)
    if match is None:
        raise KeyRefused("This is not an API key: a part of it is missing, or it has characters that no key has.")
    if _checksum(text[:-_CHECKSUM_DIGITS]) != match["checksum"]:
        raise KeyRefused("This API key has a typing error: its checksum is wrong.")
    if match["environment"] != environment:
        raise KeyRefused(f"This API key is of the environment {match['environment']}, and this is {environment}.")
    number = 0
    for character in match["id"]:
        number = number * 62 + _VALUES[character]
    if number >= 1 << 128:
        raise KeyRefused("This is not an API key: its id is none.")
    return Key(UUID(int=number), hashlib.sha256(text.encode()).digest())


def base62(number: int, digits: int) -> str:
    """A number in base 62, with leading zeros."""
    characters = []
    for _ in range(digits):
        number, rest = divmod(number, 62)
        characters.append(_ALPHABET[rest])
    return "".join(reversed(characters))


def _checksum(body: str) -> str:
    return base62(zlib.crc32(body.encode()), _CHECKSUM_DIGITS)
