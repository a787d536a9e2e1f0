"""What a client sees of one subgraph's answer: leaves, nulls, types, order, introspection."""

import json
from decimal import Decimal
from typing import Any

import pytest

from botberi_gateway import errors
from botberi_gateway.codec import decode
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.plan import Condition, ListItems, Parallel, Plan, Sequence
from gateway.tests.executor.scripted import Scripted, errors_of, run
from gateway.tests.support.plans import fetch_of

SDL = """
  scalar JSON
  enum Color { RED GREEN }
  interface Named { name: String }
  type User implements Named { name: String id: ID! age: Int! }
  type Robot implements Named { name: String model: Int }
  union Thing = User | Robot
  type Query {
    int: Int float: Float string: String boolean: Boolean id: ID color: Color json: JSON
    ints: [Int] strict: [Int!] nested: [[Int!]!] must: Int!
    user: User users: [User!] named: Named thing: Thing things: [Thing!]
    mustUser: User!
  }
"""
INVALID = errors.SUBGRAPH_INVALID_RESPONSE


async def answer(query: str, data: Any, **more: Any) -> ExecutionResult:
    return await run(SDL, query, Plan("query", fetch_of(1, "a", "{ x }")), {"a": {"data": data, **more}})


class Bad:
    """The value is refused: null, and an error."""


LEAVES: list[tuple[str, Any, Any]] = [
    ("int", 1, 1),
    ("int", 2**31 - 1, 2**31 - 1),
    ("int", 2**31, Bad),
    ("int", -(2**31) - 1, Bad),
    ("int", 1.0, 1),
    ("int", 1.5, Bad),
    ("int", "1", Bad),
    ("int", True, Bad),
    ("int", [1], Bad),
    ("int", {"a": 1}, Bad),
    ("float", 1, 1),
    ("float", 0.1, 0.1),
    ("float", 10**400, Bad),
    ("float", float("inf"), Bad),
    ("float", Decimal("0.12345678901234567890"), Decimal("0.12345678901234567890")),
    ("float", "1.0", Bad),
    ("float", False, Bad),
    ("string", "", ""),
    ("string", 1, Bad),
    ("string", True, Bad),
    ("string", {}, Bad),
    ("boolean", False, False),
    ("boolean", 0, Bad),
    ("boolean", "true", Bad),
    ("id", "x", "x"),
    ("id", 12, "12"),
    ("id", 2**70, str(2**70)),
    ("id", 1.5, Bad),
    ("id", True, Bad),
    ("color", "RED", "RED"),
    ("color", "MAUVE", Bad),
    ("color", 1, Bad),
    ("color", ["RED"], Bad),
    ("json", {"a": [1, None, {"b": 2**80}]}, {"a": [1, None, {"b": 2**80}]}),
    ("json", "text", "text"),
    ("json", 10**30, 10**30),
    ("ints", [1, None, 3], [1, None, 3]),
    ("ints", [], []),
    ("ints", 1, Bad),
    ("ints", {"0": 1}, Bad),
    ("ints", "12", Bad),
]


@pytest.mark.parametrize(("field", "given", "expected"), LEAVES)
async def test_leaf(field: str, given: Any, expected: Any) -> None:
    result = await answer(f"{{ {field} }}", {field: given})
    if expected is Bad:
        assert result.data == {field: None}
        assert errors_of(result) == [([field], INVALID)]
    else:
        assert result.data == {field: expected}
        assert not result.errors
        assert decode(result.to_bytes()) == {"data": {field: expected}}


