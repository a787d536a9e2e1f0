"""Compiled programs: what they look like, which they are, and when the interpreter takes over.

That both answer alike, every other test of this folder shows.
"""

import asyncio
from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway.codec import decode
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import Compiled, ExecutionStatistics, ExecutorKind
from botberi_gateway.executor.compiled import Program
from botberi_gateway.executor.compiled.variants import MIN_VARIANTS
from botberi_gateway.operation import Operation
from botberi_gateway.plan import (
    ContextSource,
    ContextValue,
    Entities,
    Fetch,
    KeyField,
    ListItems,
    Plan,
    Representation,
    Sequence,
)
from botberi_gateway.upstream import SubgraphRequest, SubgraphResponse
from botberi_gateway.upstream.answer import request_body
from gateway.tests.executor.scripted import Scripted
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of
from gateway.tests.support.runtimes import runtime_of

SDL = """
  type Query { users: [User] me: User }
  type Mutation { rename: User }
  type User { id: ID! name: String age: Int score: Score balance: Float }
  scalar Score
"""
BY_ID = Representation(frozenset({"User"}), "User", (KeyField("id", "id"),))
EACH_USER = ("users", ListItems())


def two_steps(first: str = "{ users { __typename id } }", fields: str = "name", **more: Any) -> Plan:
    """Users of subgraph a, and more about each of b."""
    entities = Entities((EACH_USER,), (BY_ID,), **more)
    query = (
        "query($representations: [_Any!]!) "
        f"{{ _entities(representations: $representations) {{ ... on User {{ {fields} }} }} }}"
    )
    return Plan("query", Sequence((fetch_of(0, "a", first), fetch_of(1, "b", query, entities=(entities,)))))


def operation(query: str) -> Operation:
    return operation_of(build_schema(SDL), query)


def program(plan: Plan, query: str, variables: dict[str, Any] | None = None) -> Program:
    made = Compiled(plan, operation(query)).program(variables or {})
    assert isinstance(made, Program), made
    return made


def users(*ids: Any) -> dict[str, Any]:
    return {"data": {"users": [{"__typename": "User", "id": id} for id in ids]}}


def names(request: SubgraphRequest) -> dict[str, Any]:
    return {"data": {"_entities": [{"name": f"name of {r['id']}"} for r in request.variables["representations"]]}}


async def executed(
    plan: Plan, query: str, clients: dict[str, Any], variables: dict[str, Any] | None = None, **more: Any
) -> tuple[dict[str, Any], ExecutionStatistics]:
    runtime = runtime_of(clients, executor=ExecutorKind.BOTH, **more)
    result = await Compiled(plan, operation(query)).execute(variables or {}, runtime)
    return result.to_json(), runtime.environment.statistics


# -- the program


def test_the_source_names_its_fetches_and_can_be_read() -> None:
    source = program(two_steps(), "{ users { id name } }").source
    assert "# fetch 0: a" in source
    assert "# fetch 1: b" in source
    assert "async def run(flight):" in source
    assert "def project(flight, data0, index1_0, rows1_0):" in source
    assert "{'id': " in source, "objects are written as dictionary displays"


def test_names_from_outside_are_text_in_the_source_and_never_code() -> None:
    evil = "a\nraise SystemExit('from a comment')"
    plan = Plan("query", fetch_of(0, evil, "{ __class__: me { __init__: name } }", reasons=("x\nraise SystemExit",)))
    made = program(plan, "{ __class__: me { __init__: name } }")
    assert not any(line.startswith("raise SystemExit") for line in made.source.splitlines())


async def test_response_keys_may_look_like_python() -> None:
    plan = Plan("query", fetch_of(0, "a", "{ __class__: me { __dict__: name None: id } }"))
    a = Scripted([{"data": {"__class__": {"__dict__": "x", "None": "1"}}}])
    answer, counts = await executed(plan, "{ __class__: me { __dict__: name None: id } }", {"a": a})
    assert answer == {"data": {"__class__": {"__dict__": "x", "None": "1"}}}
    assert counts.compiled == 1


# -- variants


