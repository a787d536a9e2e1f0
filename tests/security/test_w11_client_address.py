"""W11: the client's address. It is the kernel's or a trusted proxy's word; a client's own headers count for nothing."""

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect

from botberi_gateway.config import GatewayConfig, TransportConfig
from botberi_gateway.server.app import create_app
from botberi_gateway.transport.client import MAX_AGENT, UNKNOWN, Client, ClientResolver, network_of
from botberi_gateway.transport.identity import Identity
from botberi_gateway.transport.port import Caller, Credentials
from gateway.tests.support.live_server import LiveServer, live
from gateway.tests.support.toy_graph import World, toy_gateway

TRUSTED = ("10.0.0.0/8", "2001:db8:ffff::/48", "127.0.0.1")
PROXY = "10.1.1.1"

#: What arrives at a gateway that trusts `TRUSTED` -> the address that counts.
ADDRESSES: list[tuple[str, str | None, dict[str, str], str | None]] = [
    ("no proxy", "203.0.113.7", {}, "203.0.113.7"),
    ("no proxy, IPv4 in IPv6", "::ffff:203.0.113.7", {}, "203.0.113.7"),
    ("no proxy, IPv6 with a zone", "fe80::1%eth0", {}, "fe80::1"),
    ("a client that writes the header itself", "203.0.113.7", {"x-forwarded-for": "1.1.1.1"}, "203.0.113.7"),
    ("a client that writes Forwarded itself", "203.0.113.7", {"forwarded": "for=1.1.1.1"}, "203.0.113.7"),
    ("a client beside the trusted network", "11.0.0.1", {"x-forwarded-for": "1.1.1.1"}, "11.0.0.1"),
    ("a proxy", PROXY, {"x-forwarded-for": "203.0.113.7"}, "203.0.113.7"),
    ("a proxy by RFC 7239", PROXY, {"forwarded": "for=203.0.113.7;proto=https;by=10.1.1.1"}, "203.0.113.7"),
    ("a proxy, upper case", PROXY, {"forwarded": "proto=http; For=203.0.113.7"}, "203.0.113.7"),
    ("a proxy that appends to a client's lie", PROXY, {"x-forwarded-for": "1.1.1.1, 203.0.113.7"}, "203.0.113.7"),
    ("the lie names a trusted address", PROXY, {"x-forwarded-for": "1.1.1.1, 10.9.9.9, 203.0.113.7"}, "203.0.113.7"),
    ("the lie is no address", PROXY, {"x-forwarded-for": "<script>, 203.0.113.7"}, "203.0.113.7"),
    ("two proxies", PROXY, {"x-forwarded-for": "203.0.113.7, 10.2.2.2"}, "203.0.113.7"),
    ("two proxies, and a lie", PROXY, {"x-forwarded-for": "1.1.1.1, 203.0.113.7, 10.2.2.2"}, "203.0.113.7"),
    ("two proxies by RFC 7239", PROXY, {"forwarded": "for=1.1.1.1, for=203.0.113.7, for=10.2.2.2"}, "203.0.113.7"),
    ("an IPv6 proxy", "2001:db8:ffff::1", {"x-forwarded-for": "2001:db8::7"}, "2001:db8::7"),
    ("an IPv6 client, quoted", PROXY, {"forwarded": 'for="[2001:DB8::7]:4711"'}, "2001:db8::7"),
    ("a port beside the address", PROXY, {"x-forwarded-for": "203.0.113.7:51234"}, "203.0.113.7"),
    ("an IPv6 port beside the address", PROXY, {"x-forwarded-for": "[2001:db8::7]:51234"}, "2001:db8::7"),
    ("a client in the trusted network", PROXY, {"x-forwarded-for": "10.3.3.3"}, "10.3.3.3"),
    ("a proxy's own request", PROXY, {}, PROXY),
    ("both headers agree", PROXY, {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7"}, "203.0.113.7"),
    ("one of both headers passed through", PROXY, {"x-forwarded-for": "203.0.113.7", "forwarded": "for=1.1.1.1"}, None),
    ("the other one passed through", PROXY, {"forwarded": "for=203.0.113.7", "x-forwarded-for": "1.1.1.1"}, None),
    ("hidden by the proxy", PROXY, {"forwarded": "for=_hidden"}, None),
    ("unknown to the proxy", PROXY, {"forwarded": "for=1.1.1.1, for=unknown"}, None),
    ("no for", PROXY, {"forwarded": "for=1.1.1.1, proto=https"}, None),
    ("an open quote of the client's", PROXY, {"forwarded": 'x=", for=203.0.113.7'}, None),
    ("an open quote, quoted afterwards", PROXY, {"forwarded": 'for=1.1.1.1;x=", for="203.0.113.7"'}, None),
    ("an escaped quote", PROXY, {"forwarded": 'for=1.1.1.1;x="\\", for="203.0.113.7"'}, None),
    ("for twice", PROXY, {"forwarded": "for=203.0.113.7;for=1.1.1.1"}, None),
    ("an empty header", PROXY, {"x-forwarded-for": ""}, None),
    ("a thousand hops", PROXY, {"x-forwarded-for": "1.1.1.1," + ",".join(["10.2.2.2"] * 1000)}, None),
    ("a thousand hops by RFC 7239", PROXY, {"forwarded": "for=1.1.1.1," + ",".join(["for=10.2.2.2"] * 1000)}, None),
    ("no peer address", None, {"x-forwarded-for": "1.1.1.1"}, None),
]


@pytest.mark.parametrize(
    ("peer", "headers", "address"), [case[1:] for case in ADDRESSES], ids=[c[0] for c in ADDRESSES]
)
def test_whose_address_counts(peer: str | None, headers: dict[str, str], address: str | None) -> None:
    resolver = ClientResolver(TRUSTED)
    for _ in range(2):  # the second time from memory
        assert resolver.resolve((peer, 1) if peer else None, headers).address == address


def test_a_proxy_on_a_unix_socket_is_trusted_by_name() -> None:
    headers = {"x-forwarded-for": "203.0.113.7"}
    assert ClientResolver(("unix",)).resolve(None, headers) == Client("203.0.113.7", None, proxied=True)
    assert ClientResolver(()).resolve(None, headers) == Client()


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "localhost", "*", "", "10.0.0.0/33"])
def test_a_proxy_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match=r"trust"):
        ClientResolver((text,))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Firefox/133", "Firefox/133"),
        ("a" * 60_000, "a" * MAX_AGENT),
        ("line\tand\x85more", "line and more"),
        ("", None),
        ("\x01\x02", None),
    ],
    ids=["usual", "endless", "control characters", "empty", "nothing printable"],
)
def test_a_device_is_short_and_printable(given: str, kept: str | None) -> None:
    assert ClientResolver().resolve(("203.0.113.7", 1), {"user-agent": given}).agent == kept


