"""`botberi-gateway dev`: files and addresses are watched, what is absent is mocked, errors show and nothing ends."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from botberi_gateway.upstream.mock import MAX_IDS, mock_client
from botberi_gateway.upstream.port import SubgraphRequest
from gateway.tests.server.test_cli import answers, free_port
from gateway.tests.support.editable_subgraphs import ACCOUNTS, LINK, REVIEWS, Services, services
from gateway.tests.support.live_server import LiveServer


@contextmanager
def developing(folder: Path, *arguments: str) -> Iterator[str]:
    """The command in a process of its own; its log is `folder/log`."""
    port = free_port()
    command = [sys.executable, "-m", "botberi_gateway", "dev", "--port", str(port), "--no-open", *arguments]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stderr=log, env={**os.environ, "NO_COLOR": "1"})
        try:
            until(lambda: process.poll() is not None or answers(port))
            assert process.poll() is None, (folder / "log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.05)


def ask(url: str, query: str) -> Any:
    head = {"content-type": "application/json"}
    request = urllib.request.Request(f"{url}/graphql", json.dumps({"query": query}).encode(), head)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


@pytest.fixture
def remote() -> Iterator[tuple[Services, LiveServer]]:
    with services() as pair:
        yield pair


NAMES = "{ me { id name reviews { body } } }"


def test_files_are_mocked_watched_and_their_errors_shown(tmp_path: Path) -> None:
    accounts, reviews = tmp_path / "accounts.graphql", tmp_path / "reviews.graphql"
    accounts.write_text(ACCOUNTS)
    reviews.write_text(REVIEWS.replace("Review {", "Review (")[:-20])  # it begins with a file that is no SDL
    with developing(tmp_path, "accounts.graphql", "reviews.graphql") as url:
        until(lambda: "The newest graph is refused" in page(url))
        assert "reviews.graphql" in page(url)
        assert "reviews.graphql" in (tmp_path / "log").read_text()
        assert "data" in ask(url, "{ thereIsNoGraphYet }")
        reviews.write_text(REVIEWS)
        until(lambda: "errors" not in ask(url, NAMES))
        assert ask(url, NAMES) == ask(url, NAMES)
        assert "mocked: it has no URL" in page(url)
        assert "refused" not in page(url)
        reviews.write_text(REVIEWS.replace("reviews:", "name: Int! reviews:"))
        until(lambda: "User.name" in page(url))
        assert "User.name" in (tmp_path / "log").read_text()
        assert "errors" not in ask(url, NAMES)


def test_a_subgraph_that_is_down_is_mocked_until_it_is_there(
    remote: tuple[Services, LiveServer], tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "accounts.graphql").write_text(ACCOUNTS)
    absent = {"name": "accounts", "url": f"http://127.0.0.1:{port}/accounts", "file": "accounts.graphql"}
    (tmp_path / "list.json").write_text(json.dumps([absent]))
    arguments = ["--input", "list.json", "--subgraph", f"reviews={remote[1].url}/reviews"]
    with developing(tmp_path, *arguments) as url:
        until(lambda: "errors" not in ask(url, NAMES))
        assert ask(url, NAMES)["data"]["me"]["reviews"]
        assert f"mocked: http://127.0.0.1:{port}/accounts can&#x27;t be reached" in page(url)
        assert "subgraph accounts is absent: its data is invented" in (tmp_path / "log").read_text()
        assert f"{remote[1].url}/reviews" in page(url)


SDL = f"""{LINK}
type Query {{ product(id: ID!): Product search: [Result!]! node: Node counts: Counts }}
interface Node {{ id: ID! }}
type Product implements Node @key(fields: "id") {{ id: ID! name: String! price: Float kind: Kind! owner: User }}
type User implements Node @key(fields: "id") {{ id: ID! email: String active: Boolean! tags: [String!]! }}
union Result = Product | User
enum Kind {{ SMALL LARGE }}
type Counts {{ number: Int! at: Date }}
scalar Date
"""


async def data(query: str, **variables: Any) -> Any:
    answer = await mock_client("a", SDL).execute(SubgraphRequest(query, variables))
    assert not answer.errors, answer.errors
    return answer.data


async def test_mocked_data_has_the_schemas_types() -> None:
    everything = (
        "{ product(id: 5) { __typename id name price kind owner { id email active tags } } "
        "search { __typename ... on Product { kind } ... on User { tags } } node { __typename id } "
        "counts { number at } _service { sdl } }"
    )
    found = await data(everything)
    assert found["product"]["id"] == "5"
    assert found["product"]["kind"] in {"SMALL", "LARGE"}
    assert isinstance(found["product"]["price"], float)
    assert isinstance(found["product"]["owner"]["active"], bool)
    assert {one["__typename"] for one in found["search"]} <= {"Product", "User"}
    assert isinstance(found["counts"]["number"], int)
    assert found["_service"]["sdl"] == SDL
    assert await data(everything) == found


async def test_an_entity_has_the_same_data_wherever_it_is_reached() -> None:
    entities = "query ($r: [_Any!]!) { _entities(representations: $r) { ... on Product { id name price } } }"
    for number in range(1, MAX_IDS + 1):
        root = (await data(f"{{ product(id: {number}) {{ id name price }} }}"))["product"]
        reached = await data(entities, r=[{"__typename": "Product", "id": str(number)}] * 2)
        assert reached["_entities"] == [root, root]
