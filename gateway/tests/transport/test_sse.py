"""Server-sent events against a live server (graphql-sse, distinct connections mode)."""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from gateway.tests.transport.conftest import Setup

ACCEPT = {"accept": "text/event-stream"}


@contextmanager
def stream(setup: Setup, query: str, headers: dict[str, str] | None = None) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", setup.server.port, timeout=5)
    try:
        sent = {"content-type": "application/json", **ACCEPT, **(headers or {})}
        connection.request("POST", "/graphql", json.dumps({"query": query}), sent)
        yield connection.getresponse()
    finally:
        connection.close()


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    """(event, data) pairs, and (":", None) for comments."""
    name, data = "", ""
    while line := response.readline().decode().rstrip("\n") if not response.closed else "":
        if line.startswith(":"):
            yield ":", None
            response.readline()
        elif line.startswith("event:"):
            name = line[6:].strip()
            data = response.readline().decode().rstrip("\n")[5:].strip()
            response.readline()
            yield name, json.loads(data) if data else None


def test_a_subscription(setup: Setup) -> None:
    with stream(setup, "subscription { users(times: 2) { id reviews { body } } }") as response:
        assert response.status == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        one = ("next", {"data": {"users": {"id": "1", "reviews": [{"body": "fine"}]}}})
        assert list(events(response)) == [one, one, ("complete", None)]


def test_a_query_is_a_stream_of_one(setup: Setup) -> None:
    with stream(setup, "{ hello }") as response:
        assert list(events(response)) == [("next", {"data": {"hello": "hello world"}}), ("complete", None)]


def test_get_for_event_sources_of_browsers(setup: Setup) -> None:
    answer = setup.request("GET", "/graphql?" + urlencode({"query": "subscription { count(to: 1) }"}), headers=ACCEPT)
    assert answer.body == b'event: next\ndata: {"data":{"count":1}}\n\nevent: complete\ndata:\n\n'


def test_a_document_that_cannot_run_is_a_stream_of_its_errors(setup: Setup) -> None:
    with stream(setup, "subscription { nothing }") as response:
        (kind, result), last = list(events(response))
    assert (kind, result["errors"][0]["extensions"]["code"], last) == (
        "next",
        "GRAPHQL_VALIDATION_FAILED",
        ("complete", None),
    )


def test_a_request_that_is_wrong_as_http_is_no_stream(setup: Setup) -> None:
    answer = setup.request(body={"query": 1}, headers=ACCEPT)
    assert (answer.status, answer.code) == (400, "BAD_REQUEST")
    setup.tokens.revoked.add("gone")
    answer = setup.query("{ hello }", {**ACCEPT, "authorization": "Bearer gone"})
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")


def test_a_silent_stream_is_kept_alive(setup: Setup) -> None:
    with stream(setup, "subscription { forever }") as response:
        found = events(response)
        assert next(found) == ("next", {"data": {"forever": 1}})
        assert next(found) == (":", None)
        assert next(found) == (":", None)


def test_a_client_that_goes_ends_the_subscription(setup: Setup) -> None:
    with stream(setup, "subscription { forever }") as response:
        next(events(response))
        assert setup.world.streams == 1
    deadline = time.monotonic() + 2
    while setup.world.streams:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_revoked_credentials_end_the_stream(setup: Setup) -> None:
    with stream(setup, "subscription { forever }", {"authorization": "Bearer frank"}) as response:
        found = events(response)
        assert next(found)[0] == "next"
        setup.tokens.revoked.add("frank")
        rest = [event for event in found if event[0] != ":"]
    assert rest[0][1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert rest[-1] == ("complete", None)