def test_limits_by_address_count_all_addresses_of_one_ipv6_connection_together() -> None:
    assert network_of("2001:db8:1:2:aaaa::1") == network_of("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert network_of("203.0.113.7") == "203.0.113.7"
    assert Client().network == "unknown"


def test_what_is_remembered_is_bounded() -> None:
    resolver = ClientResolver(TRUSTED)
    for number in range(20_000):
        resolver.resolve(
            (PROXY, 1), {"x-forwarded-for": f"203.0.{number // 250}.{number % 250}", "user-agent": "x" * 100}
        )
        resolver.resolve((PROXY, 1), {"x-forwarded-for": "203.0.113.7", "user-agent": f"{number}" + "x" * 10_000})
    assert len(resolver._remembered) <= 4_096
    assert sum(len(part or "") for key in resolver._remembered for part in key) < 4_096 * 512


class Recording:
    """An authenticator and subgraph headers that keep what they are given."""

    def __init__(self) -> None:
        self.credentials: list[Credentials] = []

    async def authenticate(self, credentials: Credentials) -> Caller | None:
        self.credentials.append(credentials)
        return None

    def headers_for(self, caller: Caller | None, subgraph: str, client: Client = UNKNOWN) -> Mapping[str, str]:
        return {"x-client": json.dumps([client.address, client.agent])}


CONFIG = GatewayConfig(
    transport=TransportConfig(
        trusted_proxies=TRUSTED,
        internal_headers=("Botberi-Assertion",),
        forward_headers=("x-request-id", "x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-proto"),
    )
)
SENT = {"x-forwarded-for": "1.1.1.1, 203.0.113.7", "user-agent": "Phone", "x-real-ip": "1.1.1.1"}
EXPECTED = ["203.0.113.7", "Phone"]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[LiveServer, Recording, World]]:
    recording, world = Recording(), World()
    make = lambda: create_app(  # noqa: E731
        toy_gateway(world), CONFIG, authenticator=recording, subgraph_headers=recording
    )
    with live(make, CONFIG) as server:
        yield server, recording, world


