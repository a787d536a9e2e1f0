"""Several operations in one request, and compression both ways: off unless they are set up, and bounded then."""

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from typing import Any, Final

import brotli
import pytest
import zstandard

from botberi_gateway.config import BatchingConfig, CompressionConfig, GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from botberi_gateway.transport.compression import Compression, choose
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import World, toy_gateway
from gateway.tests.transport.conftest import Setup

CONFIG: Final = GatewayConfig(
    transport=TransportConfig(
        max_requests=8,
        max_body_bytes=20_000,
        batching=BatchingConfig(enabled=True, max_operations=4),
        compression=CompressionConfig(encodings=("zstd", "br", "gzip"), compress_from_bytes=500, requests=True),
        response_headers={"accounts": ("x-secret",)},
    )
)


@pytest.fixture(scope="module", params=["quick", "asgi"])
def batching(request: pytest.FixtureRequest) -> Iterator[Setup]:
    world, tokens = World(), Tokens()

    def make() -> Any:
        app = create_app(toy_gateway(world), CONFIG, authenticator=tokens, subgraph_headers=CallerHeader())
        if request.param == "asgi":
            app.state.quick_door = None
        return app

    with live(make, CONFIG) as server:
        yield Setup(server, world, tokens)


def test_each_operation_has_its_answer_in_its_place(batching: Setup) -> None:
    answer = batching.request(
        body=[
            {"query": "{ hello }"},
            {"query": "{ nothing }"},
            {"query": "query($n: String!) { hello(name: $n) }", "variables": {"n": "you"}},
            {"no": "query"},
        ],
        headers={"authorization": "Bearer ada"},
    )
    assert answer.status == 200
    assert answer.headers["x-secret"] == "s"
    first, second, third, fourth = answer.json
    assert (first, third) == ({"data": {"hello": "hello world"}}, {"data": {"hello": "hello you"}})
    codes = [entry["errors"][0]["extensions"]["code"] for entry in (second, fourth)]
    assert codes == ["GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST"]


def test_queries_of_a_batch_run_at_the_same_time_and_mutations_in_order(batching: Setup) -> None:
    began = time.monotonic()
    answer = batching.request(body=[{"query": "{ slow(seconds: 0.5) }"}] * 4)
    assert [entry["data"]["slow"] for entry in answer.json] == ["done"] * 4
    assert time.monotonic() - began < 1.5
    mutations = [
        {"query": f'mutation {{ slowRename(name: "{name}", seconds: {seconds}) {{ name }} }}'}
        for name, seconds in (("first", 0.1), ("second", 0.0))
    ]
    batching.request(body=mutations)
    assert batching.world.name == "second"


#: A batch -> status, code of its refusal.
REFUSED: Final = [
    ([], {}, 400, "BAD_REQUEST"),
    ([{"query": "{ hello }"}] * 5, {}, 400, "LIMIT_EXCEEDED"),
    ([{"query": "{ hello }"}], {"accept": "text/event-stream"}, 400, "BAD_REQUEST"),
    ([{"query": "{ hello }"}], {"authorization": "Bearer gone"}, 401, "UNAUTHENTICATED"),
]


@pytest.mark.parametrize(("body", "headers", "status", "code"), REFUSED)
def test_a_batch_that_is_refused_as_a_whole(
    batching: Setup, body: list[Any], headers: dict[str, str], status: int, code: str
) -> None:
    batching.tokens.revoked.add("gone")
    answer = batching.request(body=body, headers=headers)
    assert (answer.status, answer.code) == (status, code)


def test_what_a_batch_cannot_have_is_an_error_of_its_entry(batching: Setup) -> None:
    answer = batching.request(body=[{"query": "subscription { forever }"}, 7, {"query": "{ hello }"}])
    codes = [entry.get("errors", [{"extensions": {"code": ""}}])[0]["extensions"]["code"] for entry in answer.json]
    assert codes == ["BAD_REQUEST", "BAD_REQUEST", ""]


UNPACK: Final = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda body: zstandard.ZstdDecompressor().decompress(body),
}
#: Accept-Encoding -> the coding of the answer.
CHOICES: Final = [
    ("gzip", "gzip"),
    ("gzip, br", "br"),
    ("gzip, deflate, br, zstd", "zstd"),
    ("br;q=0.1, gzip;q=0.9", "gzip"),
    ("*", "zstd"),
    ("*;q=0.5, zstd;q=0", "br"),
    ("deflate", None),
    ("identity", None),
    ("gzip;q=0", None),
    ("gzip;q=0.5, identity", None),
    ("gzip;q=nonsense", None),
    ("", None),
]


@pytest.mark.parametrize(("accepted", "encoding"), CHOICES)
def test_the_coding_that_client_and_gateway_have_in_common(accepted: str, encoding: str | None) -> None:
    assert choose(accepted, ("zstd", "br", "gzip")) == encoding


@pytest.mark.parametrize("encoding", UNPACK)
@pytest.mark.parametrize("size", [2_000, 200_000])
def test_long_answers_are_packed(batching: Setup, encoding: str, size: int) -> None:
    answer = batching.query(f"{{ big(size: {size}) }}", {"accept-encoding": encoding})
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == (encoding, "accept-encoding")
    assert len(answer.body) < size / 10
    assert json.loads(UNPACK[encoding](answer.body)) == {"data": {"big": "x" * size}}


def test_short_answers_and_other_clients_get_them_plain(batching: Setup) -> None:
    for query, accepted in (("{ hello }", "gzip"), ("{ big(size: 2000) }", "identity")):
        answer = batching.query(query, {"accept-encoding": accepted})
        assert "content-encoding" not in answer.headers
        assert answer.headers["vary"] == "accept-encoding"
        assert "data" in answer.json


@pytest.mark.parametrize("encoding", ["lzma", "gzip,br"])
def test_an_unknown_coding_is_refused_at_the_start(encoding: str) -> None:
    with pytest.raises(ValueError, match="none of the content codings"):
        Compression(CompressionConfig(encodings=(encoding,)))


BODY: Final = json.dumps({"query": "{ hello }", "variables": {"filler": "x" * 3000}}).encode()
#: Content-Encoding and body -> status.
PACKED: Final = [
    ("gzip", gzip.compress(BODY), 200),
    ("deflate", zlib.compress(BODY), 200),
    ("br", brotli.compress(BODY), 415),
    ("gzip", BODY, 400),
    ("gzip", gzip.compress(BODY)[:-4], 400),
    ("gzip", gzip.compress(b" " * 50_000_000), 413),
    ("gzip, gzip", gzip.compress(gzip.compress(BODY)), 415),
]


@pytest.mark.parametrize(
    ("encoding", "body", "status"), PACKED, ids=[f"{e}-{s}-{n}" for n, (e, _, s) in enumerate(PACKED)]
)
def test_packed_requests(batching: Setup, encoding: str, body: bytes, status: int) -> None:
    headers = {"content-type": "application/json", "content-encoding": encoding}
    answer = batching.request(body=body, headers=headers)
    assert answer.status == status
    if status == 200:
        assert answer.json == {"data": {"hello": "hello world"}}