async def test_each_set_of_conditions_has_a_program_of_its_own() -> None:
    plan = Plan(
        "query", fetch_of(0, "a", "query($on: Boolean!) { me { id name @include(if: $on) } }", variables=("on",))
    )
    query = "query($on: Boolean!) { me { id name @include(if: $on) } }"
    a = Scripted([{"data": {"me": {"id": "1", "name": "x"}}}, {"data": {"me": {"id": "1"}}}])
    assert (await executed(plan, query, {"a": a}, {"on": True}))[0] == {"data": {"me": {"id": "1", "name": "x"}}}
    assert (await executed(plan, query, {"a": a}, {"on": False}))[0] == {"data": {"me": {"id": "1"}}}
    assert "'name'" in program(plan, query, {"on": True}).source
    assert "'name'" not in program(plan, query, {"on": False}).source


def toggled(count: int, fields: int = 1) -> tuple[Compiled, list[dict[str, bool]]]:
    """An operation with so many conditions, and every set of their values."""
    declared = ", ".join(f"$v{n}: Boolean!" for n in range(count))
    more = " ".join(f"g{n}: name" for n in range(fields))
    text = " ".join(f"f{n}: name @include(if: $v{n})" for n in range(count))
    query = f"query({declared}) {{ me {{ id {text} {more} }} }}"
    compiled = Compiled(Plan("query", fetch_of(0, "a", query)), operation(query))
    return compiled, [{f"v{n}": bool(bits >> n & 1) for n in range(count)} for bits in range(2**count)]


def test_an_operation_has_a_program_for_every_set_of_a_few_conditions() -> None:
    compiled, sets = toggled(6)
    assert all(isinstance(compiled.program(one), Program) for one in sets)


def test_programs_are_bounded_and_go_to_the_sets_that_are_asked_for() -> None:
    compiled, sets = toggled(5, fields=1_000)
    made = [compiled.program(one) for one in sets]
    assert sum(isinstance(one, Program) for one in made) == MIN_VARIANTS
    assert {one for one in made if isinstance(one, str)} == {"more sets of conditions than are compiled"}
    favourite = sets[-1]
    answers = [compiled.program(favourite) for _ in range(5)]
    assert isinstance(answers[-1], Program), "it took the place of one that is not asked for"
    again = [compiled.program(one) for one in sets]
    assert sum(isinstance(one, Program) for one in again) == MIN_VARIANTS, (
        "programs that are all asked for keep their places"
    )


# -- requests


async def test_bodies_are_what_the_interpreter_would_send() -> None:
    bodies: list[bytes] = []

    class Encoded(Scripted):
        def start(self, body: bytes, kind: Any, headers: Any, timeout: float) -> "asyncio.Future[SubgraphResponse]":
            bodies.append(body)
            message = decode(body)
            request = SubgraphRequest(message["query"], message.get("variables", {}), message.get("operationName"))
            assert request_body("a", request) == body
            return asyncio.get_running_loop().create_task(self.execute(request))

    plan = Plan(
        "query",
        Sequence(
            (
                fetch_of(
                    0, "a", "query Q($n: Int) { users(n: $n) { __typename id } }", operation_name="Q", variables=("n",)
                ),
                two_steps().node.nodes[1],  # type: ignore[union-attr]
            )
        ),
    )
    clients = {"a": Encoded([users("1", 'quo"ted', "1")]), "b": Encoded([names])}
    answer, _ = await executed(plan, "query Q($n: Int) { users { id name } }", clients, {"n": 3})
    assert [user["name"] for user in answer["data"]["users"]] == ["name of 1", 'name of quo"ted', "name of 1"]
    assert decode(bodies[0])["variables"] == {"n": 3}
    assert [r["id"] for r in decode(bodies[1])["variables"]["representations"]] == ["1", 'quo"ted']


async def test_keys_that_python_finds_equal_are_different_entities() -> None:
    """1, True and 1.0 are one key to a dictionary; a subgraph that answers them means three things."""
    for odd in (True, 1.0):
        b = Scripted([names])
        answer, _ = await executed(two_steps(), "{ users { name } }", {"a": Scripted([users(1, odd)]), "b": b})
        assert len(b.requests[0].variables["representations"]) == 2
        assert [user["name"] for user in answer["data"]["users"]] == ["name of 1", f"name of {odd}"]


