"""Subscriptions in parts of one response against a live server (`multipart/mixed; subscriptionSpec=1.0`)."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.tests.transport.conftest import Setup

#: As Apollo's clients write it.
ACCEPT = {"accept": "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"}


@contextmanager
def stream(setup: Setup, query: str, headers: dict[str, str] | None = None) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", setup.server.port, timeout=5)
    try:
        sent = {"content-type": "application/json", **ACCEPT, **(headers or {})}
        connection.request("POST", "/graphql", json.dumps({"query": query}), sent)
        yield connection.getresponse()
    finally:
        connection.close()


def parts(response: http.client.HTTPResponse) -> Iterator[Any]:
    """Each part as soon as its boundary has come; None for the last boundary."""
    body = b""
    while not response.closed:
        line = response.readline()
        if line.startswith(b"--graphql"):
            head, _, content = body.partition(b"\r\n\r\n")
            if content:
                assert head.strip().lower().startswith(b"content-type: application/json")
                yield json.loads(content)
            if line.startswith(b"--graphql--"):
                yield None
                return
            body = b""
        elif not line:
            return
        else:
            body += line


def test_a_subscription(setup: Setup) -> None:
    with stream(setup, "subscription { users(times: 2) { id reviews { body } } }") as response:
        assert response.status == 200
        assert response.headers["content-type"] == 'multipart/mixed; boundary="graphql"; subscriptionSpec=1.0'
        one = {"payload": {"data": {"users": {"id": "1", "reviews": [{"body": "fine"}]}}}}
        assert list(parts(response)) == [one, one, None]


def test_a_silent_stream_is_kept_alive(setup: Setup) -> None:
    with stream(setup, "subscription { forever }") as response:
        found = parts(response)
        assert [next(found) for _ in range(3)] == [{"payload": {"data": {"forever": 1}}}, {}, {}]


def test_a_client_that_goes_ends_the_subscription(setup: Setup) -> None:
    with stream(setup, "subscription { forever }") as response:
        next(parts(response))
        assert setup.world.streams == 1
    deadline = time.monotonic() + 5
    while setup.world.streams:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_revoked_credentials_end_the_stream(setup: Setup) -> None:
    with stream(setup, "subscription { forever }", {"authorization": "Bearer molly"}) as response:
        found = parts(response)
        next(found)
        setup.tokens.revoked.add("molly")
        (last, end) = [part for part in found if part != {}]
    assert (last["payload"], last["errors"][0]["extensions"]["code"], end) == (None, "UNAUTHENTICATED", None)


def test_what_cannot_run_is_answered_in_one_piece(setup: Setup) -> None:
    with stream(setup, "subscription { nothing }") as response:
        assert response.headers["content-type"].startswith("application/json")
        assert json.loads(response.read())["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_json_alone_says_what_to_accept(setup: Setup) -> None:
    answer = setup.query("subscription { forever }")
    assert answer.code == "BAD_REQUEST"
    assert "subscriptionSpec" in answer.json["errors"][0]["message"]