NULLS: list[tuple[str, Any, Any, list[list[str | int]]]] = [
    ("{ ints }", {"ints": [1, "x"]}, {"ints": [1, None]}, [["ints", 1]]),
    ("{ strict }", {"strict": [1, None]}, {"strict": None}, [["strict", 1]]),
    ("{ strict }", {"strict": [1, "x", "y"]}, {"strict": None}, [["strict", 1]]),
    ("{ nested }", {"nested": [[1], [2, None]]}, {"nested": None}, [["nested", 1, 1]]),
    ("{ nested }", {"nested": [[1], None]}, {"nested": None}, [["nested", 1]]),
    ("{ nested }", {"nested": [[1], 2]}, {"nested": None}, [["nested", 1]]),
    ("{ must int }", {"must": None, "int": 1}, None, [["must"]]),
    ("{ int must }", {"int": 1}, None, [["must"]]),
    ("{ user { age } }", {"user": {"age": None}}, {"user": None}, [["user", "age"]]),
    (
        "{ user { name age } int }",
        {"user": {"name": "x", "age": "y"}, "int": 1},
        {"user": None, "int": 1},
        [["user", "age"]],
    ),
    ("{ users { age } }", {"users": [{"age": 1}, {}]}, {"users": None}, [["users", 1, "age"]]),
    ("{ users { age } }", {"users": [{"age": 1}, None]}, {"users": None}, [["users", 1]]),
    ("{ users { a: name } }", {"users": [{"a": 5}]}, {"users": [{"a": None}]}, [["users", 0, "a"]]),
    ("{ user { name } }", {"user": []}, {"user": None}, [["user"]]),
    ("{ user { name } }", {"user": "x"}, {"user": None}, [["user"]]),
    ("{ users { name } }", {"users": {"name": "x"}}, {"users": None}, [["users"]]),
    ("{ mustUser { age } int }", {"mustUser": {"age": None}}, None, [["mustUser", "age"]]),
    ("{ user { name } }", {"user": None}, {"user": None}, []),
    ("{ int string }", {"int": 1}, {"int": 1, "string": None}, [["string"]]),
]


@pytest.mark.parametrize(("query", "given", "expected", "paths"), NULLS)
async def test_null(query: str, given: Any, expected: Any, paths: list[Any]) -> None:
    result = await answer(query, given)
    assert result.data == expected
    assert [path for path, _ in errors_of(result)] == paths


async def test_a_reported_error_explains_its_null_once() -> None:
    reported = [{"message": "no age", "path": ["user", "age"]}]
    result = await answer("{ user { age } }", {"user": None}, errors=reported)
    assert result.data == {"user": None}
    assert [(e.message, e.path) for e in result.errors] == [("no age", ("user", "age"))]


async def test_a_null_that_propagated_out_of_the_subgraph_is_reported_once() -> None:
    reported = [{"message": "no luck", "path": ["must"]}]
    result = await answer("{ int must }", None, errors=reported)
    assert result.data is None
    assert errors_of(result) == [(["must"], errors.DOWNSTREAM_SERVICE_ERROR)]


@pytest.mark.parametrize("name", ["String", "String!"])
async def test_what_was_lost_with_a_failed_field_is_reported_where_the_null_propagates_less_far(name: str) -> None:
    sdl = f"type Tree {{ id: ID made: Int! }} type Thing {{ name: {name} tree: Tree }} type Query {{ thing: Thing }}"
    plan = Plan("query", Sequence((fetch_of(1, "a", "{ x }"), fetch_of(2, "b", "{ x }"))))
    failed = {"data": {"thing": None}, "errors": [{"message": "no name", "path": ["thing", "name"]}]}
    given = {"a": {"data": {"thing": {"tree": {"id": "1"}}}}, "b": failed}
    result = await run(sdl, "{ thing { tree { id made } name } }", plan, given)
    reported = [(["thing", "name"], errors.DOWNSTREAM_SERVICE_ERROR)]
    if name == "String":
        assert result.data == {"thing": {"tree": None, "name": None}}
        reported.append((["thing", "tree", "made"], INVALID))
    else:
        assert result.data == {"thing": None}
    assert errors_of(result) == reported


USER = {"__typename": "User", "name": "Ann", "age": 1, "id": "1"}
TYPES: list[tuple[str, Any, Any, int]] = [
    ("{ named { name } }", {"named": USER}, {"named": {"name": "Ann"}}, 0),
    ("{ named { __typename t: __typename } }", {"named": USER}, {"named": {"__typename": "User", "t": "User"}}, 0),
    ("{ named { ... on User { age } ... on Robot { model } } }", {"named": USER}, {"named": {"age": 1}}, 0),
    ("{ thing { ... on Named { name } } }", {"thing": USER}, {"thing": {"name": "Ann"}}, 0),
    ("{ thing { ... on Robot { model } } }", {"thing": USER}, {"thing": {}}, 0),
    ("{ user { __typename } }", {"user": {}}, {"user": {"__typename": "User"}}, 0),
    ("{ user { name } }", {"user": {**USER, "__typename": "Robot"}}, {"user": None}, 1),
    ("{ user { name } }", {"user": {**USER, "__typename": "Ghost"}}, {"user": None}, 1),
    ("{ thing { ... on Named { name } } }", {"thing": {"__typename": "Ghost", "name": "x"}}, {"thing": None}, 1),
    ("{ thing { ... on Named { name } } }", {"thing": {"__typename": "Color", "name": "x"}}, {"thing": None}, 1),
    ("{ thing { ... on Named { name } } }", {"thing": {"name": "x"}}, {"thing": None}, 1),
    ("{ thing { ... on Named { name } } }", {"thing": {"__typename": 5, "name": "x"}}, {"thing": None}, 1),
    ("{ things { __typename } }", {"things": [USER, {"__typename": "Ghost"}]}, {"things": None}, 1),
    ("{ named { name } }", {"named": {"__typename": "Named", "name": "x"}}, {"named": {"name": "x"}}, 0),
    ("{ named { name __typename } }", {"named": {"__typename": "Named", "name": "x"}}, {"named": None}, 1),
    ("{ __typename }", {}, {"__typename": "Query"}, 0),
]