async def test_cancelling_cancels_every_request() -> None:
    clients = {"a": Scripted([users("1")], delay=30)}
    task = asyncio.create_task(executed(two_steps(), "{ users { name } }", clients))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert clients["a"].cancelled == 1


# -- exact numbers

BIG = 123456789012345678901234567890


@pytest.mark.parametrize(
    ("fields", "type_fields", "text"),
    [("score", "score", str(BIG)), ("balance", "balance", "0.12345678901234567890123")],
)
async def test_numbers_keep_every_digit(fields: str, type_fields: str, text: str) -> None:
    class Raw(Scripted):
        def start(self, body: bytes, kind: Any, headers: Any, timeout: float) -> "asyncio.Future[SubgraphResponse]":
            raw = f'{{"data":{{"me":{{"{fields}":{text}}}}}}}'.encode()
            future: asyncio.Future[SubgraphResponse] = asyncio.get_running_loop().create_future()
            # As the HTTP client gives it: read quickly, with the bytes at hand.
            future.set_result(SubgraphResponse({"me": {fields: float(text)}}, raw=raw))
            return future

    plan = Plan("query", fetch_of(0, "a", f"{{ me {{ {type_fields} }} }}"))
    runtime = runtime_of({"a": Raw([])}, executor=ExecutorKind.BOTH)
    result = await Compiled(plan, operation(f"{{ me {{ {type_fields} }} }}")).execute({}, runtime)
    assert text.encode() in result.to_bytes()
    assert runtime.environment.statistics.compiled == 1


# -- the interpreter takes over


async def test_an_answer_that_compiled_code_bails_out_of_is_interpreted_without_asking_again() -> None:
    b = Scripted([{"data": {"_entities": [{"never": "asked for"}]}}])
    a = Scripted([users("1")])
    answer, counts = await executed(two_steps(), "{ users { id name } }", {"a": a, "b": b})
    assert answer["data"] == {"users": [{"id": "1", "name": None}]}
    assert [error["message"] for error in answer["errors"]] == ["No subgraph gave a value for 'name'."]
    assert (len(a.requests), len(b.requests)) == (1, 1)
    assert counts.compiled == 0
    assert counts.bail_outs == {"a missing field, and others that were not asked for": 1}


async def test_a_field_that_is_missing_for_no_reason_is_reported_by_compiled_code() -> None:
    clients = {"a": Scripted([users("1", "2")]), "b": Scripted([{"data": {"_entities": [{}, {"name": "y"}]}}])}
    answer, counts = await executed(two_steps(), "{ users { id name } }", clients)
    assert answer["data"] == {"users": [{"id": "1", "name": None}, {"id": "2", "name": "y"}]}
    assert [error["path"] for error in answer["errors"]] == [["users", 0, "name"]]
    assert counts.compiled == 1, counts


@pytest.mark.parametrize("keys", [[None, "1", None], [True, "1"], [["1", "2"], ["1"]], [{"a": 1}, {"a": 2}, {"a": 1}]])
async def test_keys_that_are_no_scalars_make_the_program_be_written_again(keys: list[Any]) -> None:
    """By such keys entities can't be compared quickly: the first answer is the interpreter's, later ones aren't."""
    plan, query = two_steps(), "{ users { name } }"
    compiled = Compiled(plan, operation(query))
    for compiled_answers in (0, 1):
        b = Scripted([names])
        runtime = runtime_of({"a": Scripted([users(*keys)]), "b": b}, executor=ExecutorKind.BOTH)
        answer = (await compiled.execute({}, runtime)).to_json()
        assert [user["name"] for user in answer["data"]["users"]] == [f"name of {key}" for key in keys]
        asked = b.requests[0].variables["representations"]
        assert [r["id"] for r in asked] == [key for index, key in enumerate(keys) if key not in keys[:index]]
        assert runtime.environment.statistics.compiled == compiled_answers
        assert runtime.environment.statistics.bail_outs == ({} if compiled_answers else {"a key of another type": 1})


