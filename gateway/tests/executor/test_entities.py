"""Entity fetches: representations, deduplication, side tables, and answers that can't be trusted."""

from typing import Any

import pytest

from botberi_gateway import errors
from botberi_gateway.errors import SubgraphError
from botberi_gateway.executor import ExecutionResult
from botberi_gateway.plan import (
    Entities,
    Fetch,
    KeyField,
    KeyFragment,
    ListItems,
    Parallel,
    Path,
    Plan,
    PlanNode,
    Rename,
    Representation,
    Sequence,
    TypeCondition,
)
from botberi_gateway.upstream import SubgraphRequest
from gateway.tests.executor.scripted import Answer, Scripted, errors_of, run
from gateway.tests.support.plans import fetch_of

SDL = """
  type Query { users: [User] me: User strict: [User!]! best: User! things: [Thing] }
  type User { id: ID! name: String age: Int! friend: User tags: [String] }
  type Product { id: ID! name: String price: Int }
  union Thing = User | Product
"""
INVALID = errors.SUBGRAPH_INVALID_RESPONSE
EACH = ListItems()
BY_ID = Representation(frozenset({"User"}), None, (KeyField("id", "id"),))


def entity_fetch(id: int, *paths: Path, fields: str = "name", subgraph: str = "b", **more: Any) -> Fetch:
    operation = (
        "query($representations: [_Any!]!) "
        f"{{ _entities(representations: $representations) {{ ... on User {{ {fields} }} }} }}"
    )
    return fetch_of(id, subgraph, operation, entities=(Entities(paths, (BY_ID,)),), **more)


def two_steps(root: str, fetch: PlanNode) -> Plan:
    return Plan("query", Sequence((fetch_of(1, "a", root), fetch)))


USERS = two_steps("{ users { __typename id } }", entity_fetch(2, ("users", EACH)))


def user(id: str | int) -> dict[str, Any]:
    return {"__typename": "User", "id": id}


def by_id(field: str = "name") -> Any:
    """A subgraph that knows every user."""

    def answer(request: SubgraphRequest) -> dict[str, Any]:
        representations = request.variables["representations"]
        return {"data": {"_entities": [{field: f"{field} of {r['id']}"} for r in representations]}}

    return answer


async def users(ids: list[Any], answer: Answer | Scripted) -> ExecutionResult:
    root = {"data": {"users": [None if i is None else user(i) for i in ids]}}
    return await run(SDL, "{ users { name } }", USERS, {"a": root, "b": answer})


async def test_each_object_gets_its_own_entity() -> None:
    result = await users(["1", None, "2"], by_id())
    assert result.data == {"users": [{"name": "name of 1"}, None, {"name": "name of 2"}]}
    assert not result.errors


async def test_equal_representations_are_sent_once() -> None:
    b = Scripted([by_id()])
    result = await users(["1", "2", "1", "1"], b)
    assert [r["id"] for r in b.requests[0].variables["representations"]] == ["1", "2"]
    assert result.data == {"users": [{"name": f"name of {i}"} for i in "1211"]}


async def test_no_objects_no_request() -> None:
    b = Scripted([by_id()])
    assert (await users([None], b)).data == {"users": [None]}
    assert not b.requests


async def test_deduplicated_across_paths() -> None:
    b = Scripted([by_id()])
    plan = two_steps("{ users { __typename id } me { __typename id } }", entity_fetch(2, ("users", EACH), ("me",)))
    root = {"data": {"users": [user("1"), user("2")], "me": user("1")}}
    result = await run(SDL, "{ users { name } me { name } }", plan, {"a": root, "b": b})
    assert [r["id"] for r in b.requests[0].variables["representations"]] == ["1", "2"]
    assert result.data == {"users": [{"name": "name of 1"}, {"name": "name of 2"}], "me": {"name": "name of 1"}}


