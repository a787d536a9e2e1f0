"""Where the gateway's public keys come from, and what happens when they cannot be had."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from subgraphs.common import keys
from subgraphs.common.errors import Unavailable
from subgraphs.common.keys import RefreshingKeys, ed25519_keys, url_keys
from tests.support.assertions import Signer


class Server:
    """A JWKS endpoint that may break."""

    def __init__(self) -> None:
        self.signers = [Signer("one")]
        self.answer: Any = None
        self.asked = 0
        self.url = ""

    async def handle(self, _: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.answer is not None:
            return self.answer()  # type: ignore[no-any-return]
        return web.json_response({"keys": [key for each in self.signers for key in each.jwks()["keys"]]})


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(keys, "MINIMUM_REFRESH_SECONDS", 0.0)
    server = Server()
    app = web.Application()
    app.router.add_get("/jwks.json", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}/jwks.json"
    yield server
    await runner.cleanup()


BROKEN: dict[str, Any] = {
    "500": lambda: web.Response(status=500),
    "redirect": lambda: web.Response(status=302, headers={"location": "http://127.0.0.1:1/"}),
    "no JSON": lambda: web.Response(text="<html>"),
    "a list": lambda: web.json_response([]),
    "no keys": lambda: web.json_response({}),
    "too large": lambda: web.Response(body=b" " * 70_000),
    "a broken key": lambda: web.json_response({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "!", "kid": "one"}]}),
}


@pytest.mark.parametrize("how", BROKEN)
async def test_without_keys_nothing_is_believed_and_the_caller_gets_an_error(server: Server, how: str) -> None:
    server.answer = BROKEN[how]
    source = url_keys(server.url)
    with pytest.raises(Unavailable):
        await source.key("one")
    server.answer = None
    assert await source.key("one") is not None


async def test_kept_keys_outlive_a_broken_server(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    source = url_keys(server.url)
    assert await source.key("one") is not None
    server.answer = BROKEN["500"]
    assert await source.key("two") is None
    assert await source.key("one") is not None
    assert "HTTP 500" in caplog.text


async def test_a_new_key_is_fetched_and_known_ones_are_not(server: Server) -> None:
    source = url_keys(server.url)
    for _ in range(3):
        assert await source.key("one") is not None
    assert server.asked == 1
    server.signers.append(Signer("two"))
    assert await source.key("two") is not None
    assert server.asked == 2


async def test_unknown_keys_make_no_flood(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MINIMUM_REFRESH_SECONDS", 60.0)
    source = url_keys(server.url)
    for number in range(20):
        assert await source.key(f"noise-{number}") is None
    assert server.asked == 1


async def test_a_withdrawn_key_is_forgotten_when_the_keys_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MINIMUM_REFRESH_SECONDS", 0.0)
    signers = [Signer("one"), Signer("two")]

    async def fetch() -> dict[str, Any]:
        return {"keys": [key for each in signers for key in each.jwks()["keys"]]}

    source = RefreshingKeys(fetch, maximum_age=0.0, name="test")
    assert await source.key("one") is not None
    del signers[0]
    assert await source.key("one") is None


def test_other_kinds_of_keys_are_left_out() -> None:
    good = Signer("good").key.as_dict(private=True)
    found = ed25519_keys({"keys": [good, {"kty": "oct", "k": "AAAA", "kid": "hmac"}, {"kty": "RSA"}, "x", None]})
    assert list(found) == ["good"]
    assert not found["good"].is_private
