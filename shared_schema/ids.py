"""Row ids: new time-ordered UUIDs; (type, UUID) <-> the opaque global id that clients see."""

import base64
import binascii
import os
import re
import threading
import time
from typing import Final
from uuid import UUID

_TYPE_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{0,63}")
# "Type:" plus 36 characters, as base64: anything longer than this is not one of our ids.
_MAX_GLOBAL_ID: Final = 160

_lock = threading.Lock()
_last_tick = 0


class InvalidGlobalId(ValueError):
    """The text is not a global id of the wanted type."""

    code: Final = "INVALID_ID"

    def __init__(self, type_name: str) -> None:
        super().__init__(f"not a valid id of type {type_name}")
        self.type_name = type_name


def new_id() -> UUID:
    """Return a version 7 UUID; ids made by one process sort in the order in which they were made.

    Twelve bits below the millisecond carry its fraction (RFC 9562, method 3), so keyset pages
    by (created_at, id) and B-tree inserts stay in order within a millisecond too.
    """
    global _last_tick
    nanoseconds = time.time_ns()
    milliseconds, rest = divmod(nanoseconds, 1_000_000)
    tick = (milliseconds << 12) | (rest * 4096 // 1_000_000)
    with _lock:
        # A clock that stands still or steps back must not make a smaller id.
        tick = max(tick, _last_tick + 1)
        _last_tick = tick
    random_bits = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    value = ((tick >> 12) & ((1 << 48) - 1)) << 80
    value |= 0x7 << 76
    value |= (tick & 0xFFF) << 64
    value |= 0b10 << 62
    return UUID(int=value | random_bits)


def to_global_id(type_name: str, row_id: UUID) -> str:
    """Return the opaque id of a row: URL-safe base64, unpadded, of `Type:uuid`."""
    if not _TYPE_NAME.fullmatch(type_name):
        raise ValueError(f"not a type name: {type_name!r}")
    return base64.urlsafe_b64encode(f"{type_name}:{row_id}".encode()).rstrip(b"=").decode()


def split_global_id(text: str) -> tuple[str, UUID]:
    """Return the (type, UUID) of a global id; raise `InvalidGlobalId` on anything else."""
    if not isinstance(text, str) or not text or len(text) > _MAX_GLOBAL_ID:
        raise InvalidGlobalId("any")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
        type_name, _, row_id = decoded.partition(":")
        uuid = UUID(row_id)
    except (ValueError, binascii.Error) as error:
        raise InvalidGlobalId("any") from error
    # UUID() takes braces, urn: and missing hyphens: only the one spelling that we print is an id,
    # or one row would have several ids and caches several entries.
    if not _TYPE_NAME.fullmatch(type_name) or to_global_id(type_name, uuid) != text:
        raise InvalidGlobalId("any")
    return type_name, uuid


def from_global_id(type_name: str, text: str) -> UUID:
    """Return the UUID inside a global id of `type_name`; another type's id is invalid too."""
    try:
        found_type, row_id = split_global_id(text)
    except InvalidGlobalId as error:
        raise InvalidGlobalId(type_name) from error
    if found_type != type_name:
        raise InvalidGlobalId(type_name)
    return row_id
