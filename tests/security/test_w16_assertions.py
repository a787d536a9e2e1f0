"""W16: an assertion is good for one request; a stolen one can't be sent with another body, path or subgraph."""

import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from botberi.wiring import keys
from botberi.wiring.assertion import ANONYMOUS, GATEWAY, AssertionSigner, Caller
from botberi.wiring.internal_call import HttpCall
from botberi.wiring.signing import SigningClient
from botberi_gateway.transport.client import Client
from botberi_gateway.upstream.http import HttpClient
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse
from gateway.tests.support.live_server import live
from shared_schema.contracts.assertion import HEADER, digest
from subgraphs.common.assertion import SAME_PROCESS, AssertionRefused, AssertionVerifier
from subgraphs.common.keys import ed25519_keys, mapping_keys
from tests.support.assertions import Signer

SOMEBODY = Caller(
    "01890a5d-ac96-774b-bcce-b302099a8057", "user", "01890a5d-ac96-774b-bcce-b302099a8058", ("account:read",)
)
PHONE = Client("2001:db8::7", "Phone")
BODY = b'{"query": "{ me { id } }"}'


@pytest.fixture
def ring(tmp_path: Path) -> keys.KeyRing:
    return keys.load_folder(tmp_path / "keys")


def request(
    token: str, *, method: str = "POST", path: str = "/graphql", query: bytes = b"", local: bool = False
) -> Any:
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query}
    headers = [(HEADER.lower().encode(), one.encode()) for one in token.split("\n")]
    return Request({**scope, "headers": headers, **({SAME_PROCESS: True} if local else {})})


async def test_the_gateways_own_is_believed_by_the_subgraph_it_is_for(ring: keys.KeyRing) -> None:
    token = AssertionSigner(ring).sign(SOMEBODY, "identity", PHONE, body=BODY)
    vouched = await AssertionVerifier("identity", mapping_keys(ring.jwks())).verify(request(token), BODY)
    assert str(vouched.caller().account_id) == SOMEBODY.subject
    assert (vouched.facts().ip_address, vouched.facts().user_agent) == ("2001:db8::7", "Phone")
    assert vouched.facts().network == "2001:db8::/64"


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        ({}, b'{"query": "mutation { deleteAccount }"}'),
        ({}, b""),
        ({}, BODY + b" "),
        ({"method": "GET"}, BODY),
        ({"path": "/internal/verify"}, BODY),
        ({"path": "/graphql/"}, BODY),
        ({"query": b"x=y"}, BODY),
    ],
    ids=["another body", "no body", "a byte more", "another method", "another path", "a slash more", "a query string"],
)
@pytest.mark.parametrize("seen", [True, False], ids=["seen before", "new"])
async def test_replayed_with_anything_else_it_is_refused(
    ring: keys.KeyRing, changes: dict[str, Any], body: bytes, seen: bool
) -> None:
    token = AssertionSigner(ring).sign(SOMEBODY, "identity", body=BODY)
    verifier = AssertionVerifier("identity", mapping_keys(ring.jwks()))
    if seen:
        await verifier.verify(request(token), BODY)
    with pytest.raises(AssertionRefused, match="another request"):
        await verifier.verify(request(token, **changes), body)


async def test_two_in_one_request_are_none(ring: keys.KeyRing) -> None:
    signer = AssertionSigner(ring)
    token = signer.sign(SOMEBODY, "identity", body=BODY) + "\n" + signer.sign(ANONYMOUS, "identity", body=BODY)
    with pytest.raises(AssertionRefused, match="several"):
        await AssertionVerifier("identity", mapping_keys(ring.jwks())).verify(request(token), BODY)


async def test_unsigned_claims_count_in_the_gateways_own_process_alone(ring: keys.KeyRing) -> None:
    claims = AssertionSigner(ring).claims(SOMEBODY, "identity")
    verifier = AssertionVerifier("identity", mapping_keys(ring.jwks()))
    assert (await verifier.verify(request(claims, local=True), BODY)).caller().account_id is not None
    # The same subgraph, remembering them, over the network.
    with pytest.raises(AssertionRefused):
        await verifier.verify(request(claims), BODY)
    # Near or not: meant for another subgraph, or too old, they are refused.
    with pytest.raises(AssertionRefused, match="another subgraph"):
        await AssertionVerifier("catalog", mapping_keys(ring.jwks())).verify(request(claims, local=True), BODY)
    old = AssertionSigner(ring, clock=lambda: time.time() - 60).claims(SOMEBODY, "identity")
    with pytest.raises(AssertionRefused, match="expired"):
        await verifier.verify(request(old, local=True), BODY)


