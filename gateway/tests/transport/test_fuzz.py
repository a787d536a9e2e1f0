"""Whatever bytes come: a defined refusal or a request, never another exception, never much time."""

import json
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from botberi_gateway.config import TransportConfig
from botberi_gateway.engine import GraphQLRequest
from botberi_gateway.transport.identity import Identity, decode_headers, parse_cookies
from botberi_gateway.transport.negotiate import choose, parse_media_type, prefers_html
from botberi_gateway.transport.origin import OriginPolicy
from botberi_gateway.transport.parameters import from_body, from_query_string
from botberi_gateway.transport.problem import HttpProblem
from botberi_gateway.transport.socket_messages import MODERN, Close, parse, request_of

JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["query", "operationName", "variables", "extensions", "id", "type", "payload", "x"])
BODIES = st.dictionaries(NAMES, JSON | st.just("{ hello }") | st.sampled_from(["subscribe", "ping", "complete"]))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | BODIES.map(lambda body: json.dumps(body).encode()))
@example(b"[" * 100_000)
@example(b'{"query":"a","variables":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_001)
@example(b'{"query":"a","variables":{"a":' + b"9" * 20_000 + b"}}")
@example(b"\xef\xbb\xbf{}")
@example(b'{"query":"\\ud800"}')
def test_a_body_is_a_request_or_a_problem(body: bytes) -> None:
    began, status = time.process_time(), 400
    try:
        assert isinstance(from_body(body), GraphQLRequest)
    except HttpProblem as problem:
        status = problem.status
    assert status == 400
    assert time.process_time() - began < 0.5


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
@example(b"query=%ff")
@example(b"query=a&query=b")
@example(b"&" * 10_000 + b"a=b")
@example(b"variables=%7B&query=a")
@example("query=ä".encode())
def test_a_query_string_is_a_request_or_a_problem(text: bytes) -> None:
    status = 400
    try:
        assert isinstance(from_query_string(text), GraphQLRequest)
    except HttpProblem as problem:
        status = problem.status
    assert status == 400


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=100) | BODIES.map(json.dumps))
@example("[" * 9_000)
@example('{"type":"subscribe","id":"1","payload":{"query":"\\udc00"}}')
def test_a_frame_is_a_message_or_a_close_code(text: str) -> None:
    closed = Close(4400, "")
    try:
        message = parse({"text": text}, 10_000)
        if message.type == "subscribe":
            request_of(message)
        json.loads(MODERN.plain("pong", message.payload))
        json.loads(MODERN.about(message.id, "complete"))
    except Close as close:
        closed = close
    assert closed.code in (1009, 4400)
    assert len(closed.reason.encode()) <= 123, "longer reasons don't fit a close frame"


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["origin", "host", "sec-fetch-site", "cookie", "content-type"]), st.text(max_size=40)
    )
)
@example({"origin": "http://[", "host": "x"})
@example({"origin": "http://a:99999999", "host": "a:99999999"})
@example({"origin": "http://", "host": ""})
@example({"origin": "null", "host": "null"})
def test_an_origin_is_trusted_or_not(headers: dict[str, str]) -> None:
    policy = OriginPolicy.of(TransportConfig(allowed_origins=("https://app.example",)))
    policy.admits_socket(headers)
    policy.cors({k: v.encode("latin-1", "replace").decode("latin-1") for k, v in headers.items()})
    status = 403
    try:
        policy.check_get(headers)
    except HttpProblem as problem:
        status = problem.status
    assert status == 403


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=80))
def test_headers_of_any_shape_are_read(text: str) -> None:
    choose(text)
    prefers_html(text)
    parse_media_type(text)
    parse_cookies(text)
    decode_headers([(b"Cookie", text.encode("latin-1", "replace")), (b"cookie", b"a=b")])


@pytest.mark.parametrize(
    ("origin", "host", "trusted"),
    [
        ("http://localhost:8080", "localhost:8080", True),
        ("https://api.example", "api.example", True),
        ("https://api.example", "api.example:443", True),
        ("https://api.example:443", "api.example", True),
        ("https://APP.example", "other.example", True),
        ("http://api.example:8080", "api.example", False),
        ("https://evil.example", "api.example", False),
        ("https://api.example.evil.example", "api.example", False),
        ("https://evil.example/api.example", "api.example", False),
        ("https://api.example@evil.example", "api.example", False),
        ("http://app.example", "other.example", False),
        ("null", "null", False),
        ("file://", "", False),
    ],
)
def test_origins_compare_exactly(origin: str, host: str, trusted: bool) -> None:
    policy = OriginPolicy.of(TransportConfig(allowed_origins=("https://app.example/",)))
    assert policy.trusts(origin, host) is trusted


@pytest.mark.parametrize("name", ["Connection", "host", "Transfer-Encoding", "content-length", "upgrade"])
def test_headers_of_one_connection_cannot_be_forwarded(name: str) -> None:
    with pytest.raises(ValueError, match=name.lower()):
        Identity(None, None, [name], {})