@pytest.mark.parametrize(("query", "given", "expected", "count"), TYPES)
async def test_type(query: str, given: Any, expected: Any, count: int) -> None:
    result = await answer(query, given)
    assert result.data == expected
    assert len(result.errors) == count
    assert not any("Ghost" in e.message for e in result.errors)


async def test_hidden_types_are_not_named() -> None:
    result = await answer("{ thing { __typename } }", {"thing": {"__typename": "TopSecret"}})
    assert "TopSecret" not in json.dumps(result.to_json())


async def test_keys_in_the_operations_order_with_merged_fields() -> None:
    query = """
      query($yes: Boolean!) {
        b: int ...F a: string user { name } b: int
        user { age ... @include(if: $yes) { id } } z: float @skip(if: $yes)
      }
      fragment F on Query { user { id } c: boolean }
    """
    data = {"a": "s", "b": 1, "c": True, "user": {"name": "Ann", "age": 3, "id": "7"}}
    result = await run(SDL, query, Plan("query", fetch_of(1, "a", "{ x }")), {"a": {"data": data}}, {"yes": True})
    expected = '{"data":{"b":1,"user":{"id":"7","name":"Ann","age":3},"c":true,"a":"s"}}'
    assert result.to_bytes().decode() == expected


async def test_introspection_beside_data() -> None:
    query = """
      query($name: String!) {
        int s: __schema { queryType { name } ...S } __type(name: $name) { ...T } gone: __type(name: "Ghost") { name }
      }
      fragment S on __Schema { types { name } }
      fragment T on __Type { kind enumValues { name } }
    """
    plan = Plan("query", fetch_of(1, "a", "{ int }"))
    result = await run(SDL, query, plan, {"a": {"data": {"int": 5}}}, {"name": "Color"})
    assert not result.errors
    assert result.data is not None
    assert result.data["int"] == 5
    assert result.data["s"]["queryType"] == {"name": "Query"}
    assert {"name": "Robot"} in result.data["s"]["types"]
    assert result.data["__type"] == {"kind": "ENUM", "enumValues": [{"name": "RED"}, {"name": "GREEN"}]}
    assert result.data["gone"] is None
    assert list(result.data) == ["int", "s", "__type", "gone"]


async def test_introspection_alone_needs_no_fetch() -> None:
    result = await run(SDL, "{ __schema { queryType { name } } }", Plan("query", None), {})
    assert result.data == {"__schema": {"queryType": {"name": "Query"}}}


async def test_conditions_choose_what_is_fetched() -> None:
    plan = Plan(
        "query",
        Parallel(
            (
                Condition("yes", if_true=fetch_of(1, "a", "{ int }"), if_false=fetch_of(2, "b", "{ int }")),
                Condition("no", if_true=fetch_of(3, "c", "{ string }")),
            )
        ),
    )
    query = "query($yes: Boolean!, $no: Boolean!) { int string @include(if: $no) }"
    a, b, c = (Scripted([{"data": {"int": 1, "string": "s"}}]) for _ in range(3))
    result = await run(SDL, query, plan, {"a": a, "b": b, "c": c}, {"yes": True, "no": False})
    assert result.data == {"int": 1}
    assert [len(s.requests) for s in (a, b, c)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("yes", "no", "sent"), [(True, False, 1), (True, True, 0), (False, False, 0), (False, True, 1)]
)
async def test_a_fetch_that_some_conditions_need(yes: bool, no: bool, sent: int) -> None:
    a = Scripted([{"data": {"int": 1}}])
    only_if = ((("yes", True), ("no", False)), (("yes", False), ("no", True)))
    await run(
        SDL, "{ int }", Plan("query", fetch_of(1, "a", "{ int }", only_if=only_if)), {"a": a}, {"yes": yes, "no": no}
    )
    assert len(a.requests) == sent