async def test_a_shared_entity_leaks_nothing_between_paths() -> None:
    """The same entity at two paths, with an alias for different fields: each path sees what was fetched for it."""
    plan = Plan(
        "query",
        Sequence(
            (
                fetch_of(1, "a", "{ me { __typename id } best { __typename id } }"),
                entity_fetch(2, ("me",), ("best",), fields="friend { __typename id }"),
                Parallel(
                    (
                        entity_fetch(3, ("me", "friend"), fields="x: name", subgraph="c"),
                        entity_fetch(4, ("best", "friend"), fields="x: age", subgraph="d"),
                    )
                ),
            )
        ),
    )
    result = await run(
        SDL,
        "{ me { friend { x: name } } best { friend { x: age } } }",
        plan,
        {
            "a": {"data": {"me": user("1"), "best": user("1")}},
            "b": {"data": {"_entities": [{"friend": user("2")}]}},
            "c": Scripted([{"data": {"_entities": [{"x": "Ann"}]}}], delay=0.01),
            "d": {"data": {"_entities": [{"x": 40}]}},
        },
    )
    assert result.data == {"me": {"friend": {"x": "Ann"}}, "best": {"friend": {"x": 40}}}
    assert not result.errors


async def test_a_later_fetch_sees_what_an_earlier_one_joined() -> None:
    plan = Plan(
        "query",
        Sequence(
            (
                fetch_of(1, "a", "{ me { __typename id } }"),
                entity_fetch(2, ("me",), fields="friend { __typename id }"),
                entity_fetch(3, ("me", "friend"), subgraph="c"),
            )
        ),
    )
    answers: dict[str, Any] = {
        "a": {"data": {"me": user("1")}},
        "b": {"data": {"_entities": [{"friend": user("7")}]}},
        "c": by_id(),
    }
    result = await run(SDL, "{ me { friend { name } } }", plan, answers)
    assert result.data == {"me": {"friend": {"name": "name of 7"}}}


async def test_several_entity_fields_in_one_request() -> None:
    plan = two_steps(
        "{ me { __typename id } things { __typename ... on Product { id } } }",
        fetch_of(
            2,
            "b",
            "query($u: [_Any!]!, $p: [_Any!]!) { u: _entities(representations: $u) { ... on User { name } }"
            " p: _entities(representations: $p) { ... on Product { price } } }",
            entities=(
                Entities((("me",),), (BY_ID,), "u", "u"),
                Entities(
                    (("things", EACH, TypeCondition(frozenset({"Product"}))),),
                    (Representation(frozenset({"Product"}), None, (KeyField("id", "id"),)),),
                    "p",
                    "p",
                ),
            ),
        ),
    )
    b = Scripted([{"data": {"u": [{"name": "Ann"}], "p": [{"price": 3}]}}])
    root = {"data": {"me": user("1"), "things": [user("9"), {"__typename": "Product", "id": "p"}]}}
    query = "{ me { name } things { ... on Product { price } } }"
    result = await run(SDL, query, plan, {"a": root, "b": b})
    assert result.data == {"me": {"name": "Ann"}, "things": [{}, {"price": 3}]}
    assert b.requests[0].variables == {"u": [user("1")], "p": [{"__typename": "Product", "id": "p"}]}


REPRESENTATIONS: dict[str, tuple[dict[str, Any], tuple[Any, ...], dict[str, Any] | None]] = {
    "null is sent": ({"id": None}, (KeyField("id", "id"),), {"id": None}),
    "absent: none": ({}, (KeyField("id", "id"),), None),
    "another source": ({"key": "1"}, (KeyField("id", "key"),), {"id": "1"}),
    "nested": (
        {"org": {"id": 1, "x": 2, "at": [{"z": 1}, {"z": 2}]}},
        (KeyField("org", "org", (KeyField("id", "id"), KeyField("at", "at", (KeyField("z", "z"),)))),),
        {"org": {"id": 1, "at": [{"z": 1}, {"z": 2}]}},
    ),
    "nested null": ({"org": None}, (KeyField("org", "org", (KeyField("id", "id"),)),), {"org": None}),
    "nested absent: none": ({"org": {}}, (KeyField("org", "org", (KeyField("id", "id"),)),), None),
    "nested leaf: none": ({"org": 3}, (KeyField("org", "org", (KeyField("id", "id"),)),), None),
    "scalar object as it is": ({"json": {"a": [1]}}, (KeyField("json", "json"),), {"json": {"a": [1]}}),
    "fragment that fits": (
        {"id": 1, "x": 2},
        (KeyField("id", "id"), KeyFragment(frozenset({"User"}), (KeyField("x", "x"),))),
        {"id": 1, "x": 2},
    ),
    "fragment that doesn't": (
        {"id": 1, "x": 2},
        (KeyField("id", "id"), KeyFragment(frozenset({"Product"}), (KeyField("x", "x"),))),
        {"id": 1},
    ),
}