class Wire:
    """A subgraph's client that keeps what it would send."""

    def __init__(self) -> None:
        self.sent: list[tuple[bytes, Mapping[str, str]]] = []

    def start(self, body: bytes, kind: str, headers: Mapping[str, str], timeout: float) -> Any:
        self.sent.append((body, headers))

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        raise NotImplementedError

    def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("kind", ["query", "mutation"])
async def test_every_request_that_leaves_is_signed_over_the_bytes_that_leave(ring: keys.KeyRing, kind: str) -> None:
    signer, wire = AssertionSigner(ring), Wire()
    client = SigningClient("identity", wire, "http://identity:8081/base/graphql?v=1", signer)
    verifier = AssertionVerifier("identity", mapping_keys(ring.jwks()))
    headers = {"botberi-assertion": signer.claims(SOMEBODY, "identity", PHONE), "x-request-id": "1"}
    for body in (BODY, BODY, b'{"query":"{ you }"}'):
        client.start(body, kind, headers, 1.0)  # type: ignore[arg-type]
    tokens = [sent["botberi-assertion"] for _, sent in wire.sent]
    for (body, sent), token in zip(wire.sent, tokens, strict=True):
        assert sent["x-request-id"] == "1"
        await verifier.verify(request(token, path="/base/graphql", query=b"v=1"), body)
    # A query that is repeated is signed once; a mutation never twice alike.
    assert len(set(tokens)) == (2 if kind == "query" else 3)


def test_a_key_without_a_name_is_never_guessed() -> None:
    named, unnamed = Signer("a").jwks()["keys"][0], Signer("b").jwks()["keys"][0]
    del unnamed["kid"]
    assert list(ed25519_keys({"keys": [unnamed, {**unnamed, "kid": 7}, {**unnamed, "kid": ""}, named]})) == ["a"]


def test_two_keys_of_one_name_are_refused() -> None:
    twice = [Signer("a").jwks()["keys"][0], Signer("a").jwks()["keys"][0]]
    with pytest.raises(ValueError, match="two keys"):
        ed25519_keys({"keys": twice})


def test_the_digest_is_the_sha256_of_the_exact_bytes() -> None:
    assert digest(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    assert digest(json.dumps({"a": 1}).encode()) != digest(b'{"a":1}')


async def test_over_the_network_queries_and_questions_to_identity_are_believed_as_they_arrive(
    ring: keys.KeyRing,
) -> None:
    async def answer(request: Request) -> JSONResponse:
        vouched = await verifier.verify(request, await request.body())
        return JSONResponse({"data": {"sub": vouched.claims.sub, "address": vouched.facts().ip_address}})

    verifier = AssertionVerifier("identity", mapping_keys(ring.jwks()))
    routes = [Route(path, answer, methods=["POST"]) for path in ("/graphql", "/internal/verify")]
    signer = AssertionSigner(ring)
    with live(lambda: Starlette(routes=routes)) as server:
        url = f"{server.url}/graphql"
        client = SigningClient("identity", HttpClient("identity", url), url, signer)
        headers = {"botberi-assertion": signer.claims(SOMEBODY, "identity", PHONE)}
        for variables in ({}, {"text": "ä\N{SNOWMAN}"}, {}):
            got = await client.execute(SubgraphRequest("{ me { id } }", variables, headers=headers))
            assert got.data == {"sub": SOMEBODY.subject, "address": "2001:db8::7"}
        call = HttpCall(server.url, signer)
        claims = {HEADER: signer.claims(GATEWAY, "identity")}
        assert await call.post("/internal/verify", {"credential": "ä"}, claims) == (
            200,
            {"data": {"sub": "gateway", "address": None}},
        )
        await call.aclose()
        await client.aclose()
