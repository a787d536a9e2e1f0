"""Deferred fragments: nulls stop at their border, each part has its own errors, unneeded requests are cancelled."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from functools import cache
from typing import Any

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import (
    CompiledParts,
    ExecutionStatistics,
    ExecutorKind,
    PathForm,
    PendingForm,
    deliver,
)
from botberi_gateway.operation import prepare
from botberi_gateway.plan import Defer
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph
from gateway.tests.executor.scripted import Answer, Scripted
from gateway.tests.support.incremental import Whole
from gateway.tests.support.runtimes import runtime_of

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key", "@interfaceObject"])\n'
USERS = """
type Query { me: User users: [User!] slow: String }
type User @key(fields: "id") { id: ID! name: String secret: String! }
"""
REVIEWS = """
type User @key(fields: "id") { id: ID! reviews: [Review!] score: Int! }
type Review @key(fields: "id") { id: ID! body: String! author: User }
"""
ME = {"data": {"me": {"__typename": "User", "id": "1", "name": "Ada"}}}
LATE = '{ me { name ... @defer(label: "late") { score reviews { body } } } }'


MEDIA = """
interface Media @key(fields: "id") { id: ID! title: String }
type Book implements Media @key(fields: "id") { id: ID! title: String }
type Film implements Media @key(fields: "id") { id: ID! title: String }
"""
RATINGS = """
type Query { best: [Media!] }
type Media @key(fields: "id") @interfaceObject { id: ID! stars: Int }
"""


@cache
def graph(*subgraphs: tuple[str, str]) -> Supergraph:
    parts = subgraphs or (("users", USERS), ("reviews", REVIEWS))
    composition = compose([Subgraph(name=n, url=f"http://{n}", sdl=LINK + s) for n, s in parts])
    assert composition.supergraph is not None, composition.errors
    return composition.supergraph


async def payloads(
    query: str,
    answers: Mapping[str, Answer | Scripted],
    variables: Mapping[str, Any] | None = None,
    supergraph: Supergraph | None = None,
    **runtime: Any,
) -> list[Any]:
    clients = {name: a if isinstance(a, Scripted) else Scripted([a]) for name, a in answers.items()}
    supergraph = supergraph or graph()
    operation = prepare(supergraph.api_schema, query)
    plan = build_plan(supergraph, operation)
    form, found = PendingForm(), []
    runtime_of_both = runtime_of(clients, executor=ExecutorKind.BOTH, **runtime)
    async for payload in deliver(plan, operation, variables or {}, runtime_of_both):
        one_piece = payload.result is not None and not payload.has_next
        found.append(payload.result.to_json() if one_piece and payload.result else form.json(payload))
    assert all(client.untouched() for client in clients.values())
    whole = Whole()
    for one in found:
        whole.read(one)
    return found


def entities(*found: Any, errors: Any = ()) -> Answer:
    return {"data": {"_entities": list(found)}, "errors": list(errors)}


async def test_a_part_that_fails_says_so_itself() -> None:
    first, last = await payloads(
        "{ me { name ... @defer { reviews { body } } } }",
        {"users": ME, "reviews": SubgraphError("reviews", "It is down.", code="SUBGRAPH_UNREACHABLE")},
    )
    assert first["data"] == {"me": {"name": "Ada"}}
    assert "errors" not in first
    (one,) = last["incremental"]
    assert one["data"] == {"reviews": None}
    assert [(e["path"], e["extensions"]["code"]) for e in one["errors"]] == [
        (["me", "reviews"], "SUBGRAPH_UNREACHABLE")
    ]


async def test_a_null_stops_at_the_border_of_the_fragment() -> None:
    error = {"message": "no score", "path": ["_entities", 0, "score"]}
    first, last = await payloads(LATE, {"users": ME, "reviews": entities(None, errors=[error])})
    assert first["data"] == {"me": {"name": "Ada"}}
    assert "incremental" not in last
    (end,) = last["completed"]
    assert [(e["message"], e["path"]) for e in end["errors"]] == [("no score", ["me", "score"])]
    assert last["hasNext"] is False


async def test_a_null_above_takes_its_fragments_along() -> None:
    (only,) = await payloads(
        "{ me { secret ... @defer { score } } slow }",
        {
            "users": {"data": {"me": {"__typename": "User", "id": "1", "secret": None}, "slow": "x"}},
            "reviews": entities(),
        },
    )
    assert only["data"] == {"me": None, "slow": "x"}
    assert [e["path"] for e in only["errors"]] == [["me", "secret"]]


async def test_each_object_of_a_list_has_its_fragment() -> None:
    users = {"data": {"users": [{"__typename": "User", "id": str(n), "name": f"n{n}"} for n in range(3)]}}
    scores = [
        {"__typename": "User", "score": 1},
        {"__typename": "User", "score": None},
        {"__typename": "User", "score": 3},
    ]
    first, last = await payloads(
        "{ users { name ... @defer { score } } }", {"users": users, "reviews": entities(*scores)}
    )
    assert [one["path"] for one in first["pending"]] == [["users", 0], ["users", 1], ["users", 2]]
    assert [(one["id"], one["data"]) for one in last["incremental"]] == [("0", {"score": 1}), ("2", {"score": 3})]
    assert [one["id"] for one in last["completed"] if one.get("errors")] == ["1"]


async def test_errors_of_what_is_not_deferred_stay_in_the_first_payload() -> None:
    users = {**ME, "errors": [{"message": "no name", "path": ["me", "name"]}]}
    users = {"data": {"me": {"__typename": "User", "id": "1", "name": None}}, "errors": users["errors"]}
    first, last = await payloads(
        LATE, {"users": users, "reviews": entities({"__typename": "User", "score": 1, "reviews": []})}
    )
    assert [e["message"] for e in first["errors"]] == ["no name"]
    assert "errors" not in last["incremental"][0]


@pytest.mark.parametrize(
    ("selection", "reported"),
    [
        pytest.param("... on Book { stars } ... @defer { title }", [["best", 0, "stars"]], id="at_once"),
        pytest.param("... @defer { ... on Book { stars } title }", [["best", 0, "stars"]], id="deferred"),
        pytest.param("stars ... @defer { title }", [["best", 0, "stars"], ["best", 1, "stars"]], id="of_all"),
    ],
)
async def test_what_the_client_does_not_ask_of_an_object_is_no_error(selection: str, reported: Any) -> None:
    media = graph(("media", MEDIA), ("ratings", RATINGS))

    def failing(*place: str | int) -> Any:
        return {"message": "no stars", "path": [*place, "stars"]}

    def ratings(request: Any) -> Any:
        asked = request.variables.get("representations")
        if asked is not None:
            return entities(
                *({"stars": None} for _ in asked), errors=[failing("_entities", n) for n in range(len(asked))]
            )
        best = [{"__typename": "Media", "id": "1", "stars": None}, {"__typename": "Media", "id": "2", "stars": None}]
        return {"data": {"best": best}, "errors": [failing("best", 0), failing("best", 1)]}

    def titles(request: Any) -> Any:
        types = {"1": "Book", "2": "Film"}
        return entities(
            *({"__typename": types[one["id"]], "title": "t"} for one in request.variables["representations"])
        )

    found = await payloads(
        f"{{ best {{ id {selection} }} }}",
        {"media": Scripted([titles]), "ratings": Scripted([ratings])},
        supergraph=media,
    )
    entries = [e for one in found for part in (one, *one.get("incremental", ())) for e in part.get("errors", ())]
    assert sorted(e["path"] for e in entries) == reported


async def test_an_inner_fragment_comes_after_the_outer_one() -> None:
    query = '{ me { name ... @defer(label: "a") { reviews { body ... @defer(label: "b") { author { secret } } } } } }'

    def users(request: Any) -> Any:
        return entities({"__typename": "User", "secret": "s"}) if "_entities" in request.operation else ME

    def reviews(request: Any) -> Any:
        if "author" in request.operation:
            return entities({"__typename": "Review", "author": {"__typename": "User", "id": "2"}})
        return entities({"__typename": "User", "reviews": [{"__typename": "Review", "id": "1", "body": "fine"}]})

    answers = {"users": Scripted([users], delay=0.02), "reviews": Scripted([reviews])}
    first, second, third = await payloads(query, answers)
    assert [one["label"] for one in first["pending"]] == ["a"]
    assert [one["label"] for one in second["pending"]] == ["b"]
    assert second["incremental"][0]["data"] == {"reviews": [{"body": "fine"}]}
    assert third["incremental"] == [{"id": "1", "data": {"author": {"secret": "s"}}}]


@pytest.mark.parametrize(("variables", "count"), [({"late": True}, 2), ({"late": False}, 1), ({}, 2)])
async def test_the_variable_decides(variables: Mapping[str, Any], count: int) -> None:
    query = "query ($late: Boolean! = true) { me { name ... @defer(if: $late) { score } } }"
    found = await payloads(query, {"users": ME, "reviews": entities({"__typename": "User", "score": 7})}, variables)
    assert len(found) == count
    if count == 1:
        assert found == [{"data": {"me": {"name": "Ada", "score": 7}}}]


async def test_a_part_that_is_too_slow_ends_with_an_error() -> None:
    slow = Scripted([entities({"__typename": "User", "score": 1, "reviews": []})], delay=5)
    _, last = await payloads(LATE, {"users": ME, "reviews": slow}, subgraph_timeouts={"reviews": 0.05})
    assert last["completed"][0]["errors"][0]["extensions"]["code"] == "SUBGRAPH_TIMEOUT"
    assert slow.cancelled == 1


async def test_closing_the_stream_cancels_what_is_under_way() -> None:
    slow = Scripted([entities()], delay=5)
    operation = prepare(graph().api_schema, LATE)
    runtime = runtime_of({"users": Scripted([ME]), "reviews": slow})
    async with aclosing(deliver(build_plan(graph(), operation), operation, {}, runtime)) as stream:
        first = await anext(stream)
        assert first.has_next
        await asyncio.sleep(0.01)
    assert slow.cancelled == 1


async def test_errors_of_all_payloads_together_are_bounded() -> None:
    users = {"data": {"users": [{"__typename": "User", "id": str(n), "name": "n"} for n in range(20)]}}
    first, last = await payloads(
        "{ users { name ... @defer { score } } }",
        {"users": users, "reviews": entities(*[{"__typename": "User", "score": "x"}] * 20)},
        max_errors=5,
    )
    assert len(first["pending"]) == 20
    assert all(one["errors"] for one in last["completed"])
    assert last["extensions"]["errorsOmitted"] == 15


async def test_the_form_of_apollos_clients_tells_of_a_lost_fragment() -> None:
    operation = prepare(graph().api_schema, LATE)
    runtime = runtime_of({"users": Scripted([ME]), "reviews": Scripted([entities(None)])})
    form = PathForm()
    found = [form.json(p) async for p in deliver(build_plan(graph(), operation), operation, {}, runtime)]
    (one,) = found[1]["incremental"]
    assert (one["data"], one["path"], one["label"]) == (None, ["me"], "late")
    assert one["errors"]
    assert [payload["hasNext"] for payload in found] == [True, False]


def test_plans_part_what_is_deferred() -> None:
    plan = build_plan(graph(), '{ me { name ... @defer(label: "late") { score } } ... @defer { slow } }')
    node = plan.node
    assert isinstance(node, Defer)
    assert [(part.label, part.depends, part.node is not None) for part in node.deferred] == [
        ("late", (0,), True),
        (None, (), True),
    ]
    json = plan.to_json()["node"]
    assert json["kind"] == "Defer"
    assert json["primary"]["node"]["operation"] == "{ me { __typename name id } }"
    late, root = json["deferred"]
    assert (late["label"], late["queryPath"], late["depends"]) == ("late", ["me"], [{"id": 0}])
    assert late["node"]["node"]["serviceName"] == "reviews"
    assert root["node"]["operation"] == "{ slow }"
    assert 'Deferred(depends: [0], path: "me", label: "late") {' in str(plan)
    assert "-->|deferred late|" in plan.to_mermaid()
    assert plan.fetch_count == 3
    at_once = build_plan(
        graph(), '{ me { name ... @defer(label: "late") { score } } ... @defer { slow } }', defer=False
    )
    assert at_once.fetch_count == 2
    assert not isinstance(at_once.node, Defer)


@pytest.mark.parametrize("fails", [False, True], ids=["all is well", "the deferred part's subgraph is down"])
async def test_parts_are_answered_by_compiled_code(fails: bool) -> None:
    counts = ExecutionStatistics()
    reviews = Scripted([SubgraphError("reviews", "refused") if fails else entities({"__typename": "User", "score": 7})])
    query = "{ me { name ... @defer { score } } }"
    first, second = await payloads(query, {"users": ME, "reviews": reviews}, statistics=counts)
    assert first["data"] == {"me": {"name": "Ada"}}
    if fails:
        assert second["completed"][0]["errors"][0]["message"] == "refused"
    else:
        assert second["incremental"] == [{"id": "0", "data": {"score": 7}}]
    assert (counts.compiled, counts.bail_outs, counts.interpreted) == (1, {}, {})


def test_the_program_of_parts_can_be_read() -> None:
    supergraph = graph()
    operation = prepare(supergraph.api_schema, "{ me { name ... @defer { score } } }")
    program = CompiledParts(build_plan(supergraph, operation), operation).program({})
    assert not isinstance(program, str)
    assert "async def part1():" in program.source
    assert "def initial():" in program.source
    assert "def later0(" in program.source