@pytest.mark.parametrize("name", REPRESENTATIONS)
async def test_representation(name: str) -> None:
    given, selections, expected = REPRESENTATIONS[name]
    b = Scripted([{"data": {"_entities": [{"name": "Ann"}]}}])
    entities = Entities((("me",),), (Representation(frozenset({"User"}), None, selections),))
    fetch = fetch_of(2, "b", entity_fetch(2).operation, entities=(entities,))
    root = {"data": {"me": {"__typename": "User", **given}}}
    await run(SDL, "{ me { name } }", two_steps("{ me { __typename } }", fetch), {"a": root, "b": b})
    sent = b.requests[0].variables["representations"] if b.requests else None
    assert sent == (None if expected is None else [{"__typename": "User", **expected}])


#: What the subgraph answers for users 1 and 2 -> the names that are given, and whose entries have errors.
SUSPICIOUS: dict[str, tuple[Any, list[Any], list[int]]] = {
    "too few": ([{"name": "x"}], [None, None], [0, 1]),
    "too many": ([{"name": "x"}, {"name": "y"}, {"name": "z"}], [None, None], [0, 1]),
    "empty": ([], [None, None], [0, 1]),
    "an object": ({"0": {"name": "x"}, "1": {"name": "y"}}, [None, None], [0, 1]),
    "a string": ("xy", [None, None], [0, 1]),
    "null": (None, [None, None], [0, 1]),
    "a string as entity": (["x", {"name": "y"}], [None, "y"], [0]),
    "a list as entity": ([{"name": "x"}, [{"name": "y"}]], ["x", None], [1]),
    "true as entity": ([True, {"name": "y"}], [None, "y"], [0]),
    "another type": ([{"__typename": "Product", "name": "x"}, {"name": "y"}], [None, "y"], [0]),
    "swapped, and it says so": ([{"id": "2", "name": "y"}, {"id": "1", "name": "x"}], [None, None], [0, 1]),
    "field left out": ([{}, {"name": "y"}], [None, "y"], [0]),
    "field of another type": ([{"name": {"first": "x"}}, {"name": "y"}], [None, "y"], [0]),
    "field is a list": ([{"name": ["x"]}, {"name": "y"}], [None, "y"], [0]),
    "field is a number": ([{"name": 5}, {"name": "y"}], [None, "y"], [0]),
    "unknown entity": ([None, {"name": "y"}], [None, "y"], []),
    "extra fields": ([{"name": "x", "secret": 1, "users": []}, {"name": "y"}], ["x", "y"], []),
    "id as a number": ([{"id": 1, "name": "x"}, {"id": 2, "name": "y"}], ["x", "y"], []),
    "unknown type name": ([{"__typename": "Unheard", "name": "x"}, {"name": "y"}], ["x", "y"], []),
}


@pytest.mark.parametrize("name", SUSPICIOUS)
async def test_suspicious_entities(name: str) -> None:
    entities, names, bad = SUSPICIOUS[name]
    result = await users(["1", "2"], {"data": {"_entities": entities}})
    assert result.data == {"users": [{"name": n} for n in names]}
    assert errors_of(result) == [(["users", i, "name"], INVALID) for i in bad]


