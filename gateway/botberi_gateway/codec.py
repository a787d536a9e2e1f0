"""JSON bytes <-> Python values, with no number changed on the way.

orjson does the work; numbers that it can't hold are read and written by a slower, exact path.
"""

import json
import re
import sys
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

#: A number of 16 digits (point included) may be beyond what an IEEE double or a 64-bit integer keeps. Seen outside of
#: strings only where it begins after one of these marks; one that a string has there costs time, nothing else.
_LONG_NUMBER = re.compile(rb"[:,\[ \t\r\n-][0-9][0-9.]{15}")
_START = re.compile(rb"\s*-?[0-9][0-9.]{15}")
_DIGITS = bytes(0x30 if byte in b"0123456789." else byte for byte in range(256))


class CodecError(ValueError):
    """The bytes are not JSON, or the value can't be written as JSON."""


def decode(body: bytes | bytearray) -> Any:
    """Parse strictly (UTF-8, no BOM, no NaN, no lone surrogates, bounded depth).

    Integers of any size are kept; a fraction that no double equals becomes a `Decimal`. Raises `CodecError`.
    """
    try:
        value = orjson.loads(body)
        if may_round(body):
            return json.loads(body, parse_float=_exact_float)
    except (ValueError, RecursionError) as error:
        raise CodecError(str(error)) from error
    return value


def decode_rounded(body: bytes | bytearray) -> Any:
    """`decode` without its care for numbers: those that neither a double nor 64 bits hold are rounded.

    Raises `CodecError`.
    """
    try:
        return orjson.loads(body)
    except (ValueError, RecursionError) as error:
        raise CodecError(str(error)) from error


def may_round(body: bytes | bytearray) -> bool:
    """Whether a number in the JSON may be one that `decode_rounded` rounds."""
    # Every eighth byte: where 16 digits stand in a row, two that follow one another are digits. Rare, and cheaper than
    # looking at all.
    return b"00" in body[::8].translate(_DIGITS) and bool(_LONG_NUMBER.search(body) or _START.match(body))


def _exact_float(text: str) -> float | Decimal:
    if len(text) < 17 and "e" not in text and "E" not in text:
        return float(text)  # at most 15 digits: a double keeps them
    number, exact = float(text), Decimal(text)
    return number if Decimal(repr(number)) == exact else exact


def encode(value: Any) -> bytes:
    """Write compact UTF-8 JSON. Big integers and `Decimal`s are written digit by digit. Raises `CodecError`."""
    try:
        return orjson.dumps(value, default=_default)
    except TypeError:
        return encode_slowly(value)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def encode_slowly(value: Any, limit: int = sys.maxsize) -> bytes:
    """For integers beyond 64 bits and nesting beyond orjson's limit; iterative, so that depth can't exhaust the stack.

    Raises `OverflowError` where the JSON has more bytes than `limit`.
    """
    parts: list[bytes] = []
    todo: list[Any] = [value]
    size = measured = 0
    while todo:
        if len(parts) > measured:
            size += sum(map(len, parts[measured:]))
            measured = len(parts)
            if size > limit:
                raise OverflowError
        item = todo.pop()
        if isinstance(item, _Raw):
            parts.append(item.text)
        elif isinstance(item, int) and not isinstance(item, bool):
            parts.append(_digits(item))
        elif isinstance(item, Mapping):
            todo.append(_CLOSE_OBJECT)
            for index, (key, child) in reversed(list(enumerate(item.items()))):
                if not isinstance(key, str):
                    raise CodecError("An object's key is not a string.")
                todo += (child, _Raw((b"," if index else b"") + _scalar(key) + b":"))
            parts.append(b"{")
        elif isinstance(item, list | tuple):
            todo.append(_CLOSE_LIST)
            for index, child in reversed(list(enumerate(item))):
                todo.append(child)
                if index:
                    todo.append(_COMMA)
            parts.append(b"[")
        else:
            parts.append(_scalar(item))
    return b"".join(parts)


def _digits(value: int) -> bytes:
    try:
        return str(int(value)).encode()
    except ValueError as error:  # Python's own limit, 4,300 digits
        raise CodecError(str(error)) from error


def _scalar(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=_default)
    except TypeError as error:
        raise CodecError(str(error)) from error


class _Raw:
    """JSON text on the encoder's stack."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


_CLOSE_OBJECT, _CLOSE_LIST, _COMMA = _Raw(b"}"), _Raw(b"]"), _Raw(b",")