ASKED = {"query": '{ header(name: "x-client") }'}


async def _by_post(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.post(url, json=ASKED, headers=SENT) as answer:
        return (await answer.json())["data"]["header"]


async def _by_get(url: str) -> Any:
    async with aiohttp.ClientSession() as session, session.get(url, params=ASKED, headers=SENT) as answer:
        return (await answer.json())["data"]["header"]


async def _by_events(url: str) -> Any:
    headers = {**SENT, "accept": "text/event-stream"}
    async with aiohttp.ClientSession() as session, session.post(url, json=ASKED, headers=headers) as answer:
        return json.loads((await answer.text()).split("data: ")[1].split("\n")[0])["data"]["header"]


async def _by_socket(url: str) -> Any:
    headers = {name: value for name, value in SENT.items() if name != "user-agent"}
    async with connect(
        url.replace("http", "ws", 1),
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        additional_headers=headers,
        user_agent_header=SENT["user-agent"],
    ) as socket:
        init = {"type": "connection_init", "payload": {"x-forwarded-for": "1.1.1.1", "User-Agent": "forged"}}
        await socket.send(json.dumps(init))
        await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": ASKED}))
        return json.loads(await socket.recv())["payload"]["data"]["header"]


@pytest.mark.parametrize("way", [_by_post, _by_get, _by_events, _by_socket])
def test_address_and_device_reach_authenticator_and_subgraphs_by_every_way(
    served: tuple[LiveServer, Recording, World], way: Any
) -> None:
    server, recording, world = served
    recording.credentials.clear()
    world.requests.clear()
    assert json.loads(asyncio.run(way(f"{server.url}/graphql"))) == EXPECTED
    assert [recording.credentials[0].client.address, recording.credentials[0].client.agent] == EXPECTED
    [(_, request)] = world.requests
    # Where an operator forwards what proxies report, subgraphs get what the gateway found, not what the client wrote.
    reported = {name: request.headers.get(name) for name in ("x-forwarded-for", "forwarded", "x-real-ip")}
    assert reported == {"x-forwarded-for": "203.0.113.7", "forwarded": "for=203.0.113.7", "x-real-ip": "203.0.113.7"}


def test_w17_a_clients_own_internal_header_is_dropped_and_logged(
    served: tuple[LiveServer, Recording, World], caplog: pytest.LogCaptureFixture
) -> None:
    server, recording, world = served
    recording.credentials.clear()
    world.requests.clear()

    async def ask() -> None:
        headers = {**SENT, "bOtBeRi-assertion": "forged-token"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{server.url}/graphql", json=ASKED, headers=headers),
        ):
            pass

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            asyncio.run(ask())
    lines = [record.getMessage() for record in caplog.records if "botberi-assertion" in record.getMessage()]
    assert lines == [
        "a client at 203.0.113.7 sent botberi-assertion, by which only the gateway speaks to subgraphs; it was dropped"
    ]
    assert "forged-token" not in caplog.text
    assert all("botberi-assertion" not in credentials.headers for credentials in recording.credentials)
    assert all("botberi-assertion" not in request.headers for _, request in world.requests)


def test_w17_an_internal_header_cannot_be_forwarded_by_configuration() -> None:
    with pytest.raises(ValueError, match="botberi-assertion"):
        Identity(None, None, ("Botberi-Assertion",), {}, ("botberi-assertion",))
