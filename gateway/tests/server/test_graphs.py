"""Several graphs and variants in one process, chosen by path or header."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from botberi_gateway.config.load import load
from botberi_gateway.config.problem import ConfigError
from botberi_gateway.server.graphs import labelled
from gateway.tests.server.test_cli import serving
from gateway.tests.support.editable_subgraphs import ACCOUNTS, LINK, REVIEWS, Services, services
from gateway.tests.support.live_server import LiveServer

TAGGED = REVIEWS.replace("body: String!", 'body: String! secret: Int @tag(name: "internal")').replace(
    '"@key"', '"@key", "@tag"'
)
CANARY = REVIEWS.replace("body: String!", "body: String! stars: Int!")


@pytest.fixture
def remote() -> Iterator[tuple[Services, LiveServer]]:
    with services() as pair:
        yield pair


def document(server: LiveServer) -> str:
    return f"""
graph:
  subgraphs:
    accounts: {{url: '{server.url}/accounts', schema: {{sdl: '{ACCOUNTS}'}}}}
    reviews: {{url: '{server.url}/reviews', schema: {{sdl: '{TAGGED}'}}}}
graphs:
  public:
    path: /public
    header: public
    contract: {{exclude_tags: [internal]}}
  canary:
    header: canary
    subgraphs:
      reviews: {{url: '{server.url}/canary', schema: {{sdl: '{CANARY}'}}}}
  alone:
    path: /alone
    subgraphs:
      accounts: null
      reviews: null
      other: {{url: '{server.url}/other', schema: {{sdl: '{LINK}type Query {{ other: Int }}'}}}}
"""


def ask(url: str, query: str, graph: str | None = None) -> Any:
    headers = {"content-type": "application/json", **({} if graph is None else {"x-graph": graph})}
    request = urllib.request.Request(url, json.dumps({"query": query}).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            body = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        body = json.loads(error.read())
    return body["data"] if "errors" not in body else body["errors"][0]["extensions"]["code"]


SECRET, STARS, INVALID = "{ me { reviews { secret } } }", "{ me { reviews { stars } } }", "GRAPHQL_VALIDATION_FAILED"


def test_graphs_are_chosen_by_path_and_header(remote: tuple[Services, LiveServer], tmp_path: Path) -> None:
    parts, server = remote
    parts.sdls |= {"reviews": TAGGED, "canary": CANARY, "other": LINK + "type Query { other: Int }"}
    file = tmp_path / "gateway.yaml"
    file.write_text(document(server))
    with serving("--config", str(file)) as (_, url):
        first = f"{url}/graphql"
        assert ask(first, SECRET)["me"]["reviews"]
        assert ask(first, STARS) == INVALID
        assert ask(first, SECRET, "public") == ask(f"{url}/public", SECRET) == INVALID
        assert ask(f"{url}/public", "{ me { reviews { body } } }")["me"]["reviews"]
        assert ask(first, STARS, "canary")["me"]["reviews"]
        assert ask(f"{url}/alone", "{ other }")["other"] is not None
        assert ask(f"{url}/alone", "{ me { name } }") == INVALID
        assert ask(first, "{ me { name } }", "nonsense") == "UNKNOWN_GRAPH"
        with urllib.request.urlopen(f"{url}/metrics") as answer:
            page = answer.read().decode()
        assert 'gateway_operations_total{kind="query",outcome="ok",graph="canary"} 1.0' in page
        assert 'gateway_operations_total{kind="query",outcome="ok"} 1.0' in page
        asyncio.run(sockets(first.replace("http", "ws")))


async def sockets(url: str) -> None:
    """The header of the handshake chooses; a graph that there isn't takes no socket."""
    protocols = [Subprotocol("graphql-transport-ws")]
    async with connect(url, subprotocols=protocols, additional_headers={"x-graph": "canary"}) as socket:
        await socket.send('{"type":"connection_init"}')
        await socket.recv()
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": STARS}}))
        assert "stars" in str(await socket.recv())
    with pytest.raises((ConnectionClosed, Exception), match=r"403|1008"):
        async with connect(url, subprotocols=protocols, additional_headers={"x-graph": "nonsense"}) as socket:
            await socket.recv()


@pytest.mark.parametrize(
    ("graphs", "said"),
    [
        ("a: {}", "graphs.a: it needs a path, a header, or both"),
        ("a: {path: /graphql}", "graphs.a.path: '/graphql' is another graph's path"),
        ("a: {header: x}\n  b: {header: x}", "graphs.b.header: 'x' is another graph's"),
        ("a: {path: a}", "graphs.a.path: 'a' is no path below the root"),
        ("a: {path: /a, subgraphs: {accounts: null}}", "graphs.a: it needs a supergraph or subgraphs"),
        ("a: {path: /a, contrakt: {}}", "is graphs.a.contract meant?"),
    ],
)
def test_what_is_wrong_with_further_graphs_is_said(tmp_path: Path, graphs: str, said: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"graph: {{subgraphs: {{accounts: {{url: 'http://a/'}}}}}}\ngraphs:\n  {graphs}\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert said in str(caught.value)


def test_metrics_of_further_graphs_have_a_label() -> None:
    page = b'# HELP a Text {x}.\n# TYPE a counter\na_total{k="v"} 1.0\nb 2.0\n'
    assert labelled(page, "g") == (
        b'# HELP a Text {x}.\n# TYPE a counter\na_total{k="v",graph="g"} 1.0\nb{graph="g"} 2.0\n'
    )