@pytest.mark.parametrize(
    ("sdl", "label"),
    [
        ("type Query { pet: Pet pets: [Pet!] } union Pet = Cat | Dog type Cat { id: ID } type Dog { id: ID }", "Pet"),
        (
            "type Query { pet: Pet pets: [Pet!] } interface Pet { id: ID } "
            "type Cat implements Pet { id: ID } type Dog implements Pet { id: ID }",
            "Pet",
        ),
        ("type Query { pet: Cat pets: [Cat!] } type Cat { id: ID } type Dog { id: ID }", "Cat"),
    ],
    ids=["union", "interface", "object"],
)
@pytest.mark.parametrize("name", ["Hidden", "Query"])
async def test_an_object_of_a_type_that_its_field_can_not_have_is_null_in_compiled_code(
    sdl: str, label: str, name: str
) -> None:
    """So are those of a type that the API hides."""
    query = "{ pet { ... on Cat { id } } pets { ... on Cat { id } __typename } }"
    text = "{ pet { __typename ... on Cat { id } } pets { __typename ... on Cat { id } } }"
    cat, other = {"__typename": "Cat", "id": "1"}, {"__typename": name, "id": "2"}
    a = Scripted([{"data": {"pet": other, "pets": [cat, other]}}])
    runtime = runtime_of({"a": a}, executor=ExecutorKind.BOTH)
    compiled = Compiled(Plan("query", fetch_of(0, "a", text)), operation_of(build_schema(sdl), query))
    answer = (await compiled.execute({}, runtime)).to_json()
    assert answer["data"] == {"pet": None, "pets": None}
    message = "The value of Query.{} is of a type that it can't have."
    assert [(e["path"], e["message"]) for e in answer["errors"]] == [
        (["pet"], message.format("pet")),
        (["pets", 1], message.format("pets")),
    ]
    assert runtime.environment.statistics.compiled == 1, runtime.environment.statistics


async def test_errors_at_fields_that_may_be_null_are_reported_by_compiled_code() -> None:
    def some(request: SubgraphRequest) -> dict[str, Any]:
        found = [{"name": f"name of {r['id']}"} for r in request.variables["representations"]]
        found[0] = {"name": None}
        return {"data": {"_entities": found}, "errors": [{"message": "no name", "path": ["_entities", 0, "name"]}]}

    answer, counts = await executed(
        two_steps(), "{ users { id name } }", {"a": Scripted([users("1", "2", "1")]), "b": Scripted([some])}
    )
    assert answer["data"]["users"][1] == {"id": "2", "name": "name of 2"}
    # The entity sits at two places, and so does its error.
    assert [error["path"] for error in answer["errors"]] == [["users", 0, "name"], ["users", 2, "name"]]
    assert counts.compiled == 1


