"""JSON in and out: every number as it was, nothing that is not JSON."""

from decimal import Decimal
from typing import Any

import pytest

from botberi_gateway.codec import CodecError, decode, encode


def repr_or_type(value: Any) -> str:
    return type(value).__name__


EXACT = [
    "0",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "123456789012345678901234567890",
    "0.1",
    "1.5e300",
    "0.1234567890123456789",
    "12345678901234567.125",
    "1e-400",
    '"0000000000000000"',
    '{"a":[1,{"b":123456789012345678901234567890}],"c":"ü"}',
]


@pytest.mark.parametrize("text", EXACT)
def test_round_trip(text: str) -> None:
    value = decode(text.encode())
    again = encode(value)
    if isinstance(value, int | float | Decimal):
        if text != "1e-400":  # below any double; a short number is a double's business
            assert Decimal(again.decode()) == Decimal(text)
    else:
        assert again.decode() == text


@pytest.mark.parametrize(
    "text", [b"", b"NaN", b"1e400", b'"\\ud800"', b"\xff", b"{}{}", b"'a'", b"[1,]", b"9" * 5000, b"[" * 5000]
)
def test_not_json(text: bytes) -> None:
    with pytest.raises(CodecError):
        decode(text)


@pytest.mark.parametrize(
    "value", [object(), {1: 2**70}, "\ud800", {"a": {1, 2}}, [2**70, b"x"], 10**5000], ids=repr_or_type
)
def test_not_writable(value: Any) -> None:
    with pytest.raises(CodecError):
        encode(value)


def test_nesting_beyond_the_fast_encoders_limit() -> None:
    value: Any = [2**70, {"k": None}, True, (), {}]
    for _ in range(900):
        value = [value]
    assert decode(encode(value)) == decode(b"[" * 900 + b'[1180591620717411303424,{"k":null},true,[],{}]' + b"]" * 900)
