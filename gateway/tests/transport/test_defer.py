"""What clients defer, over multipart, server-sent events and WebSocket, against a live server."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import connect

from gateway.tests.support.incremental import Whole, WholeByPath
from gateway.tests.transport.conftest import Setup

QUERY = '{ me { name ... @defer(label: "late") { reviews { body } } } }'
WHOLE = {"me": {"name": "Ada", "reviews": [{"body": "fine"}]}}
PENDING = {"accept": "multipart/mixed;incrementalSpec=v0.2, application/json"}
APOLLO = {"accept": "multipart/mixed;deferSpec=20220824,application/graphql-response+json,application/json;q=0.9"}
NOTHING_LATE = "{ me { name ... @defer(if: false) { reviews { body } } } }"


@contextmanager
def posted(setup: Setup, query: str, headers: dict[str, str], **rest: Any) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", setup.server.port, timeout=5)
    try:
        sent = {"content-type": "application/json", **headers}
        connection.request("POST", "/graphql", json.dumps({"query": query, **rest}), sent)
        yield connection.getresponse()
    finally:
        connection.close()


def parts(response: http.client.HTTPResponse) -> Iterator[Any]:
    """A strict reader of `multipart/mixed` (RFC 2046, 5.1.1): each part as soon as the boundary behind it is there."""
    assert response.status == 200
    content_type = response.headers["content-type"]
    assert content_type.startswith('multipart/mixed; boundary="-"; ')
    assert response.headers["cache-control"] == "no-store"
    assert response.readline() == b"\r\n"
    line = response.readline()
    while line != b"-----\r\n":
        assert line == b"---\r\n", line
        assert response.readline() == b"content-type: application/json; charset=utf-8\r\n"
        assert response.readline() == b"\r\n"
        body = response.readline()
        assert body.endswith(b"}\r\n")
        line = response.readline()
        yield json.loads(body)
    assert response.read() == b""


def test_multipart_as_the_present_proposal_has_it(setup: Setup) -> None:
    with posted(setup, QUERY, PENDING) as response:
        assert response.headers["content-type"].endswith("incrementalSpec=v0.2")
        found = list(parts(response))
    assert found == [
        {
            "data": {"me": {"name": "Ada"}},
            "pending": [{"id": "0", "path": ["me"], "label": "late"}],
            "hasNext": True,
        },
        {
            "incremental": [{"id": "0", "data": {"reviews": [{"body": "fine"}]}}],
            "completed": [{"id": "0"}],
            "hasNext": False,
        },
    ]


def test_multipart_as_apollos_clients_have_it(setup: Setup) -> None:
    with posted(setup, QUERY, APOLLO) as response:
        assert response.headers["content-type"].endswith("deferSpec=20220824")
        found = list(parts(response))
    assert found == [
        {"data": {"me": {"name": "Ada"}}, "hasNext": True},
        {
            "incremental": [{"data": {"reviews": [{"body": "fine"}]}, "path": ["me"], "label": "late"}],
            "hasNext": False,
        },
    ]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json, multipart/mixed;q=0", "application/json"),
        ("application/json, multipart/mixed;q=0.5", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        ("application/json, multipart/mixed", "multipart/mixed"),
        ("multipart/mixed", "multipart/mixed"),
    ],
)
def test_only_who_asks_for_parts_gets_them(setup: Setup, accept: str | None, kind: str) -> None:
    with posted(setup, QUERY, {"accept": accept} if accept else {}) as response:
        assert response.headers["content-type"].split(";")[0] == kind
        if kind != "multipart/mixed":
            assert json.loads(response.read()) == {"data": WHOLE}
        else:
            whole = Whole()
            for payload in parts(response):
                whole.read(payload)
            assert whole.data == WHOLE


@pytest.mark.parametrize(
    "query", [NOTHING_LATE, "{ me { name } }", "{ absent: me @skip(if: true) { ... @defer { name } } }"]
)
def test_an_answer_in_one_piece_is_a_plain_one(setup: Setup, query: str) -> None:
    with posted(setup, query, PENDING) as response:
        assert response.headers["content-type"] == "application/json; charset=utf-8"
        assert "hasNext" not in json.loads(response.read())


def test_a_client_that_takes_only_parts_gets_one(setup: Setup) -> None:
    with posted(setup, "{ me { name } }", {"accept": "multipart/mixed"}) as response:
        assert list(parts(response)) == [{"data": {"me": {"name": "Ada"}}, "hasNext": False}]


def test_a_document_that_cannot_run_is_no_multipart(setup: Setup) -> None:
    with posted(setup, "{ nothing ... @defer { me { name } } }", APOLLO) as response:
        assert response.status == 400
        assert response.headers["content-type"].startswith("application/graphql-response+json")
        assert "nothing" in response.read().decode()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ('{ ... @defer(label: "a") { hello } ... @defer(label: "a") { me { name } } }', "label"),
        ("query ($l: String) { ... @defer(label: $l) { hello } }", "static string"),
        ('mutation { ... @defer { rename(name: "Ada") { name } } }', "Mutation"),
        ("subscription { users(times: 1) { ... @defer { name } } }", "subscription"),
    ],
)
def test_what_the_rules_forbid(setup: Setup, query: str, message: str) -> None:
    answer = setup.query(query)
    assert answer.code == "GRAPHQL_VALIDATION_FAILED"
    assert message.lower() in answer.json["errors"][0]["message"].lower()


def test_introspection_shows_the_directive(setup: Setup) -> None:
    found = setup.query("{ __schema { directives { name locations args { name defaultValue type { kind } } } } }").json
    (defer,) = [one for one in found["data"]["__schema"]["directives"] if one["name"] == "defer"]
    assert sorted(defer["locations"]) == ["FRAGMENT_SPREAD", "INLINE_FRAGMENT"]
    assert defer["args"] == [
        {"name": "if", "defaultValue": "true", "type": {"kind": "NON_NULL"}},
        {"name": "label", "defaultValue": None, "type": {"kind": "SCALAR"}},
    ]


def test_the_condition_is_the_clients(setup: Setup) -> None:
    query = "query ($late: Boolean!) { me { name ... @defer(if: $late) { reviews { body } } } }"
    for late in (True, False):
        with posted(setup, query, PENDING, variables={"late": late}) as response:
            if late:
                assert len(list(parts(response))) == 2
            else:
                assert json.loads(response.read()) == {"data": WHOLE}


def test_a_mutation_defers_below_its_fields(setup: Setup) -> None:
    query = 'mutation { rename(name: "Ada") { name ... @defer { reviews { body } } } }'
    with posted(setup, query, APOLLO) as response:
        whole = WholeByPath()
        for payload in parts(response):
            whole.read(payload)
    assert whole.data == {"rename": {"name": "Ada", "reviews": [{"body": "fine"}]}}


def test_server_sent_events(setup: Setup) -> None:
    from gateway.tests.transport.test_sse import events

    with posted(setup, QUERY, {"accept": "text/event-stream"}) as response:
        found = [one for one in events(response) if one[0] != ":"]
    whole = Whole()
    for kind, payload in found[:-1]:
        assert kind == "next"
        whole.read(payload)
    assert found[-1] == ("complete", None)
    assert whole.ended
    assert len(found) == 3
    assert whole.data == WHOLE


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_websocket(setup: Setup, kind: str) -> None:
    query = (
        QUERY if kind == "query" else 'mutation { me: rename(name: "Ada") { name ... @defer { reviews { body } } } }'
    )
    with connect(setup.server.url.replace("http", "ws") + "/graphql", subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(5))["type"] == "connection_ack"
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}}))
        whole, messages = Whole(), []
        while (message := json.loads(socket.recv(5)))["type"] == "next":
            messages.append(message)
            whole.read(message["payload"])
    assert message == {"id": "1", "type": "complete"}
    assert whole.ended
    assert len(messages) == 2
    assert whole.data == WHOLE


def test_the_first_part_does_not_wait_and_a_client_that_goes_ends_the_rest(setup: Setup) -> None:
    started = time.monotonic()
    with posted(setup, "{ hello ... @defer { slow(seconds: 4) } }", PENDING) as response:
        first = next(parts(response))
        assert first["data"] == {"hello": "hello world"}
        assert time.monotonic() - started < 2
        assert setup.world.running == 1
    while setup.world.running and time.monotonic() < started + 3:
        time.sleep(0.02)
    assert setup.world.running == 0
