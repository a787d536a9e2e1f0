"""Header rules: what subgraphs get of a client's headers, over each transport alike, and what comes back."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from websockets.sync.client import connect

from botberi_gateway.config import (
    GatewayConfig,
    HeaderAction,
    HeaderMerge,
    HeadersConfig,
    RequestHeaderRule,
    ResponseHeaderRule,
    SubgraphHeaderRules,
    TransportConfig,
)
from botberi_gateway.server.app import create_app
from botberi_gateway.transport.cache_control import strictest
from botberi_gateway.transport.header_rules import RequestRules, ResponseRules
from gateway.tests.support.callers import CallerHeader, Tokens
from gateway.tests.support.live_server import live
from gateway.tests.support.toy_graph import World, toy_gateway
from gateway.tests.transport.conftest import Setup

INSERT, REMOVE = HeaderAction.INSERT, HeaderAction.REMOVE
RULES: Final = HeadersConfig(
    all=SubgraphHeaderRules(
        request=(
            RequestHeaderRule(name="X-Tenant"),
            RequestHeaderRule(name="x-client-name", rename="x-app", default="unknown"),
            RequestHeaderRule(matching="x-flag-.*"),
            RequestHeaderRule(INSERT, name="x-gateway", value="ours"),
            RequestHeaderRule(REMOVE, name="x-flag-secret"),
        ),
        response=(
            ResponseHeaderRule(name="x-region", merge=HeaderMerge.APPEND),
            ResponseHeaderRule(name="cache-control", merge=HeaderMerge.STRICTEST),
            ResponseHeaderRule(INSERT, name="x-served-by", value="botberi"),
        ),
    ),
    subgraphs={
        "reviews": SubgraphHeaderRules(request=(RequestHeaderRule(REMOVE, name="x-tenant"),)),
    },
)
SENT: Final = {
    "x-tenant": "blue",
    "x-flag-new": "on",
    "x-flag-secret": "hidden",
    "x-other": "no rule",
    "cookie": "session=1",
    "connection": "keep-alive",
}
#: Header -> what the subgraph `accounts` gets of it.
RECEIVED: Final = {
    "x-tenant": "blue",
    "x-app": "unknown",
    "x-flag-new": "on",
    "x-flag-secret": None,
    "x-gateway": "ours",
    "x-other": None,
    "cookie": None,
    "x-client-name": None,
}
FIELDS: Final = [f'h{index}: header(name: "{name}")' for index, name in enumerate(RECEIVED)]
QUERY: Final = f"{{ {' '.join(FIELDS)} }}"


@pytest.fixture(scope="module")
def ruled() -> Iterator[Setup]:
    world, tokens = World(), Tokens()
    config = GatewayConfig(transport=TransportConfig(headers=RULES))

    def make() -> Any:
        return create_app(toy_gateway(world), config, authenticator=tokens, subgraph_headers=CallerHeader())

    with live(make, config) as server:
        yield Setup(server, world, tokens)


def over_post(setup: Setup) -> Any:
    return setup.query(QUERY, SENT).json["data"]


def over_events(setup: Setup) -> Any:
    answer = setup.query(QUERY, {**SENT, "accept": "text/event-stream"})
    lines = answer.body.decode().splitlines()
    return json.loads(next(line for line in lines if line.startswith("data: {")).removeprefix("data: "))["data"]


def over_socket(setup: Setup, headers: dict[str, str], payload: dict[str, str]) -> Any:
    with connect(setup.server.socket_url, subprotocols=["graphql-transport-ws"], additional_headers=headers) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(socket.recv(5))["type"] == "connection_ack"
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": QUERY}}))
        return json.loads(socket.recv(5))["payload"]["data"]


def over_handshake(setup: Setup) -> Any:
    return over_socket(setup, {n: v for n, v in SENT.items() if n != "connection"}, {})


def over_init_payload(setup: Setup) -> Any:
    return over_socket(setup, {}, SENT)


@pytest.mark.parametrize("ask", [over_post, over_events, over_handshake, over_init_payload])
def test_a_subgraph_gets_what_the_rules_say(ruled: Setup, ask: Any) -> None:
    data = ask(ruled)
    assert {name: data[f"h{index}"] for index, name in enumerate(RECEIVED)} == RECEIVED


def test_a_subgraphs_own_rules_come_after_those_for_all(ruled: Setup) -> None:
    ruled.world.requests.clear()
    ruled.query("{ me { reviews { body } } }", SENT)
    tenants = {name: request.headers.get("x-tenant") for name, request in ruled.world.requests}
    assert tenants == {"accounts": "blue", "reviews": None}


def test_headers_of_answers_are_merged(ruled: Setup) -> None:
    ruled.world.answer_headers = {
        "accounts": [("x-region", "eu"), ("cache-control", "max-age=60, public")],
        "reviews": [("X-Region", "us"), ("Cache-Control", "max-age=5, public")],
    }
    answer = ruled.query("{ me { reviews { body } } }")
    assert answer.headers["x-region"] == "eu, us"
    assert answer.headers["x-served-by"] == "botberi"
    assert [value for name, value in answer.all_headers if name.lower() == "cache-control"] == ["max-age=5, public"]
    assert "set-cookie" not in answer.headers
    # One answer doesn't say how long it may be kept.
    ruled.world.answer_headers["reviews"] = []
    assert ruled.query("{ me { reviews { body } } }").headers["cache-control"] == "no-store"


def test_an_error_is_never_kept(ruled: Setup) -> None:
    ruled.world.answer_headers = {"accounts": [("cache-control", "max-age=60")]}
    assert ruled.query("{ hello }").headers["cache-control"] == "max-age=60"
    assert ruled.query("{ hello broken }").headers["cache-control"] == "no-store"


#: Values of several answers -> the strictest.
CACHE_CONTROL: Final = [
    (["max-age=60"], "max-age=60"),
    (["max-age=60", "max-age=10"], "max-age=10"),
    (["max-age=60", "no-store"], "no-store"),
    (["max-age=60, public", "max-age=60, private"], "max-age=60, private"),
    (["max-age=60", "s-maxage=5, max-age=90"], "max-age=60, s-maxage=5"),
    (["s-maxage=100, max-age=1", "max-age=2"], "max-age=1, s-maxage=2"),
    (["max-age=60", "no-cache"], "max-age=0, no-cache"),
    (["max-age=x"], "max-age=0"),
    (["max-age=-1"], "max-age=0"),
    (["MAX-AGE=7, stale-if-error=9", "max-age=9, stale-if-error=3"], "max-age=7, stale-if-error=3"),
    (["public"], "public"),
    ([""], "no-cache"),
    ([], "no-store"),
]


@pytest.mark.parametrize(("values", "merged"), CACHE_CONTROL)
def test_the_strictest_cache_control(values: list[str], merged: str) -> None:
    assert strictest(values) == merged


ANSWERED: Final = [("a", "x-n", "1"), ("b", "x-n", "2"), ("a", "set-cookie", "c=1"), ("b", "set-cookie", "d=1")]
#: Rule -> the client's headers.
MERGES: Final = [
    (ResponseHeaderRule(name="x-n"), [("x-n", "2")]),
    (ResponseHeaderRule(name="x-n", merge=HeaderMerge.FIRST), [("x-n", "1")]),
    (ResponseHeaderRule(name="x-n", merge=HeaderMerge.APPEND), [("x-n", "1, 2")]),
    (ResponseHeaderRule(name="X-N", rename="x-m"), [("x-m", "2")]),
    (ResponseHeaderRule(name="x-absent", default="d"), [("x-absent", "d")]),
    (ResponseHeaderRule(name="set-cookie"), [("set-cookie", "c=1"), ("set-cookie", "d=1")]),
    (ResponseHeaderRule(matching=".*"), [("x-n", "2")]),
    (ResponseHeaderRule(INSERT, name="x-i", value="v"), [("x-i", "v")]),
]


@pytest.mark.parametrize(("rule", "sent"), MERGES)
def test_merge_rules(rule: ResponseHeaderRule, sent: list[tuple[str, str]]) -> None:
    rules = ResponseRules(HeadersConfig(all=SubgraphHeaderRules(response=(rule,))))
    assert rules.headers(ANSWERED, has_errors=False) == sent


def test_rules_of_a_subgraph_concern_its_answers_alone() -> None:
    rule = SubgraphHeaderRules(response=(ResponseHeaderRule(name="x-n"), ResponseHeaderRule(REMOVE, name="x-z")))
    every = SubgraphHeaderRules(response=(ResponseHeaderRule(INSERT, name="x-z", value="z"),))
    rules = ResponseRules(HeadersConfig(all=every, subgraphs={"a": rule}))
    assert rules.headers(ANSWERED, has_errors=False) == [("x-n", "1")]


WRONG: Final = [
    RequestHeaderRule(),
    RequestHeaderRule(name="a", matching="b"),
    RequestHeaderRule(matching="("),
    RequestHeaderRule(name="bad name"),
    RequestHeaderRule(name="Content-Length"),
    RequestHeaderRule(name="x-forwarded-for"),
    RequestHeaderRule(name="x-a", rename="host"),
    RequestHeaderRule(name="x-a", value="v"),
    RequestHeaderRule(name="x-a", default="line\nbreak"),
    RequestHeaderRule(INSERT, name="x-a"),
    RequestHeaderRule(INSERT, name="our-assertion", value="v"),
    RequestHeaderRule(REMOVE, name="x-a", rename="x-b"),
]


@pytest.mark.parametrize("rule", WRONG)
def test_a_wrong_rule_is_refused_at_the_start(rule: RequestHeaderRule) -> None:
    with pytest.raises(ValueError, match=r"rule|header|regular|value"):
        RequestRules(HeadersConfig(all=SubgraphHeaderRules(request=(rule,))), frozenset({"our-assertion"}))


@pytest.mark.parametrize(
    "rule",
    [
        ResponseHeaderRule(name="content-length"),
        ResponseHeaderRule(name="access-control-allow-origin"),
        ResponseHeaderRule(name="x-a", merge=HeaderMerge.STRICTEST),
    ],
)
def test_a_wrong_rule_for_answers_is_refused_at_the_start(rule: ResponseHeaderRule) -> None:
    with pytest.raises(ValueError, match=r"rule|header|regular|value"):
        ResponseRules(HeadersConfig(all=SubgraphHeaderRules(response=(rule,))))


def test_a_pattern_sends_no_credentials_and_no_long_names() -> None:
    rules = RequestRules(HeadersConfig(all=SubgraphHeaderRules(request=(RequestHeaderRule(matching=".*"),))))
    sent: dict[str, str] = {}
    headers = {"cookie": "c", "authorization": "a", "x-forwarded-for": "1", "host": "h", "x" * 200: "v", "x-a": "v"}
    rules.apply("any", sent, headers)
    assert sent == {"x-a": "v"}
    assert [name for name in headers if rules.reads(name)] == ["x-a"]
