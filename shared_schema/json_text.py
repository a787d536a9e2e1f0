"""JSON values of people -> the text in which they are stored, and back; names keep their order, numbers their value.

Columns of the type `json` hold the text as it is. `jsonb` would sort the names and write each number in full: `1e308`
becomes 309 digits.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, TypeAlias

import orjson

#: Digits of a number as people write it without an exponent. 64-bit integers have 19; nothing that is counted or
#: measured needs more than 40, and every reader can take those.
MAX_NUMBER_DIGITS: Final = 40
#: Of objects and lists within one another.
MAX_DEPTH: Final = 64
_SMALLEST: Final = 10.0**-23
_LARGEST: Final = 10**MAX_NUMBER_DIGITS
# orjson reads integers beyond 64 bits as floating point.
_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")


def json_text(value: object) -> str:
    """The shortest JSON text, in UTF-8, names in their order. Raises `ValueError` for what JSON cannot say."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits, which the standard library takes.
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def json_value(text: str | bytes) -> Any:
    """Parse a stored text; integers of any length are exact."""
    data = text.encode() if isinstance(text, str) else text
    return json.loads(data) if _LONG_NUMBER.search(data) else orjson.loads(data)


def unstorable(value: object) -> tuple[list[str | int], str] | None:
    """Path and reason of a part of `value` that may not be stored; None for a value that may.

    Nothing is nested deeper than `MAX_DEPTH`, no number has more than `MAX_NUMBER_DIGITS` digits when it is written
    out, and no text holds U+0000, which many a later reader takes for its end.
    """
    # The way to each part is kept as the chain of its steps, and written out for what is refused alone.
    stack: list[tuple[Any, int, _Way]] = [(value, 0, None)]
    while stack:
        part, depth, way = stack.pop()
        if isinstance(part, str):
            if "\x00" in part:
                return _steps(way), "a text holds U+0000"
        elif isinstance(part, dict):
            if depth >= MAX_DEPTH and part:
                return _steps(way), f"it is nested deeper than {MAX_DEPTH} levels"
            for name, each in part.items():
                if "\x00" in name:
                    return _steps(way), "a name holds U+0000"
                if each is not None and each is not True and each is not False:
                    stack.append((each, depth + 1, (way, name)))
        elif isinstance(part, list):
            if depth >= MAX_DEPTH and part:
                return _steps(way), f"it is nested deeper than {MAX_DEPTH} levels"
            for position, each in enumerate(part):
                if each is not None and each is not True and each is not False:
                    stack.append((each, depth + 1, (way, position)))
        elif isinstance(part, int | float) and not isinstance(part, bool) and is_too_long(part):
            return _steps(way), f"a number has more than {MAX_NUMBER_DIGITS} digits when it is written out"
    return None


def with_short_numbers(value: Any, depth: int = 0) -> Any:
    """The value with numbers that are all but zero rounded to what `MAX_NUMBER_DIGITS` digits say of them.

    For what a program computed: a probability of 1e-60 is no mistake. What is too large or too deep stays as it is.
    """
    if isinstance(value, float):
        return float(f"{value:.{MAX_NUMBER_DIGITS - 1}f}") if 0 < abs(value) < _SMALLEST else value
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {name: with_short_numbers(each, depth + 1) for name, each in value.items()}
    if isinstance(value, list):
        return [with_short_numbers(each, depth + 1) for each in value]
    return value


def json_bytes(value: object) -> int:
    """Bytes that the value takes where it is stored."""
    return len(json_text(value).encode())


def number_digits(number: float) -> int:
    """Digits of a finite number written without an exponent, e.g. 309 for 1e308 and 4 for 0.125."""
    if isinstance(number, int):
        return len(str(abs(number))) if abs(number) < _LARGEST else _long_integer_digits(number)
    if number == 0:
        return 1
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = fraction.rstrip("0")
    shift = int(exponent or 0)
    before = max(len(whole.lstrip("0")) + shift, 1)
    return before + max(len(fraction) - shift, 0)


def is_too_long(number: float) -> bool:
    """True if a number has more than `MAX_NUMBER_DIGITS` digits; infinite ones do."""
    if isinstance(number, int):
        return not -_LARGEST < number < _LARGEST
    if not math.isfinite(number):
        return True
    size = abs(number)
    if size >= _LARGEST:
        return True
    # A floating-point number has 17 digits that count, so only very small ones are looked at closely.
    return 0 < size < _SMALLEST and number_digits(number) > MAX_NUMBER_DIGITS


_Way: TypeAlias = "tuple[_Way, str | int] | None"


def _steps(way: _Way) -> list[str | int]:
    steps: list[str | int] = []
    while way is not None:
        way, step = way
        steps.append(step)
    return steps[::-1]


def _long_integer_digits(number: int) -> int:
    return int(abs(number).bit_length() * math.log10(2)) + 1