@pytest.mark.parametrize(
    ("b", "code", "paths"),
    [
        (SubgraphError("b", "refused"), "SUBGRAPH_UNREACHABLE", [0, 1]),
        (TimeoutError(), "SUBGRAPH_TIMEOUT", [0, 1]),
        (RuntimeError("a fault of the client"), "INTERNAL_SERVER_ERROR", [0, 1]),
        ({"data": None, "errors": [{"message": "no"}]}, "DOWNSTREAM_SERVICE_ERROR", [0, 1]),
        ({"data": {"_entities": [{"name": "x"}]}}, "SUBGRAPH_INVALID_RESPONSE", [0, 1]),
        ({"data": {"_entities": "x"}}, "SUBGRAPH_INVALID_RESPONSE", [0, 1]),
        ({"data": {"_entities": [{"name": "x"}, 7]}}, "SUBGRAPH_INVALID_RESPONSE", [1]),
        ({"data": {"_entities": [{"name": "x"}, {"name": "y", "id": "9"}]}}, "SUBGRAPH_INVALID_RESPONSE", [1]),
        (
            {
                "data": {"_entities": [{"name": "x"}, None]},
                "errors": [{"message": "no", "path": ["_entities", 1], "extensions": {"code": "GONE"}}],
            },
            "GONE",
            [1],
        ),
        (
            {
                "data": {"_entities": [{"name": "x"}, None]},
                "errors": [{"message": "no", "path": ["_entities", 1, "name"]}],
            },
            "DOWNSTREAM_SERVICE_ERROR",
            [1],
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_lost_is_reported_by_compiled_code(b: Any, code: str, paths: list[int]) -> None:
    a = Scripted([users("1", "2")])
    answer, counts = await executed(two_steps(), "{ users { id name } }", {"a": a, "b": Scripted([b])})
    assert [user["id"] for user in answer["data"]["users"]] == ["1", "2"]
    assert [user["name"] is None for user in answer["data"]["users"]] == [index in paths for index in (0, 1)]
    assert [error["path"] for error in answer["errors"]] == [["users", index, "name"] for index in paths]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {code}
    assert counts.compiled == 1, counts


async def test_what_could_not_be_asked_for_is_reported_with_the_failure_that_kept_it() -> None:
    """Subgraph c needs the age, which b should have given; the name's own subgraph is never asked."""
    by_age = Representation(frozenset({"User"}), "User", (KeyField("id", "id"), KeyField("age", "age")))
    query = (
        "query($representations: [_Any!]!) { _entities(representations: $representations) { ... on User { name } } }"
    )
    third = fetch_of(2, "c", query, entities=(Entities((EACH_USER,), (by_age,)),))
    first, second = two_steps(fields="age").node.nodes  # type: ignore[union-attr]
    plan = Plan("query", Sequence((first, second, third)))
    c = Scripted([names])
    clients = {"a": Scripted([users("1", "2")]), "b": Scripted([SubgraphError("b", "refused")]), "c": c}
    answer, counts = await executed(plan, "{ users { id age name } }", clients)
    assert c.requests == []
    assert answer["data"]["users"] == [{"id": id, "age": None, "name": None} for id in "12"]
    assert [error["path"] for error in answer["errors"]] == [
        ["users", index, field] for index in (0, 1) for field in ("age", "name")
    ]
    assert {error["extensions"]["service"] for error in answer["errors"]} == {"b"}
    assert counts.compiled == 1, counts


async def test_a_failure_that_no_field_reports_is_reported_where_it_struck() -> None:
    """The client's only user is null by another's fault: nothing in the answer lacks what b should have given."""
    plan = two_steps("{ me { __typename id } users { __typename id } }")
    a = Scripted([{"data": {"users": [{"__typename": "User", "id": "1"}, None]}}])
    b = Scripted([SubgraphError("b", "refused")])
    answer, counts = await executed(plan, "{ users { id } }", {"a": a, "b": b})
    assert answer["data"] == {"users": [{"id": "1"}, None]}
    assert [error["path"] for error in answer["errors"]] == [["users", 0]]
    assert counts.compiled == 1, counts


@pytest.mark.parametrize("explained", [True, False], ids=["the subgraph says why", "the subgraph says nothing"])
async def test_nulls_propagate_in_compiled_code(explained: bool) -> None:
    reported = [{"message": "no id", "path": ["users", 1, "id"]}] if explained else []
    a = Scripted([{"data": {"users": [{"id": "1"}, {"id": None}]}, "errors": reported}])
    answer, counts = await executed(Plan("query", fetch_of(0, "a", "{ users { id } }")), "{ users { id } }", {"a": a})
    assert answer["data"] == {"users": [{"id": "1"}, None]}
    (error,) = answer["errors"]
    assert error["path"] == ["users", 1, "id"]
    assert error["message"] == ("no id" if explained else "Cannot return null for non-nullable field User.id.")
    assert counts.compiled == 1


async def test_a_mutation_is_never_made_twice() -> None:
    a = Scripted([{"data": {"rename": {"id": "1", "age": 7}}}])
    plan = Plan("mutation", fetch_of(0, "a", "mutation { rename { id name } }", kind="mutation"))
    answer, counts = await executed(plan, "mutation { rename { id name } }", {"a": a})
    assert answer["data"] == {"rename": {"id": "1", "name": None}}
    assert len(a.requests) == 1
    assert counts.bail_outs == {"a missing field, and others that were not asked for": 1}


@pytest.mark.parametrize(
    ("given", "data", "message"),
    [
        ([{"id": "1", "name": 7}], [{"id": "1", "name": None}], "The value of User.name is not a String."),
        (
            [{"id": "1", "name": "x"}, {"id": True, "name": "y"}],
            [{"id": "1", "name": "x"}, None],
            "The value of User.id is not an ID.",
        ),
        (["x"], [None], "The value of Query.users is not an object."),
        ("x", None, "The value of Query.users is not a list."),
    ],
)
async def test_values_of_another_type_are_reported_by_compiled_code(given: Any, data: Any, message: str) -> None:
    a = Scripted([{"data": {"users": given}}])
    plan = Plan("query", fetch_of(0, "a", "{ users { id name } }"))
    answer, counts = await executed(plan, "{ users { id name } }", {"a": a})
    assert answer["data"] == {"users": data}
    assert [error["message"] for error in answer["errors"]] == [message]
    assert counts.compiled == 1, counts


async def test_an_unknown_entity_is_null_in_compiled_code() -> None:
    b = Scripted([{"data": {"_entities": [None, {"name": "y"}]}}])
    answer, counts = await executed(two_steps(), "{ users { id name } }", {"a": Scripted([users("1", "2")]), "b": b})
    assert answer == {"data": {"users": [{"id": "1", "name": None}, {"id": "2", "name": "y"}]}}
    assert counts.compiled == 1


async def test_what_is_not_compiled_is_counted_with_its_reason() -> None:
    plan = two_steps(response_key="never_in_the_operation")
    clients = {"a": Scripted([users("1")]), "b": Scripted([{"data": {"never_in_the_operation": [{"name": "x"}]}}])}
    _, counts = await executed(plan, "{ users { id name } }", clients)
    assert counts.interpreted == {"an _entities field that a condition leaves out": 1}


# -- contextual arguments

SHOPS = """
  type Query { shops: [Shop] }
  type Shop { id: ID! currency: String items: [Item] owner: User }
  type Item { id: ID! price: String }
  type User { id: ID! box: Box }
  type Box { item: Item }
"""
PRICES = (
    "query($representations: [_Any!]!, $in: String) "
    "{ _entities(representations: $representations) { ... on Item { price(in: $in) } } }"
)


def prices(*path: Any, up: int, type: str = "String") -> Fetch:
    """The price of items in the currency of the shop that is `up` objects above."""
    context = ContextValue("in", type, (ContextSource(up, None, (KeyField("currency", "currency"),)),))
    by_id = Representation(frozenset({"Item"}), "Item", (KeyField("id", "id"),))
    return fetch_of(9, "b", PRICES, entities=(Entities((path,), (by_id,), contexts=(context,)),))


def priced(request: SubgraphRequest) -> dict[str, Any]:
    """For each copy of the field, prices that name the currency and the item."""
    given = request.variables
    fields = [name.removeprefix("representations") for name in given if name.startswith("representations")]
    return {
        "data": {
            f"_entities{one}": [{"price": f"{r['id']} in {given[f'in{one}']}"} for r in given[f"representations{one}"]]
            for one in fields
        }
    }


async def shopping(
    plan: Plan, query: str, shops: list[Any], b: Any, more: Any = ()
) -> tuple[dict[str, Any], ExecutionStatistics, Scripted]:
    made = Scripted([b, b])
    runtime = runtime_of(
        {"a": Scripted([{"data": {"shops": shops}}]), "b": made, "c": Scripted(more)}, executor=ExecutorKind.BOTH
    )
    result = await Compiled(plan, operation_of(build_schema(SHOPS), query)).execute({}, runtime)
    return result.to_json(), runtime.environment.statistics, made


def shop(currency: Any, *ids: str) -> dict[str, Any]:
    items = [{"__typename": "Item", "id": id} for id in ids]
    return {"__typename": "Shop", **({} if currency == "absent" else {"currency": currency}), "items": items}


ITEMS = Plan(
    "query",
    Sequence(
        (
            fetch_of(0, "a", "{ shops { __typename currency items { __typename id } } }"),
            prices("shops", ListItems(), "items", ListItems(), up=1),
        )
    ),
)


@pytest.mark.parametrize(
    ("currencies", "copies"), [(["EUR", "EUR"], 1), (["EUR", "USD"], 2), (["EUR", None], 2), (["1", 1], 2)]
)
async def test_entities_that_differ_in_their_contexts_go_in_one_request(currencies: list[Any], copies: int) -> None:
    shops = [shop(currency, "x", "y") for currency in currencies]
    answer, counts, b = await shopping(ITEMS, "{ shops { items { price } } }", shops, priced)
    assert answer == {
        "data": {"shops": [{"items": [{"price": f"{id} in {one}"} for id in ("x", "y")]} for one in currencies]}
    }
    assert len(b.requests) == 1
    assert b.requests[0].operation.count("_entities") == copies + (copies > 1) * copies, "an alias for each copy"
    assert counts.compiled == 1, counts


@pytest.mark.parametrize(("currency", "type"), [("absent", "String"), (None, "String!")])
async def test_an_entity_without_its_context_is_left_out(currency: Any, type: str) -> None:
    first, _ = ITEMS.node.nodes  # type: ignore[union-attr]
    plan = Plan("query", Sequence((first, prices("shops", ListItems(), "items", ListItems(), up=1, type=type))))
    shops = [shop(currency, "x"), shop("EUR", "x")]
    answer, counts, _ = await shopping(plan, "{ shops { items { price } } }", shops, priced)
    assert answer["data"] == {"shops": [{"items": [{"price": None}]}, {"items": [{"price": "x in EUR"}]}]}
    assert [(e["path"], e["extensions"]["code"]) for e in answer["errors"]] == [
        (["shops", 0, "items", 0, "price"], "CONTEXT_MISSING")
    ]
    assert counts.compiled == 1, counts


async def test_errors_of_copies_are_reported_where_their_entities_sit() -> None:
    def half(request: SubgraphRequest) -> dict[str, Any]:
        answer = priced(request)
        answer["data"]["_entities_1"] = [None, {"price": None}]
        answer["errors"] = [
            {"message": "gone", "path": ["_entities_1", 0]},
            {"message": "no price", "path": ["_entities_1", 1, "price"]},
        ]
        return answer

    shops = [shop("EUR", "x"), shop("USD", "x", "y")]
    answer, counts, _ = await shopping(ITEMS, "{ shops { items { price } } }", shops, half)
    assert answer["data"]["shops"][0] == {"items": [{"price": "x in EUR"}]}
    assert [(error["message"], error["path"]) for error in answer["errors"]] == [
        ("no price", ["shops", 1, "items", 1, "price"]),
        ("gone", ["shops", 1, "items", 0, "price"]),
    ]
    assert counts.compiled == 1, counts


@pytest.mark.parametrize(
    ("currencies", "bail_outs"), [(["EUR", "EUR"], 0), (["EUR", "USD"], 1), (["EUR", "absent"], 1)]
)
async def test_what_one_entity_has_at_two_places_may_stand_below_several_contexts(
    currencies: list[Any], bail_outs: int
) -> None:
    """Both shops have one owner, whose box is one object in its subgraph's answer; the shops' currencies may differ."""
    by_id = Representation(frozenset({"User"}), "User", (KeyField("id", "id"),))
    owners = (
        "query($representations: [_Any!]!) "
        "{ _entities(representations: $representations) { ... on User { box { item { __typename id } } } } }"
    )
    plan = Plan(
        "query",
        Sequence(
            (
                fetch_of(0, "a", "{ shops { __typename currency owner { __typename id } } }"),
                fetch_of(1, "c", owners, entities=(Entities((("shops", ListItems(), "owner"),), (by_id,)),)),
                prices("shops", ListItems(), "owner", "box", "item", up=3),
            )
        ),
    )
    shops = [{**shop(one), "owner": {"__typename": "User", "id": "1"}} for one in currencies]
    box = {"data": {"_entities": [{"box": {"item": {"__typename": "Item", "id": "x"}}}]}}
    answer, counts, _ = await shopping(plan, "{ shops { owner { box { item { price } } } } }", shops, priced, [box])
    found = [one["owner"]["box"]["item"]["price"] for one in answer["data"]["shops"]]
    assert found == [None if one == "absent" else f"x in {one}" for one in currencies]
    assert counts.bail_outs == ({"one object below several contexts": 1} if bail_outs else {})