async def test_alias_that_looks_like_an_id_is_no_contradiction() -> None:
    plan = two_steps("{ me { __typename id } }", entity_fetch(2, ("me",), fields="id: name"))
    answers: dict[str, Any] = {"a": {"data": {"me": user("1")}}, "b": {"data": {"_entities": [{"id": "Ann"}]}}}
    result = await run(SDL, "{ me { name } }", plan, answers)
    assert [e.message for e in result.errors] == ["No subgraph gave a value for 'name'."]


async def test_missing_entities_key_and_no_data() -> None:
    for answer in ({"data": {}}, {"data": {"other": []}}):
        result = await users(["1"], answer)
        assert result.data == {"users": [{"name": None}]}
        assert errors_of(result) == [(["users", 0, "name"], INVALID)]


async def test_failed_fetch_has_an_error_at_each_lost_field() -> None:
    failure = SubgraphError("b", "down", code=errors.SUBGRAPH_HTTP_ERROR, status=503)
    result = await users(["1", "2"], failure)
    assert result.data == {"users": [{"name": None}, {"name": None}]}
    assert errors_of(result) == [(["users", i, "name"], errors.SUBGRAPH_HTTP_ERROR) for i in (0, 1)]
    assert result.errors[0].extensions == {"service": "b", "http": {"status": 503}}


async def test_a_client_that_crashes_is_an_error_too() -> None:
    result = await users(["1"], ZeroDivisionError("secret"))
    assert errors_of(result) == [(["users", 0, "name"], errors.INTERNAL_SERVER_ERROR)]
    assert "secret" not in result.errors[0].message


async def test_unconfigured_subgraph() -> None:
    result = await run(SDL, "{ users { name } }", USERS, {"a": {"data": {"users": [user("1")]}}})
    assert errors_of(result) == [(["users", 0, "name"], errors.SUBGRAPH_UNREACHABLE)]


async def test_entity_errors_are_at_every_place_of_the_entity() -> None:
    plan = two_steps("{ users { __typename id } me { __typename id } }", entity_fetch(2, ("users", EACH), ("me",)))
    reported = {"message": "no name", "path": ["_entities", 0, "name"], "extensions": {"code": "HIDDEN", "more": 1}}
    result = await run(
        SDL,
        "{ users { name } me { name } }",
        plan,
        {
            "a": {"data": {"users": [user("1"), user("2"), user("1")], "me": user("1")}},
            "b": {"data": {"_entities": [{"name": None}, {"name": "y"}]}, "errors": [reported]},
        },
    )
    assert result.data == {"users": [{"name": None}, {"name": "y"}, {"name": None}], "me": {"name": None}}
    assert errors_of(result) == [(p, "HIDDEN") for p in (["users", 0, "name"], ["users", 2, "name"], ["me", "name"])]
    assert result.errors[0].extensions == {"service": "b"}


@pytest.mark.parametrize(
    "path",
    [
        ["_entities", 0],
        ["_entities", 0, "name"],
        ["_entities"],
        [],
        None,
        ["_entities", 7],
        ["x"],
        ["_entities", "0"],
        [True],
        "x",
    ],
)
async def test_lost_entity_with_an_error_of_any_path(path: Any) -> None:
    reported = {"message": "broken"} if path is None else {"message": "broken", "path": path}
    result = await users(["1"], {"data": {"_entities": [None]}, "errors": [reported]})
    assert result.data == {"users": [{"name": None}]}
    assert [e.message for e in result.errors] == ["broken"]
    assert result.errors[0].code == errors.DOWNSTREAM_SERVICE_ERROR
    assert list(result.errors[0].path or ())[:2] == ["users", 0]


async def test_non_null_field_of_an_unknown_entity_propagates_with_an_error() -> None:
    plan = two_steps("{ users { __typename id } }", entity_fetch(2, ("users", EACH), fields="age"))
    answers: dict[str, Any] = {
        "a": {"data": {"users": [user("1"), user("2")]}},
        "b": {"data": {"_entities": [None, {"age": 4}]}},
    }
    result = await run(SDL, "{ users { age } }", plan, answers)
    assert result.data == {"users": [None, {"age": 4}]}
    assert errors_of(result) == [(["users", 0, "age"], INVALID)]


