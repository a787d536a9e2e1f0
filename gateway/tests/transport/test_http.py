"""GraphQL over HTTP against a live server: what is answered, what is refused, and what never leaks."""

import gzip
import json
import socket
import time
from typing import Any
from urllib.parse import urlencode

import pytest

from botberi_gateway.config import TransportConfig
from botberi_gateway.transport.origin import OriginPolicy
from botberi_gateway.transport.problem import HttpProblem
from gateway.tests.transport.conftest import Setup

GRAPHQL = {"accept": "application/graphql-response+json"}
PLAIN = {"accept": "application/json"}
TEXT = {"content-type": "text/plain"}


def get(setup: Setup, headers: dict[str, str] | None = None, **parameters: str) -> Any:
    return setup.request("GET", "/graphql?" + urlencode(parameters), headers=headers)


def test_a_query_over_two_subgraphs(setup: Setup) -> None:
    answer = setup.query("{ me { name reviews { body } } }")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json == {"data": {"me": {"name": setup.world.name, "reviews": [{"body": "fine"}]}}}


def test_get_runs_queries_only(setup: Setup) -> None:
    assert get(setup, query="query A { hello } query B { me { id } }", operationName="A").json["data"] == {
        "hello": "hello world"
    }
    before = setup.world.renames
    refused = get(setup, query='mutation { rename(name: "x") { name } }')
    assert (refused.status, refused.headers["allow"], refused.code) == (405, "POST", "METHOD_NOT_ALLOWED")
    assert setup.world.renames == before


def test_get_takes_variables(setup: Setup) -> None:
    answer = get(setup, query="query($n: String!) { hello(name: $n) }", variables='{"n": "Zoë"}')
    assert answer.json["data"] == {"hello": "hello Zoë"}


DOCUMENT_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": "query($n: String!) { hello(name: $n) }"}, "BAD_USER_INPUT"),
    ({"query": "query($n: Int) { hello(times: $n) }", "variables": {"n": "three"}}, "BAD_USER_INPUT"),
    ({"query": "query A { hello } query B { hello }"}, "OPERATION_RESOLUTION_FAILURE"),
    ({"query": "{ hello }", "operationName": "Other"}, "OPERATION_RESOLUTION_FAILURE"),
    ({"query": "subscription { forever }"}, "BAD_REQUEST"),
    ({"query": "{ __schema { types { fields { type { fields { name" + " }" * 6}, "GRAPHQL_VALIDATION_FAILED"),
]


@pytest.mark.parametrize(("body", "code"), DOCUMENT_FAULTS[:7])
def test_a_document_that_cannot_run_is_200_in_json_and_400_in_graphql_json(
    setup: Setup, body: dict[str, Any], code: str
) -> None:
    for headers, status in ((PLAIN, 200), (GRAPHQL, 400)):
        answer = setup.request(body=body, headers=headers)
        assert (answer.status, answer.code) == (status, code)
        assert "data" not in answer.json


