"""Clients of apps (Apollo Client, urql, Relay) and servers of subgraphs (Yoga, Apollo Server), unmodified from npm."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.config import (
    BatchingConfig,
    EngineConfig,
    GatewayConfig,
    SubgraphConfig,
    SubgraphSubscriptionsConfig,
    SubscriptionProtocol,
    TransportConfig,
    UploadsConfig,
)
from botberi_gateway.engine import Gateway, SubgraphSource
from botberi_gateway.engine.sources import fetch_sdl
from botberi_gateway.server.app import create_app
from botberi_gateway.upstream import HttpClient
from gateway.tests.support.live_server import live
from gateway.tests.transport.conftest import Node

CONFIG = GatewayConfig(
    transport=TransportConfig(batching=BatchingConfig(enabled=True), uploads=UploadsConfig(enabled=True)),
    engine=EngineConfig(
        subgraph=SubgraphConfig(subscriptions=SubgraphSubscriptionsConfig(protocol=SubscriptionProtocol.SSE))
    ),
)


@contextmanager
def subgraphs(node: Node) -> Iterator[dict[str, str]]:
    """Name -> URL."""
    script = Path(__file__).with_name("subgraphs.mjs")
    (node.folder / script.name).write_text(script.read_text())
    process = subprocess.Popen(
        [node.node, script.name], cwd=node.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        ports = json.loads(process.stdout.readline())
        yield {name: f"http://127.0.0.1:{port}/graphql" for name, port in ports.items()}
    finally:
        process.communicate()


async def sources_of(urls: dict[str, str]) -> dict[str, SubgraphSource]:
    """The subgraphs, with the SDL that each gives."""
    sources = {}
    for name, url in urls.items():
        client = HttpClient(name, url)
        sources[name] = SubgraphSource(await fetch_sdl(name, client), url=url)
        await client.aclose()
    return sources


@pytest.mark.timeout(180)
async def test_apps_from_npm_over_subgraphs_from_npm(node: Node) -> None:
    with subgraphs(node) as urls:
        sources = await sources_of(urls)

        def make() -> Any:
            return create_app(Gateway.from_subgraphs(sources, config=CONFIG.engine), CONFIG)

        with live(make, CONFIG) as server:
            got = node.run("apps.mjs", f"{server.url}/graphql")
    user = {"id": "1", "name": "Ada"}
    assert got["batch"]["requests"] == 1
    first, second, third = got["batch"]["data"]
    assert _plain(first) == {"user": {**user, "posts": [{"text": "by 1"}]}}
    assert _plain(second) == {"posts": [{"text": "hello", "author": {"name": "User 1"}}]}
    assert _plain(third) == {"user": {"id": "1"}}
    assert got["upload"] == {"avatar": "photo.png image/png 300000"}
    assert _plain(got["urql"]) == {"user": {"name": "Ada", "posts": [{"text": "by 1"}]}}
    assert _plain(got["yoga"]) == [
        {"joined": {"id": str(n), "name": f"User {n}", "posts": [{"text": f"by {n}"}]}} for n in (1, 2, 3)
    ]
    assert _plain(got["apolloServer"]) == [
        {"posted": {"text": f"post {n}", "author": {"id": str(n), "name": f"User {n}"}}} for n in (1, 2, 3)
    ]
    assert got["relay"]["user"] == user


def _plain(value: Any) -> Any:
    """Without the type names that clients add."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "__typename"}
    return value