async def test_what_depends_on_a_failed_fetch_names_the_failure() -> None:
    plan = Plan(
        "query",
        Sequence(
            (
                fetch_of(1, "a", "{ me { __typename } }"),
                fetch_of(
                    2,
                    "b",
                    entity_fetch(2, fields="id").operation,
                    entities=(Entities((("me",),), (Representation(frozenset({"User"}), None, ()),)),),
                ),
                entity_fetch(3, ("me",), subgraph="c"),
            )
        ),
    )
    c = Scripted([by_id()])
    answers: dict[str, Any] = {"a": {"data": {"me": {"__typename": "User"}}}, "b": SubgraphError("b", "down"), "c": c}
    result = await run(SDL, "{ me { name } }", plan, answers)
    assert not c.requests
    assert [(e.message, list(e.path or ())) for e in result.errors] == [("down", ["me", "name"])]


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (SubgraphError("a", "down"), [("down", ["me", "name"])]),
        ({"data": {"me": {}}}, [("No subgraph gave a value for 'name'.", ["me", "name"])]),
    ],
    ids=["its fetch failed", "its fetch left it out"],
)
async def test_an_unknown_entity_explains_no_field_of_another_fetch(root: Any, expected: Any) -> None:
    plan = Plan(
        "query",
        Sequence(
            (
                fetch_of(1, "c", "{ me { __typename id } }"),
                Parallel((entity_fetch(2, ("me",), fields="age"), fetch_of(3, "a", "{ me { name } }"))),
            )
        ),
    )
    answers: dict[str, Any] = {
        "a": root,
        "b": {"data": {"_entities": [None]}},
        "c": {"data": {"me": user("1")}},
    }
    result = await run(SDL.replace("age: Int!", "age: Int"), "{ me { age name } }", plan, answers)
    assert result.data == {"me": {"age": None, "name": None}}
    assert [(e.message, list(e.path or ())) for e in result.errors] == expected


async def test_error_paths_end_with_the_clients_selection() -> None:
    plan = two_steps("{ me { __typename key: id } }", entity_fetch(2, ("me",)))
    reported = {"message": "no key", "path": ["me", "key"]}
    answers: dict[str, Any] = {
        "a": {"data": {"me": {"__typename": "User", "key": None}}, "errors": [reported]},
        "b": by_id(),
    }
    result = await run(SDL, "{ me { name } }", plan, answers)
    assert next((e.message, list(e.path or ())) for e in result.errors) == ("no key", ["me"])


async def test_renames_are_undone_in_data_and_error_paths() -> None:
    fetch = fetch_of(
        1,
        "a",
        "{ things { __typename ... on User { name } ... on Product { name_1: price } } }",
        renames=(Rename(("things", EACH, TypeCondition(frozenset({"Product"}))), "name_1", "name"),),
    )
    root = {
        "data": {"things": [{"__typename": "User", "name": "Ann"}, {"__typename": "Product", "name_1": None}]},
        "errors": [{"message": "no price", "path": ["things", 1, "name_1"]}],
    }
    query = "{ things { ... on User { name } ... on Product { name: price } } }"
    result = await run(SDL, query, Plan("query", fetch), {"a": root})
    assert result.data == {"things": [{"name": "Ann"}, {"name": None}]}
    assert errors_of(result) == [(["things", 1, "name"], errors.DOWNSTREAM_SERVICE_ERROR)]


async def test_errors_are_capped_and_counted() -> None:
    root = {"data": {"users": [user(str(i)) for i in range(500)]}}
    answers: dict[str, Any] = {"a": root, "b": SubgraphError("b", "down")}
    result = await run(SDL, "{ users { name } }", USERS, answers, max_errors=10)
    assert len(result.errors) == 10
    assert result.extensions == {"errorsOmitted": 490}


