"""W15: what a subgraph says of its own insides in an error reaches no client, in whatever way the error comes."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from botberi_gateway.codec import encode
from botberi_gateway.engine import Gateway, GraphQLRequest, SubgraphSource
from botberi_gateway.executor import ExecutorKind
from botberi_gateway.executor.payload import PendingForm
from botberi_gateway.upstream.port import SubgraphRequest, SubgraphResponse

SECRET = "hunter2"
EXTENSIONS = {
    "code": "TEAPOT",
    "exception": {"stacktrace": [f"at db.connect({SECRET})"]},
    "stacktrace": [SECRET],
    "password": SECRET,
    "sql": f"select {SECRET}",
    "errorId": "0123",
    # What the gateway itself says can't be said by a subgraph.
    "service": SECRET,
}
LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])\n'
FIRST = """
type Query { user: User strict: User! broken: Int plain: Int }
type Mutation { go: Int }
type Subscription { ticks: Int users: User }
type User @key(fields: "id") { id: ID! }
"""
SECOND = 'type User @key(fields: "id") { id: ID! name: String must: String! }'
USER = {"__typename": "User", "id": "1"}


class Telling:
    """A subgraph that answers `data` and tells too much, at `path`."""

    def __init__(self, data: Any, *paths: list[str | int] | None) -> None:
        self.response = {"data": data, "errors": [self._error(path) for path in paths]}

    @staticmethod
    def _error(path: list[str | int] | None) -> dict[str, Any]:
        error: dict[str, Any] = {"message": "no", "extensions": dict(EXTENSIONS)}
        return error if path is None else {**error, "path": path}

    async def execute(self, request: SubgraphRequest) -> SubgraphResponse:
        """See `SubgraphClient`."""
        return SubgraphResponse(self.response["data"], self.response["errors"])

    async def subscribe(self, request: SubgraphRequest) -> AsyncIterator[SubgraphResponse]:
        """See `SubgraphClient`."""
        yield await self.execute(request)

    async def aclose(self) -> None:
        """See `SubgraphClient`."""


FINE = Telling({"user": USER, "strict": USER, "users": USER})
UNSAID = Telling({"_entities": [{"name": "a", "must": "b"}]})
#: What is asked, and the two subgraphs.
CASES: dict[str, tuple[str, Telling, Telling]] = {
    "a root field": ("{ broken }", Telling({"broken": None}, ["broken"]), UNSAID),
    "no path": ("{ plain }", Telling({"plain": 1}, None), UNSAID),
    "no data": ("{ broken }", Telling(None, None), UNSAID),
    "no data, with a path": ("{ strict { id } }", Telling(None, ["strict"]), UNSAID),
    "a mutation": ("mutation { go }", Telling({"go": None}, ["go"]), UNSAID),
    "a field of an entity": (
        "{ user { name } }",
        FINE,
        Telling({"_entities": [{"name": None}]}, ["_entities", 0, "name"]),
    ),
    "an entity": ("{ user { name } }", FINE, Telling({"_entities": [None]}, ["_entities", 0])),
    "all entities": ("{ user { name } }", FINE, Telling(None, None)),
    "elsewhere": ("{ user { name } }", FINE, Telling({"_entities": [{"name": "a"}]}, ["nowhere", 7])),
    "a null that propagates": ("{ user { must } }", FINE, Telling({"_entities": [None]}, ["_entities", 0, "must"])),
}


def gateway(first: Telling, second: Telling, executor: ExecutorKind, **options: Any) -> Gateway:
    sources = {
        "first": SubgraphSource(LINK + FIRST, client=first),
        "second": SubgraphSource(LINK + SECOND, client=second),
    }
    return Gateway.from_subgraphs(sources, executor=executor, **options)


def assert_code_alone(response: Mapping[str, Any], *services: str) -> None:
    assert SECRET.encode() not in encode(response)
    assert response["errors"]
    for error in response["errors"]:
        assert error["message"] == "no"
        assert error["extensions"] == {"code": "TEAPOT", "service": services[0]}


@pytest.mark.parametrize("executor", list(ExecutorKind))
@pytest.mark.parametrize("case", CASES)
async def test_message_and_code_pass_and_nothing_else(case: str, executor: ExecutorKind) -> None:
    query, first, second = CASES[case]
    reporter = "second" if "user" in query and second is not UNSAID else "first"
    served = gateway(first, second, executor)
    # Often enough that typed programs take over.
    for _ in range(25):
        result = await served.execute(GraphQLRequest(query))
        assert_code_alone(result.to_json(), reporter)


@pytest.mark.parametrize("executor", list(ExecutorKind))
@pytest.mark.parametrize("case", CASES)
async def test_what_the_operator_names_passes(case: str, executor: ExecutorKind) -> None:
    query, first, second = CASES[case]
    result = await gateway(first, second, executor, error_extensions=["errorId", "service"]).execute(
        GraphQLRequest(query)
    )
    for error in result.to_json()["errors"]:
        assert error["extensions"]["errorId"] == "0123"
        assert error["extensions"]["service"] in ("first", "second")
        assert error["extensions"].keys() == {"code", "errorId", "service"}


@pytest.mark.parametrize("executor", [ExecutorKind.COMPILED, ExecutorKind.INTERPRETED])
@pytest.mark.parametrize(
    ("query", "first", "second"),
    [
        ("subscription { ticks }", Telling({"ticks": None}, ["ticks"]), UNSAID),
        ("subscription { ticks }", Telling(None, None), UNSAID),
        ("subscription { users { name } }", FINE, Telling({"_entities": [{"name": None}]}, ["_entities", 0, "name"])),
    ],
)
async def test_events_of_a_subgraph(query: str, first: Telling, second: Telling, executor: ExecutorKind) -> None:
    served = gateway(first, second, executor)
    results = [result.to_json() async for result in await served.subscribe(GraphQLRequest(query))]
    assert_code_alone(results[0], "second" if "users" in query else "first")


@pytest.mark.parametrize("executor", [ExecutorKind.COMPILED, ExecutorKind.INTERPRETED])
@pytest.mark.parametrize(
    "second",
    [Telling({"_entities": [{"name": None}]}, ["_entities", 0, "name"]), Telling(None, None)],
    ids=["field", "all"],
)
async def test_deferred_parts(second: Telling, executor: ExecutorKind) -> None:
    served = gateway(FINE, second, executor)
    prepared = await served.prepare("{ user { id ... @defer { name } } }")
    form = PendingForm()
    payloads = [form.json(payload) async for payload in served.deliver(prepared, {})]
    assert SECRET.encode() not in encode(payloads)
    assert b"TEAPOT" in encode(payloads)