async def test_a_fetch_at_objects_that_stand_for_the_root() -> None:
    """A field that leads back to the query type: other subgraphs' fields are fetched at the root and joined there."""
    sdl = "type Query { int: Int string: String add: Payload } type Payload { again: [Query!] }"
    path = ("add", "again", ListItems())
    plan = Plan(
        "query",
        Sequence(
            (
                fetch_of(1, "a", "{ add { again { int } } }"),
                Parallel(
                    (
                        fetch_of(2, "b", "{ string }", path=path),
                        fetch_of(3, "c", "{ add { again { int } } }", path=path),
                    )
                ),
            )
        ),
    )
    query = "{ add { again { int string add { again { int } } } } }"
    b: dict[str, Any] = {"data": {"string": None}, "errors": [{"message": "no", "path": ["string"]}]}
    again = {"data": {"add": {"again": [{"int": 1}, {"int": 2}]}}}
    result = await run(sdl, query, plan, {"a": again, "b": b, "c": SubgraphError("c", "down")})
    assert result.data == {"add": {"again": [{"int": n, "string": None, "add": None} for n in (1, 2)]}}
    assert [(e.message, e.path) for e in result.errors] == [
        *(("no", ("add", "again", n, "string")) for n in (0, 1)),
        *(("down", ("add", "again", n, "add")) for n in (0, 1)),
    ]


async def test_only_the_variables_a_fetch_uses_are_sent_and_absent_ones_are_not() -> None:
    a = Scripted([{"data": {"int": 1}}])
    plan = Plan("query", fetch_of(1, "a", "{ int }", variables=("x", "absent")))
    await run(SDL, "{ int }", plan, {"a": a}, {"x": None, "y": 2})
    assert a.requests[0].variables == {"x": None}


async def test_an_operation_takes_no_longer_than_its_deadline() -> None:
    slow, fast = Scripted([{"data": {"int": 1}}], delay=5), Scripted([{"data": {"string": "s"}}])
    late = Scripted([{"data": {"float": 1}}])
    plan = Plan(
        "query",
        Sequence(
            (
                Parallel((fetch_of(1, "slow", "{ int }"), fetch_of(2, "fast", "{ string }"))),
                fetch_of(3, "late", "{ float }"),
            )
        ),
    )
    answers = {"slow": slow, "fast": fast, "late": late}
    result = await run(SDL, "{ int string float }", plan, answers, operation_timeout_seconds=0.1)
    assert result.data == {"int": None, "string": "s", "float": None}
    assert errors_of(result) == [([key], errors.SUBGRAPH_TIMEOUT) for key in ("int", "float")]
    assert slow.cancelled == 1
    assert not late.requests


async def test_a_subgraph_has_its_own_deadline() -> None:
    slow, other = Scripted([{"data": {"int": 1}}], delay=0.2), Scripted([{"data": {"string": "s"}}], delay=0.2)
    plan = Plan("query", Parallel((fetch_of(1, "slow", "{ int }"), fetch_of(2, "other", "{ string }"))))
    result = await run(SDL, "{ int string }", plan, {"slow": slow, "other": other}, subgraph_timeouts={"slow": 0.05})
    assert result.data == {"int": None, "string": "s"}


async def test_errors_without_a_path_and_with_data_are_kept() -> None:
    result = await answer("{ int }", {"int": 1}, errors=[{"message": "careful"}])
    assert result.data == {"int": 1}
    assert [(e.message, e.path, e.extensions) for e in result.errors] == [("careful", None, {"service": "a"})]


async def test_two_roots_lose_only_their_own() -> None:
    plan = Plan("query", Parallel((fetch_of(1, "a", "{ int color }"), fetch_of(2, "b", "{ string }"))))
    result = await run(
        SDL, "{ int string color }", plan, {"a": SubgraphError("a", "down"), "b": {"data": {"string": "s"}}}
    )
    assert result.data == {"int": None, "string": "s", "color": None}
    assert [(e.message, e.path) for e in result.errors] == [("down", ("int",)), ("down", ("color",))]


async def test_an_error_above_explains_a_null_below() -> None:
    result = await answer("{ user { age } }", {"user": {"age": None}}, errors=[{"message": "no", "path": ["user"]}])
    assert result.data == {"user": None}
    assert [e.message for e in result.errors] == ["no"]