async def test_lists_of_unequal_length_are_not_mixed() -> None:
    """A field that two subgraphs share is asked of both; when their lists differ, objects can't be matched."""
    plan = Plan("query", Parallel((fetch_of(1, "a", "{ users { id } }"), fetch_of(2, "b", "{ users { name } }"))))
    answers: dict[str, Any] = {
        "a": {"data": {"users": [{"id": "1"}, {"id": "2"}]}},
        "b": {"data": {"users": [{"name": "x"}]}},
    }
    result = await run(SDL, "{ users { id name } }", plan, answers)
    assert result.data == {"users": [{"id": "1", "name": None}, {"id": "2", "name": None}]}
    assert errors_of(result) == [(["users", i, "name"], INVALID) for i in (0, 1)]


async def test_response_headers_are_collected() -> None:
    collected: list[tuple[str, str, str]] = []
    answers: dict[str, Any] = {
        "a": {"data": {"users": [user("1")]}, "headers": [("set-cookie", "a"), ("set-cookie", "b")]},
        "b": by_id(),
    }
    await run(SDL, "{ users { name } }", USERS, answers, response_headers=collected)
    assert collected == [("a", "set-cookie", "a"), ("a", "set-cookie", "b")]


async def test_deep_nesting_is_only_followed_as_far_as_asked() -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    rename = Rename(("friend",), "n", "name")
    fetch = entity_fetch(2, ("me",), fields="friend { n: name } tags", renames=(rename,))
    answers: dict[str, Any] = {
        "a": {"data": {"me": user("1")}},
        "b": {"data": {"_entities": [{"friend": deep, "tags": deep}]}},
    }
    plan = two_steps("{ me { __typename id } }", fetch)
    result = await run(SDL, "{ me { friend { name } tags } }", plan, answers)
    assert result.data == {"me": {"friend": None, "tags": [None]}}
    assert errors_of(result) == [(["me", "friend"], INVALID), (["me", "tags", 0], INVALID)]


async def test_many_errors_times_many_places_are_bounded() -> None:
    reported = [{"message": f"e{i}", "path": ["_entities", 0, "name"]} for i in range(20_000)]
    result = await users(["1"] * 5_000, {"data": {"_entities": [{"name": None}]}, "errors": reported})
    assert len(result.errors) == 50
    assert result.extensions["errorsOmitted"] >= 20_000 * 5_000 - 50


@pytest.mark.parametrize("delays", [(0.0, 0.02), (0.02, 0.0)])
async def test_layers_are_in_plan_order_whichever_is_quick(delays: tuple[float, float]) -> None:
    fetches = (entity_fetch(2, ("me",)), entity_fetch(3, ("me",), subgraph="c"))
    plan = two_steps("{ me { __typename id } }", Parallel(fetches))
    answers: dict[str, Any] = {
        "a": {"data": {"me": user("1")}},
        "b": Scripted([{"data": {"_entities": [{"name": "first"}]}}], delay=delays[0]),
        "c": Scripted([{"data": {"_entities": [{"name": "second"}]}}], delay=delays[1]),
    }
    assert (await run(SDL, "{ me { name } }", plan, answers)).data == {"me": {"name": "first"}}


@pytest.mark.parametrize("delays", [(0.0, 0.02), (0.02, 0.0)])
async def test_what_a_fetch_beside_gives_is_not_asked_with_whichever_is_quick(delays: tuple[float, float]) -> None:
    """A required field is lost with the fetch that was to give it, though another branch of the plan has it as well."""
    by_name = Representation(frozenset({"User"}), None, (KeyField("id", "id"), KeyField("name", "name")))
    friends: Path = ("users", EACH, "friend")
    requiring = fetch_of(4, "c", entity_fetch(4, fields="tags").operation, entities=(Entities((friends,), (by_name,)),))
    branches = (
        entity_fetch(3, friends, ("users", EACH), subgraph="d"),
        Sequence((entity_fetch(2, friends), requiring)),
    )
    c = Scripted([{"data": {"_entities": [{"tags": ["x"]}]}}])
    answers: dict[str, Any] = {
        "a": {"data": {"users": [user("1") | {"friend": user("2")}, None]}},
        "b": Scripted([SubgraphError("b", "down")], delay=delays[0]),
        "c": c,
        "d": Scripted([by_id()], delay=delays[1]),
    }
    root = "{ users { __typename id friend { __typename id } } }"
    query = "{ users { name friend { name tags } } }"
    result = await run(SDL, query, two_steps(root, Parallel(branches)), answers)
    friend = {"name": "name of 2", "tags": None}
    assert result.data == {"users": [{"name": "name of 1", "friend": friend}, None]}
    assert errors_of(result) == [(["users", 0, "friend", "tags"], errors.SUBGRAPH_UNREACHABLE)]
    assert not c.requests


