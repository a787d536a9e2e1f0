"""Sharing over the real server: off unless asked for, on for both levels, counted."""

import asyncio
import concurrent.futures
import json
import re
import urllib.request
from typing import Any

import pytest

from botberi_gateway.config import GatewayConfig, ServerConfig, TransportConfig
from botberi_gateway.engine import Gateway
from botberi_gateway.server.app import create_app
from gateway.tests.support.live_server import live
from gateway.tests.upstream.hostile import Connection, hostile, response

SUPERGRAPH_OF = """
schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/join/v0.3", for: EXECUTION) {{ query: Query }}
directive @join__graph(name: String!, url: String!) on ENUM_VALUE
directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR
directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA
scalar join__FieldSet
scalar link__Import
enum link__Purpose {{ SECURITY EXECUTION }}
enum join__Graph {{ A @join__graph(name: "a", url: "{url}") }}
type Query @join__type(graph: A) {{ hello: String }}
"""


@pytest.mark.parametrize(("queries", "requests", "sent"), [(False, False, 8), (False, True, 1), (True, False, 1)])
async def test_shared_over_http(queries: bool, requests: bool, sent: int) -> None:
    arrived = 0

    async def script(connection: Connection) -> None:
        nonlocal arrived
        arrived += 1
        await asyncio.sleep(0.5)
        await connection.send(response({"data": {"hello": "you"}}))

    def ask(url: str, body: Any = None, cookie: str = "a=1") -> str:
        headers = {"content-type": "application/json", "cookie": cookie}
        request = urllib.request.Request(url, body and json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.read().decode())

    async with hostile(script) as server:
        config = GatewayConfig(
            server=ServerConfig(share_subgraph_requests=requests),
            transport=TransportConfig(share_queries=queries, graphiql=False),
        )
        sdl = SUPERGRAPH_OF.format(url=server.url)
        loop = asyncio.get_running_loop()
        with (
            live(lambda: create_app(Gateway.from_supergraph(sdl), config), config) as gateway,
            concurrent.futures.ThreadPoolExecutor(9) as threads,
        ):
            url = gateway.url + "/graphql"
            work = [loop.run_in_executor(threads, ask, url, {"query": "{ hello }"}) for _ in range(8)]
            answers = await asyncio.gather(*work)
            assert answers == ['{"data":{"hello":"you"}}'] * 8
            assert arrived == sent
            page = await loop.run_in_executor(threads, ask, gateway.url + "/metrics")
            counted = sum(float(n) for n in re.findall(r"^gateway_shared_requests_total\{.*\} (\S+)$", page, re.M))
            assert counted == 8 - sent
            if queries:
                work = [
                    loop.run_in_executor(threads, ask, url, {"query": "{ hello }"}, cookie) for cookie in ("a=1", "a=2")
                ]
                await asyncio.gather(*work)
                assert arrived == sent + 2, "two callers are never one"