REQUEST_FAULTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("no body", {"body": b"", "headers": {"content-type": "application/json"}}, 400, "BAD_REQUEST"),
    ("not JSON", {"body": b"{", "headers": {"content-type": "application/json"}}, 400, "BAD_REQUEST"),
    ("not UTF-8", {"body": b'{"query":"\xff"}', "headers": {"content-type": "application/json"}}, 400, "BAD_REQUEST"),
    (
        "NaN",
        {"body": b'{"query":"{hello}","variables":{"a":NaN}}', "headers": {"content-type": "application/json"}},
        400,
        "BAD_REQUEST",
    ),
    ("a string", {"body": b'"{ hello }"', "headers": {"content-type": "application/json"}}, 400, "BAD_REQUEST"),
    ("a batch", {"body": [{"query": "{ hello }"}] * 2}, 400, "BATCHING_NOT_SUPPORTED"),
    ("no query", {"body": {}}, 400, "BAD_REQUEST"),
    ("query is an object", {"body": {"query": {}}}, 400, "BAD_REQUEST"),
    ("variables is a list", {"body": {"query": "{ hello }", "variables": []}}, 400, "BAD_REQUEST"),
    ("extensions is a string", {"body": {"query": "{ hello }", "extensions": "x"}}, 400, "BAD_REQUEST"),
    ("operationName is a number", {"body": {"query": "{ hello }", "operationName": 1}}, 400, "BAD_REQUEST"),
    (
        "persisted query",
        {"body": {"extensions": {"persistedQuery": {"version": 1}}}},
        400,
        "PERSISTED_QUERY_NOT_SUPPORTED",
    ),
    ("no content type", {"body": b'{"query":"{ hello }"}'}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("text/plain", {"body": b'{"query":"{ hello }"}', "headers": TEXT}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    (
        "a form",
        {"body": b"query={hello}", "headers": {"content-type": "application/x-www-form-urlencoded"}},
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    (
        "multipart",
        {"body": b"--a--", "headers": {"content-type": "multipart/form-data; boundary=a"}},
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    (
        "a lookalike",
        {"body": b'{"query":"{ hello }"}', "headers": {"content-type": "text/plain; application/json"}},
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    (
        "another charset",
        {"body": b'{"query":"{ hello }"}', "headers": {"content-type": "application/json; charset=utf-16"}},
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    (
        "gzip",
        {
            "body": gzip.compress(b"0" * 10_000_000),
            "headers": {"content-type": "application/json", "content-encoding": "gzip"},
        },
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    ),
    ("too large", {"body": {"query": "{ hello } #" + "x" * 100_001}}, 413, "PAYLOAD_TOO_LARGE"),
    ("not acceptable", {"body": {"query": "{ hello }"}, "headers": {"accept": "text/csv"}}, 406, "NOT_ACCEPTABLE"),
    ("PUT", {"method": "PUT", "body": {"query": "{ hello }"}}, 405, "METHOD_NOT_ALLOWED"),
    ("DELETE", {"method": "DELETE"}, 405, "METHOD_NOT_ALLOWED"),
    (
        "deep variables",
        {"body": {"query": "{ hello }", "variables": json.loads('{"a":' * 200 + "1" + "}" * 200)}},
        400,
        "BAD_REQUEST",
    ),
]


@pytest.mark.parametrize(
    ("request_", "status", "code"), [f[1:] for f in REQUEST_FAULTS], ids=[f[0] for f in REQUEST_FAULTS]
)
def test_a_request_that_is_wrong_as_http_says_so_in_its_status(
    setup: Setup, request_: dict[str, Any], status: int, code: str
) -> None:
    answer = setup.request(**request_)
    assert (answer.status, answer.code) == (status, code)
    assert "data" not in answer.json


def test_a_body_without_length_is_counted_while_it_arrives(setup: Setup) -> None:
    with socket.create_connection(("127.0.0.1", setup.server.port), timeout=10) as raw:
        raw.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        sent = 0
        try:
            while sent < 50_000_000:
                raw.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
                sent += 0x10000
                raw.settimeout(0.001)
                try:
                    if raw.recv(12, socket.MSG_PEEK):
                        break
                except TimeoutError:
                    pass
                raw.settimeout(10)
        except OSError:
            pass
        raw.settimeout(10)
        assert raw.recv(12) == b"HTTP/1.1 413"
    assert sent < 2_000_000


def test_a_body_that_never_comes_is_not_waited_for(setup: Setup) -> None:
    with socket.create_connection(("127.0.0.1", setup.server.port), timeout=10) as raw:
        raw.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{"
        )
        started = time.monotonic()
        assert raw.recv(12) == b"HTTP/1.1 408"
        assert time.monotonic() - started < 3


FORGERIES: list[tuple[str, dict[str, str], int]] = [
    ("no browser", {}, 200),
    ("same origin", {"sec-fetch-site": "same-origin", "cookie": "session=ada"}, 200),
    ("address bar", {"sec-fetch-site": "none", "cookie": "session=ada"}, 200),
    ("another site", {"sec-fetch-site": "cross-site"}, 403),
    ("another site, same registrable domain", {"sec-fetch-site": "same-site"}, 403),
    ("another site with a content type", {"sec-fetch-site": "cross-site", "content-type": "application/json"}, 403),
    ("another origin, old browser", {"origin": "https://evil.example"}, 403),
    ("no origin, old browser with a cookie", {"cookie": "session=ada"}, 403),
    ("preflighted", {"sec-fetch-site": "cross-site", "graphql-require-preflight": "1"}, 200),
    ("allowed origin", {"sec-fetch-site": "cross-site", "origin": "https://app.example"}, 200),
    ("allowed origin's lookalike", {"sec-fetch-site": "cross-site", "origin": "https://app.example.evil.example"}, 403),
    ("null origin", {"origin": "null"}, 403),
    ("a form's content type", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ("nonsense content type", {"content-type": "application/json, text/plain"}, 415),
]


@pytest.mark.parametrize(("headers", "status"), [f[1:] for f in FORGERIES], ids=[f[0] for f in FORGERIES])
def test_pages_of_other_sites_cannot_make_a_browser_ask(setup: Setup, headers: dict[str, str], status: int) -> None:
    assert get(setup, headers, query="{ hello }").status == status


def test_cors_is_for_allowed_origins_alone(setup: Setup) -> None:
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    good = setup.request("OPTIONS", headers={"origin": "https://app.example", **ask})
    assert good.status == 204
    assert good.headers["access-control-allow-origin"] == "https://app.example"
    assert good.headers["access-control-allow-headers"] == "content-type"
    bad = setup.request("OPTIONS", headers={"origin": "https://evil.example", **ask})
    assert "access-control-allow-origin" not in bad.headers
    answer = setup.query("{ hello }", {"origin": "https://app.example"})
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["vary"] == "origin"


ANY = TransportConfig(allowed_origins=("*", "https://app.example"))


@pytest.mark.parametrize(
    ("origin", "allowed", "credentials"),
    [
        ("https://anywhere.example", b"*", None),
        ("null", b"*", None),
        ("https://app.example", b"https://app.example", b"true"),
    ],
)
def test_any_origin_may_call_without_cookies(origin: str, allowed: bytes, credentials: bytes | None) -> None:
    policy = OriginPolicy.of(ANY)
    for answer in (policy.cors({"origin": origin}), policy.preflight({"origin": origin})):
        headers = dict(answer)
        assert headers[b"access-control-allow-origin"] == allowed
        assert headers.get(b"access-control-allow-credentials") == credentials
        assert headers[b"vary"] == b"origin"


def test_a_socket_of_any_origin_has_no_cookie() -> None:
    policy = OriginPolicy.of(ANY)
    assert policy.admits_socket({"origin": "https://anywhere.example", "host": "api.example"})
    assert not policy.admits_socket({"origin": "https://anywhere.example", "host": "api.example", "cookie": "s=1"})
    assert policy.admits_socket({"origin": "https://app.example", "host": "api.example", "cookie": "s=1"})


def test_a_get_of_any_origin_has_no_cookie() -> None:
    policy = OriginPolicy.of(ANY)
    policy.check_get({"origin": "https://anywhere.example", "sec-fetch-site": "cross-site"})
    with pytest.raises(HttpProblem):
        policy.check_get({"origin": "https://anywhere.example", "sec-fetch-site": "cross-site", "cookie": "s=1"})


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/path", "https://*.example", "https://", "a b", ""]
)
def test_what_is_no_origin_is_refused_at_start(origin: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        OriginPolicy.of(TransportConfig(allowed_origins=(origin,)))


def test_the_caller_reaches_each_subgraph(setup: Setup) -> None:
    assert setup.query("{ whoami }", {"authorization": "Bearer ada"}).json["data"] == {"whoami": "ada@accounts"}
    assert setup.query("{ whoami }", {"cookie": "a=b; session=bob"}).json["data"] == {"whoami": "bob@accounts"}
    assert setup.query("{ whoami }").json["data"] == {"whoami": "anonymous@accounts"}


def test_a_client_cannot_speak_for_itself(setup: Setup) -> None:
    answer = setup.query("{ whoami }", {"x-caller": "root@accounts", "connection": "x-caller"})
    assert answer.json["data"] == {"whoami": "anonymous@accounts"}


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("traceparent", "00-1", "00-1"),
        ("authorization", "Bearer ada", None),
        ("cookie", "session=ada", None),
        ("x-odd", "1", None),
    ],
)
def test_only_listed_headers_are_forwarded(setup: Setup, name: str, value: str, seen: str | None) -> None:
    assert setup.query(f'{{ header(name: "{name}") }}', {name: value}).json["data"] == {"header": seen}


def test_wrong_credentials_are_401(setup: Setup) -> None:
    setup.tokens.revoked.add("mallory")
    answer = setup.query("{ whoami }", {"authorization": "Bearer mallory"})
    assert (answer.status, answer.code, answer.headers["www-authenticate"]) == (401, "UNAUTHENTICATED", "Bearer")


def test_a_verifier_that_fails_is_503_and_says_nothing(setup: Setup) -> None:
    setup.tokens.down = True
    try:
        answer = setup.query("{ whoami }", {"authorization": "Bearer ada"})
    finally:
        setup.tokens.down = False
    assert (answer.status, answer.code) == (503, "VERIFIER_UNAVAILABLE")
    assert b"secret" not in answer.body


def test_response_headers_follow_the_rules(setup: Setup) -> None:
    answer = setup.query("{ me { reviews { body } } }")
    cookies = [value for name, value in answer.all_headers if name.lower() == "set-cookie"]
    assert cookies == ["accounts=1"]
    assert "x-secret" not in answer.headers


def test_answers_are_not_cached_or_sniffed(setup: Setup) -> None:
    headers = setup.query("{ hello }").headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


def test_a_failing_field_leaves_the_rest(setup: Setup) -> None:
    answer = setup.query("{ hello broken }", GRAPHQL)
    assert answer.status == 200
    assert answer.json["data"] == {"hello": "hello world", "broken": None}
    assert answer.json["errors"][0]["path"] == ["broken"]


def test_a_query_ends_when_its_client_goes(setup: Setup) -> None:
    with socket.create_connection(("127.0.0.1", setup.server.port), timeout=10) as raw:
        body = json.dumps({"query": "{ slow(seconds: 30) }"}).encode()
        raw.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        wait_until(lambda: setup.world.running == 1)
    wait_until(lambda: setup.world.running == 0, 0.5)


def test_a_mutation_runs_to_its_end_when_its_client_goes(setup: Setup) -> None:
    before = setup.world.renames
    with socket.create_connection(("127.0.0.1", setup.server.port), timeout=10) as raw:
        body = json.dumps({"query": 'mutation { slowRename(name: "Eve", seconds: 0.4) { name } }'}).encode()
        raw.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
            % len(body)
            + body
        )
        wait_until(lambda: setup.world.running == 1)
    wait_until(lambda: setup.world.renames == before + 1)


def test_big_numbers_pass_unchanged(setup: Setup) -> None:
    body = b'{"query":"query($v: Json) { echo(value: $v) }","variables":{"v":[12345678901234567890123,1.5]}}'
    answer = setup.request(body=body, headers={"content-type": "application/json"})
    assert b"12345678901234567890123" in answer.body


def test_service_fields_of_subgraphs_are_not_public(setup: Setup) -> None:
    for query in (
        "{ _service { sdl } }",
        '{ _entities(representations: [{__typename: "User", id: 1}]) { __typename } }',
    ):
        assert setup.query(query).code == "GRAPHQL_VALIDATION_FAILED"


def test_what_is_below_the_endpoint_is_not_graphql(setup: Setup) -> None:
    assert setup.request(path="/graphql/other", body={"query": "{ hello }"}).status == 404


def wait_until(condition: Any, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)