async def test_a_value_wins_over_another_layers_null() -> None:
    """A root field that subgraphs share: one may not know the object, or a field of it."""
    fetches = (fetch_of(1, "a", "{ me { name friend { name } } }"), fetch_of(2, "b", "{ me { name friend { name } } }"))
    answers: dict[str, Any] = {
        "a": {"data": {"me": {"name": None, "friend": None}}},
        "b": {"data": {"me": {"name": "Ann", "friend": {"name": "Bob"}}}},
    }
    result = await run(SDL, "{ me { name friend { name } } }", Plan("query", Parallel(fetches)), answers)
    assert result.data == {"me": {"name": "Ann", "friend": {"name": "Bob"}}}


async def test_a_type_condition_of_a_path_leaves_others_out() -> None:
    both = Representation(frozenset({"User", "Product"}), None, (KeyField("id", "id"),))
    path: Path = ("things", EACH, TypeCondition(frozenset({"Product"})))
    b = Scripted([{"data": {"_entities": [{"name": "pen"}]}}])
    fetch = fetch_of(2, "b", entity_fetch(2).operation, entities=(Entities((path,), (both,)),))
    root = {"data": {"things": [user("1"), {"__typename": "Product", "id": "p"}, None, 5]}}
    query = "{ things { ... on Product { name } } }"
    result = await run(SDL, query, two_steps("{ things { __typename id } }", fetch), {"a": root, "b": b})
    assert b.requests[0].variables["representations"] == [{"__typename": "Product", "id": "p"}]
    assert result.data == {"things": [{}, {"name": "pen"}, None, None]}
    assert errors_of(result) == [(["things", 3], INVALID)]


PRICES = fetch_of(
    2,
    "b",
    "query($representations: [_Any!]!) { _entities(representations: $representations) { ... on Product { price } } }",
    entities=(
        Entities((("things", EACH),), (Representation(frozenset({"Product"}), None, (KeyField("name", "name"),)),)),
    ),
)


@pytest.mark.parametrize(
    ("index", "requires", "reported"),
    [
        pytest.param(0, False, [], id="no client asks for a product's name"),
        pytest.param(0, True, [["things", 0, "name"]], id="the price requires it"),
        pytest.param(1, False, [["things", 1, "name"]], id="the client asks for a user's name"),
    ],
)
async def test_errors_of_fields_that_other_types_are_asked_for(
    index: int, requires: bool, reported: list[list[str | int]]
) -> None:
    """A subgraph that can't tell types apart is asked for all objects' fields."""
    things = [{"__typename": "Product", "id": "1", "name": "p"}, {"__typename": "User", "id": "2", "name": "u"}]
    things[index] = {**things[index], "name": None}
    root = {"data": {"things": things}, "errors": [{"message": "no", "path": ["things", index, "name"]}]}
    fetch = fetch_of(1, "a", "{ things { __typename id name } }")
    plan = Plan("query", Sequence((fetch, PRICES))) if requires else Plan("query", fetch)
    query = "{ things { ... on User { name } " + ("... on Product { price } " if requires else "") + "} }"
    result = await run(SDL, query, plan, {"a": root, "b": {"data": {"_entities": [{"price": 3}]}}})
    assert result.data is not None
    assert [path for path, _ in errors_of(result)] == reported
    assert result.data["things"][0] == ({"price": 3} if requires else {})
