"""What every subgraph's endpoint lets in, and what its errors say."""

import asyncio
import base64
import hmac
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jwt

from shared_schema.ids import new_id
from subgraphs.catalog.app import create_app
from subgraphs.catalog.settings import CatalogSettings
from subgraphs.common.keys import file_keys
from subgraphs.common.schema import SubgraphSchema
from tests.subgraphs.conftest import Client
from tests.support.asgi import Answer
from tests.support.assertions import Signer

HEADER = {"alg": "EdDSA", "typ": "JWT"}
QUERY = b'{"query": "{ __typename }"}'
JSON = ("content-type", "application/json")


# {"alg":"HS256","kid":"test-1"}
HS256 = "eyJhbGciOiJIUzI1NiIsImtpZCI6InRlc3QtMSJ9"


def hs256(signed: str, key: bytes) -> str:
    """A token whose HMAC is keyed with what everybody knows, the public key."""
    digest = hmac.digest(key, signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def tokens(signer: Signer) -> dict[str, str]:
    """Assertions that prove nothing, by what is wrong with them."""
    now = int(time.time())
    sent = partial(signer.token, request_body=QUERY)
    good = jwt.decode(sent("catalog"), signer.key, algorithms=["EdDSA"]).claims
    payload = sent("catalog").split(".")[1]
    other_signer = Signer(signer.kid)
    public = signer.key.as_bytes(private=False)
    return {
        "empty": "",
        "no JWT": "nonsense",
        "no JSON": "!!!.e30.AAAA",
        "too long": "x" * 9000,
        "wrong audience": sent("identity"),
        "wrong issuer": sent("catalog", iss="somebody"),
        "expired": sent("catalog", iat=now - 60, exp=now - 40),
        "from the future": sent("catalog", iat=now + 60, exp=now + 80),
        "valid for too long": sent("catalog", exp=now + 3600),
        "role without account": sent("catalog", sub="anonymous", role="admin", account_id=new_id()),
        "account without role": sent("catalog", sub=str(new_id())),
        "unknown key": Signer("other").token("catalog", request_body=QUERY),
        "another's signature": other_signer.token("catalog", request_body=QUERY),
        "no key id": signer.sign(good, {"alg": "EdDSA", "typ": "JWT"}),
        "alg none": "eyJhbGciOiJub25lIiwia2lkIjoidGVzdC0xIn0." + payload + ".",
        "alg HS256 with the public key": hs256(f"{HS256}.{payload}", public),
        "for another body": signer.token("catalog", request_body=b'{"query": "{ other }"}'),
        "for another method": sent("catalog", method="GET"),
        "for another path": sent("catalog", path="/internal/verify"),
        "for a query string": sent("catalog", path="/graphql?x"),
        "unsigned claims, as they go about in the gateway's process": f".{payload}.",
        "an unknown claim": sent("catalog", admin=True),
        "exp as a text": sent("catalog", exp=str(now + 20)),
        "exp as a fraction": sent("catalog", exp=now + 20.5),
        "exp as a truth": sent("catalog", exp=True),
        "scopes as a text": signer.sign({**good, "scopes": "catalog:write"}),
        "an address that is none": sent("catalog", addr="127.1"),
        "an address in another form": sent("catalog", addr="::ffff:203.0.113.7"),
        "a session in another form": signer.sign({**good, "sid": new_id().hex}),
        "an account in another form": signer.sign({**good, "sub": str(new_id()).upper(), "role": "user"}),
        **{f"without {claim}": signer.sign({k: v for k, v in good.items() if k != claim}) for claim in good},
        "another typ": signer.sign(good, {**HEADER, "kid": signer.kid, "typ": "at+jwt"}),
        "a key in the header": signer.sign(
            good, {**HEADER, "kid": signer.kid, "jwk": signer.key.as_dict(private=False)}
        ),
        "a key's address in the header": signer.sign(good, {**HEADER, "kid": signer.kid, "jku": "http://evil.example"}),
        "another kid": signer.sign(good, {**HEADER, "kid": signer.kid.upper()}),
        "no kid at all": signer.sign(good, HEADER),
        "altered": sent("catalog")[:-8] + "AAAAAAAA",
    }


@pytest.mark.parametrize("wrong", [*tokens(Signer()), "none at all"])
async def test_nothing_but_a_valid_assertion_gets_in(catalog: Client, signer: Signer, wrong: str) -> None:
    headers = [JSON]
    if wrong != "none at all":
        headers.append(("botberi-assertion", tokens(signer)[wrong]))
    answer = await catalog.request("POST", "/graphql", headers=headers, body=QUERY)
    assert answer.status == 401
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED_GATEWAY"}
    assert "data" not in answer.json()


async def test_a_remembered_assertion_still_expires(catalog: Client, signer: Signer) -> None:
    now = int(time.time())
    body = json.dumps({"query": "{ __typename }", "variables": None}).encode()
    token = signer.token("catalog", iat=now - 20, exp=now - 4, request_body=body)
    assert (await catalog.post("{ __typename }", token=token)).status == 200
    await asyncio.sleep(1.2)
    assert (await catalog.post("{ __typename }", token=token)).status == 401


TYPENAME = json.dumps({"query": "{ __typename }", "variables": None}).encode()


async def test_keys_rotate(shared_database_url: str) -> None:
    old, new = Signer("old"), Signer("new")
    published = [old]

    def jwks() -> dict[str, Any]:
        return {"keys": [key for signer in published for key in signer.jwks()["keys"]]}

    app = create_app(CatalogSettings(shared_database_url=shared_database_url), jwks=jwks)
    async with Client(app, "catalog", old) as client:
        assert (await client.post("{ __typename }")).status == 200
        assert (await client.post("{ __typename }", token=new.token("catalog", request_body=TYPENAME))).status == 401
        published[:] = [old, new]
        await asyncio.sleep(1.1)
        assert (await client.post("{ __typename }", token=new.token("catalog", request_body=TYPENAME))).status == 200
        assert (await client.post("{ __typename }")).status == 200


async def test_keys_come_from_a_file(tmp_path: Path) -> None:
    signer = Signer("in-a-file")
    path = tmp_path / "jwks.json"
    path.write_bytes(orjson.dumps(signer.jwks()))
    keys = file_keys(path)
    found = await keys.key("in-a-file")
    assert found is not None
    assert not found.is_private
    assert await keys.key("another") is None


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ([JSON], b"", 400, "BAD_REQUEST"),
        ([JSON], b"{", 400, "BAD_REQUEST"),
        ([JSON], b"[]", 400, "BAD_REQUEST"),
        ([JSON], b"\xff\xfe", 400, "BAD_REQUEST"),
        ([JSON], b'{"query": 1}', 400, "BAD_REQUEST"),
        ([JSON], b'{"query": " "}', 400, "BAD_REQUEST"),
        ([JSON], b'{"query": "# nothing"}', 200, "GRAPHQL_PARSE_FAILED"),
        ([JSON], b'{"query": "fragment a on Query { __typename }"}', 400, "GRAPHQL_VALIDATION_FAILED"),
        ([JSON], b'{"query": "{ __typename }", "variables": []}', 400, "BAD_REQUEST"),
        ([JSON], b'{"query": "{ __typename }", "operationName": 1}', 400, "BAD_REQUEST"),
        ([JSON], b'{"query": "query a { __typename } query b { __typename }"}', 200, "GRAPHQL_VALIDATION_FAILED"),
        ([JSON], b'{"query": "{ __typename }", "operationName": "x"}', 400, "GRAPHQL_VALIDATION_FAILED"),
        ([JSON], b'{"query": "{"}', 200, "GRAPHQL_PARSE_FAILED"),
        ([JSON, ("accept", "application/graphql-response+json")], b'{"query": "{"}', 400, "GRAPHQL_PARSE_FAILED"),
        ([JSON], b'{"query": "{ nonsense }"}', 200, "GRAPHQL_VALIDATION_FAILED"),
        ([JSON], b'{"query": "' + b"{ a " * 300 + b'"}', 200, "GRAPHQL_PARSE_FAILED"),
        ([JSON], b'{"query": "{' + b" __typename" * 3000 + b'}"}', 200, "GRAPHQL_PARSE_FAILED"),
        ([("content-type", "text/plain")], QUERY, 415, "BAD_REQUEST"),
        ([], QUERY, 415, "BAD_REQUEST"),
        ([JSON], b'{"query": "' + b" " * 1_100_000 + b'"}', 413, "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_bad_requests(
    catalog: Client, signer: Signer, headers: list[tuple[str, str]], body: bytes, status: int, code: str
) -> None:
    signed = [*headers, ("botberi-assertion", signer.token("catalog", request_body=body))]
    answer = await catalog.request("POST", "/graphql", headers=signed, body=body)
    assert answer.status == status
    assert answer.json()["errors"][0]["extensions"]["code"] == code


async def test_one_of_several_operations_runs_by_name(catalog: Client, signer: Signer) -> None:
    body = b'{"query": "query a { a: __typename } query b { b: __typename }", "operationName": "b"}'
    headers = [JSON, ("botberi-assertion", signer.token("catalog", request_body=body))]
    answer = await catalog.request("POST", "/graphql", headers=headers, body=body)
    assert answer.json() == {"data": {"b": "Query"}}


async def test_a_body_without_length_is_cut_off(catalog: Client, signer: Signer) -> None:
    headers = [JSON, ("botberi-assertion", signer.token("catalog"))]
    pieces = (b" " * 100_000 for _ in range(12))
    answer = await catalog.request("POST", "/graphql", headers=headers, body=pieces)
    assert answer.status == 413


async def test_depth_is_limited_also_through_fragments_and_cheaply(catalog: Client) -> None:
    def nested(depth: int) -> str:
        step = "templates { nodes { agent { "
        return "{ agents { nodes { " + step * depth + "id" + " } } }" * depth + " } } }"

    assert "errors" not in (await catalog.post(nested(3))).json()
    error = await catalog.fail(nested(5))
    assert "deep" in error["message"]
    through = "query { agents { nodes { ...a } } } fragment a on Agent { templates { nodes { agent { ...b } } } }"
    through += " fragment b on Agent { templates { nodes { agent { ...c } } } }"
    through += " fragment c on Agent { templates { nodes { agent { ...d } } } }"
    through += " fragment d on Agent { templates { nodes { agent { templates { nodes { id } } } } } }"
    assert "deep" in (await catalog.fail(through))["message"]
    doubling = "query { agents { nodes { ...f0 } } }" + "".join(
        f" fragment f{n} on Agent {{ ...f{n + 1} x: id ...f{n + 1} }}" for n in range(60)
    )
    started = time.perf_counter()
    await catalog.post(doubling + " fragment f60 on Agent { id }")
    assert time.perf_counter() - started < 2


async def test_what_cannot_be_stored_is_bad_input(catalog: Client) -> None:
    query = "query ($s: String!) { agent(slug: $s) { id } }"
    error = await catalog.fail(query, {"s": "a\x00b"})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["path"] == ["agent"]


async def test_unexpected_errors_are_masked_and_logged(
    catalog: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from subgraphs.catalog import queries

    def broken(*_: Any) -> None:
        raise RuntimeError("SELECT secret FROM /srv/app.py")

    monkeypatch.setattr(queries, "visible", broken)
    answer = await catalog.post('{ ok: __typename agent(slug: "x") { id } }')
    body = answer.json()
    assert body["data"] == {"ok": "Query", "agent": None}
    (error,) = body["errors"]
    assert error["path"] == ["agent"]
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in answer.body.decode()
    assert error["extensions"]["errorId"] in caplog.text
    assert "SELECT secret" in caplog.text


async def test_a_failure_around_the_execution_is_masked_too(
    catalog: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(SubgraphSchema, "execute", broken)
    answer = await catalog.post("{ __typename }")
    assert answer.status == 500
    assert answer.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert b"secret" not in answer.body
    assert "RuntimeError: secret" in caplog.text


async def test_a_database_that_is_down_is_unavailable(signer: Signer) -> None:
    settings = CatalogSettings(shared_database_url="postgresql://none@127.0.0.1:1/none")
    async with Client(create_app(settings, jwks=signer.jwks()), "catalog", signer) as client:
        body = (await client.post('{ ok: __typename agent(slug: "x") { id } }')).json()
        assert body["data"] == {"ok": "Query", "agent": None}
        assert body["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
        assert "127.0.0.1" not in json.dumps(body)
        assert (await client.request("GET", "/health")).status == 503


async def test_a_slow_request_is_ended(shared_database_url: str, signer: Signer, monkeypatch: Any) -> None:
    from subgraphs.catalog import queries

    async def slow(*_: Any) -> None:
        await asyncio.sleep(30)

    monkeypatch.setattr(queries, "list_connection", slow)
    settings = CatalogSettings(shared_database_url=shared_database_url, subgraph_request_timeout_seconds=0.1)
    async with Client(create_app(settings, jwks=signer.jwks()), "catalog", signer) as client:
        answer = await client.post("{ agents { totalCount } }")
        assert answer.status == 504
        assert answer.json()["errors"][0]["extensions"]["code"] == "TIMEOUT"


async def test_health_and_metrics_need_no_assertion(catalog: Client) -> None:
    await catalog.post("{ __typename }")
    health = await catalog.request("GET", "/health")
    assert (health.status, health.json()) == (200, {"status": "ok", "subgraph": "catalog"})
    metrics: Answer = await catalog.request("GET", "/metrics")
    assert b'botberi_subgraph_requests_total{outcome="ok",subgraph="catalog"} 1.0' in metrics.body
    assert (await catalog.request("GET", "/graphql")).status == 405


async def test_scalars_refuse_what_they_are_not(identity: Client, catalog: Client) -> None:
    query = "mutation ($i: CreateApiKeyInput!) { createApiKey(input: $i) { __typename } }"
    for bad in ("2030-01-01T00:00:00", "soon", 5, "9999-99-99T00:00:00Z"):
        error = await identity.fail(query, {"i": {"name": "k", "expiresAt": bad}}, account_id=new_id())
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "DateTime" in error["message"]
    deep: Any = 1
    for _ in range(70):
        deep = [deep]
    query = "mutation ($i: CreateAgentInput!) { createAgent(input: $i) { __typename } }"
    given = {"slug": "s", "name": "n", "workflow": "w", "parametersSchema": {"a": deep}}
    error = await catalog.fail(query, {"i": given}, account_id=new_id(), role="admin")
    assert "64 levels" in error["message"]


@pytest.mark.parametrize(
    "representation",
    [{}, {"__typename": "Query"}, {"__typename": "Account"}, {"__typename": "Nothing"}, {"__typename": 1}, [], "x"],
)
async def test_only_entities_of_the_subgraph_are_resolved(catalog: Client, representation: Any) -> None:
    query = "query ($r: [_Any!]!) { _entities(representations: $r) { __typename } }"
    error = await catalog.fail(query, {"r": [representation]})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["path"] == ["_entities"]
