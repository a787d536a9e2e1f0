"""The page `docs/gateway/faults.md`: each fault of a subgraph, and what a client then gets.

`python -m gateway.tests.upstream.test_faults` (with `PYTHONPATH=.:gateway`) writes the page.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botberi_gateway.config import EngineConfig, SubgraphConfig
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from gateway.tests.upstream.hostile import (
    Script,
    answers,
    answers_and_closes,
    gzip_bomb,
    hangs,
    hangs_within,
    hostile,
    resets,
    response,
)

PAGE: Final = Path(__file__).parents[3] / "docs" / "gateway" / "faults.md"
LINK: Final = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])'
STEADY: Final = (
    f'{LINK} type Query {{ book: Book steady: String }} type Book @key(fields: "id") {{ id: ID! title: String }}'
)
FAULTY: Final = f'{LINK} type Query {{ faulty: String }} type Book @key(fields: "id") {{ id: ID! stars: Int }}'
CONFIG: Final = EngineConfig(
    subgraphs={"faulty": SubgraphConfig(timeout_seconds=2, max_response_bytes=100_000, max_header_bytes=16_384)}
)
OTHERS: Final = {"steady": "here", "book": {"id": "1", "title": "Emma"}}


@dataclass(frozen=True)
class Fault:
    """A way in which a subgraph fails, for its root field and for an entity alike."""

    name: str
    script: Script | None


def fine(**data: Any) -> dict[str, Any]:
    return {"data": data}


def raw(body: bytes | str | object, **options: Any) -> Script:
    return answers(response(body, **options))


FAULTS: Final = (
    Fault("down: refuses connections", None),
    Fault("accepts and says nothing", hangs),
    Fault("hangs in the middle of the body", hangs_within),
    Fault("closes before an answer", answers_and_closes(b"")),
    Fault("closes in the middle of the body", answers_and_closes(response(b'{"data":', length=100))),
    Fault("resets the connection", resets()),
    Fault("speaks something else than HTTP", answers_and_closes(b"SSH-2.0-OpenSSH_9.2\r\n")),
    Fault("status 500 with a text", raw("oops", status="500 Internal Server Error", content_type="text/plain")),
    Fault(
        "status 500 with errors of its own",
        raw({"errors": [{"message": "no database", "extensions": {"code": "DB"}}]}, status="500 Internal Server Error"),
    ),
    Fault("status 404 with a page", raw("<h1>no</h1>", status="404 Not Found", content_type="text/html")),
    Fault("redirects", raw(b"", status="302 Found", headers=("location: http://127.0.0.1:1/",))),
    Fault("status 200 with errors and no data", raw({"data": None, "errors": [{"message": "denied"}]})),
    Fault("status 200 with a page", raw("<html>", content_type="text/html")),
    Fault("JSON with another content type", raw(fine(faulty="x"), content_type="text/plain")),
    Fault("no content type", raw(fine(faulty="x"), content_type=None)),
    Fault("broken JSON", raw(b'{"data": {"faulty": ')),
    Fault("JSON that is no GraphQL response", raw([1, 2])),
    Fault("data of another shape", raw({"data": [1]})),
    Fault(
        "an object where text was asked for",
        raw(fine(faulty={"a": 1}, _entities=[{"__typename": "Book", "stars": [1]}])),
    ),
    Fault("fewer entities than asked for", raw(fine(faulty=None, _entities=[]))),
    Fault(
        "duplicate keys: the last one counts",
        raw(b'{"data":{"faulty":"a","faulty":"b","_entities":[{"__typename":"Book","stars":1,"stars":2}]}}'),
    ),
    Fault("nested 20,000 deep", raw(b'{"data":{"faulty":' + b"[" * 20_000 + b"]" * 20_000 + b"}}")),
    Fault("larger than `max_response_bytes`", raw(b'{"data":{"faulty":"' + b"x" * 200_000 + b'"}}')),
    Fault("announces a terabyte", raw(b"{", length=10**12)),
    Fault("a gzip bomb", answers(gzip_bomb(50_000_000))),
    Fault("broken gzip", raw(fine(faulty="x"), headers=("content-encoding: gzip",))),
    Fault("an encoding that wasn't offered", raw(fine(faulty="x"), headers=("content-encoding: br",))),
    Fault("headers without end", answers(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000)),
)


async def steady(connection: Any) -> None:
    """The other subgraph, which works."""
    asked = json.loads(connection.body)["query"]
    data = {"steady": OTHERS["steady"], "book": {"__typename": "Book", **OTHERS["book"]}}  # type: ignore[dict-item]
    await connection.send(response({"data": {name: value for name, value in data.items() if name in asked}}))


async def answer_to(fault: Fault, query: str) -> dict[str, Any]:
    """The client's answer."""
    async with hostile(steady) as working, hostile(fault.script or hangs) as failing:
        url = failing.url if fault.script is not None else "http://127.0.0.1:1/graphql"
        sources = {"steady": SubgraphSource(STEADY, url=working.url), "faulty": SubgraphSource(FAULTY, url=url)}
        gateway = Gateway.from_subgraphs(sources, config=CONFIG)
        try:
            async with asyncio.timeout(10):
                return (await gateway.execute(GraphQLRequest(query))).to_json()
        finally:
            await gateway.aclose()


async def row(fault: Fault) -> str:
    """A line of the table. Asserts that the rest of the answer is there."""
    root = await answer_to(fault, "{ steady book { id title } faulty }")
    entity = await answer_to(fault, "{ steady book { id title stars } }")
    faulty, stars = root["data"].pop("faulty"), entity["data"]["book"].pop("stars")
    assert root["data"] == entity["data"] == OTHERS, fault.name
    return f"| {fault.name} | {shown(root, faulty, ['faulty'])} | {shown(entity, stars, ['book', 'stars'])} |"


def shown(answer: dict[str, Any], value: Any, path: list[str]) -> str:
    """What the client gets of the field."""
    entries = answer.get("errors", ())
    if not entries:
        return f"`{json.dumps(value)}`"
    assert value is None
    (entry,) = entries
    assert entry["path"] == path[: len(entry["path"])], entry
    return f"`{entry['extensions']['code']}` {entry['message']}"


HEAD: Final = """# What a client gets when a subgraph fails

Two subgraphs answer `{ steady book { id title } faulty }` and `{ steady book { id title stars } }`. One works; the
other one, which has the root field `faulty` and the field `stars` of the entity `Book`, fails as the first column says.
Its time is limited to 2 s and its answers to 100,000 bytes. In every row the rest of the answer (`steady`, and the
book's `id` and `title`) is there. Where a row shows a code and a message, the field is null and the error has its path;
where it shows a value, the client gets that. The test `gateway/tests/upstream/test_faults.py` makes these requests and
compares this page with what came.

| the subgraph | `faulty`, a field of its root | `book.stars`, a field of an entity |
|---|---|---|
"""


async def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(await asyncio.gather(*map(row, FAULTS))) + "\n"


async def test_the_page_says_what_clients_get() -> None:
    assert PAGE.read_text() == await page()


if __name__ == "__main__":
    PAGE.write_text(asyncio.run(page()))
