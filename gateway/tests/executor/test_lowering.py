"""What a program is made of, before it is written as source: each row is an operation and what is decided for it."""

from typing import Any

import pytest
from graphql import build_schema

from botberi_gateway.executor.compiled.laying import lay_out
from botberi_gateway.executor.compiled.lowering import lower
from botberi_gateway.executor.compiled.printing import program_tree
from botberi_gateway.executor.compiled.response import Blame, Child, Leaf, Object
from botberi_gateway.plan import Entities, Fetch, KeyField, ListItems, Plan, Representation, Sequence, Withheld
from gateway.tests.support.operations import operation_of
from gateway.tests.support.plans import fetch_of

SCHEMA = build_schema(
    """
    type Query { items: [Item] best: Thing }
    type Item { id: ID! name: String price: Int }
    type Other { id: ID! }
    union Thing = Item | Other
    """
)
BY_ID = Representation(frozenset({"Item"}), "Item", (KeyField("id", "id"),))


def prices(*path: Any) -> Fetch:
    text = (
        "query($representations: [_Any!]!) { _entities(representations: $representations) { ... on Item { price } } }"
    )
    return fetch_of(1, "b", text, entities=(Entities((path,), (BY_ID,)),))


def lowered(query: str, first: str, *more: Fetch, withheld: tuple[Withheld, ...] = (), **how: bool) -> tuple[Any, Any]:
    plan = Plan("query", Sequence((fetch_of(0, "a", first), *more)), withheld=withheld)
    layout, operation = lay_out(plan, SCHEMA, {}), operation_of(SCHEMA, query)
    return layout, lower(layout, operation, **how)


ITEMS = "{ items { id name price } }", "{ items { id name } }", prices("items", ListItems())
DECIDED: dict[str, tuple[tuple[Any, ...], dict[str, Any], list[str], Any]] = {
    "an answer's own field": (ITEMS, {}, ["items: [Item]", "Item", "name: String"], ["fetch 0"]),
    "an entity's field": (ITEMS, {}, ["items: [Item]", "Item", "price: Int"], ["rows1_0"]),
    "both parts, in the plan's order": (ITEMS, {}, ["items: [Item]", "Item", "from"], ["fetch 0", "rows1_0"]),
    "a field that no answer has": (
        ("{ items { price } }", "{ items { id } }"),
        {},
        ["items: [Item]", "Item", "price: Int"],
        ["no answer: null, with an error"],
    ),
    "a field that is withheld": (
        ("{ items { price } }", "{ items { id } }"),
        {"withheld": (Withheld(("items", ListItems()), frozenset({"Item"}), frozenset({"price"})),)},
        ["items: [Item]", "Item", "price"],
        "withheld: null",
    ),
    "types that select alike are one choice": (
        ("{ best { __typename } }", "{ best { __typename } }"),
        {},
        ["best: Thing", "Thing", "if Item | Other", "__typename"],
        "the object's type",
    ),
    "types that select otherwise are choices": (
        ("{ best { ... on Item { name } } }", "{ best { __typename ... on Item { name } } }"),
        {},
        ["best: Thing", "Thing", "if Item", "name: String"],
        ["fetch 0"],
    ),
}


@pytest.mark.parametrize("what", DECIDED)
def test_where_each_field_comes_from(what: str) -> None:
    arguments, options, path, expected = DECIDED[what]
    tree: Any = program_tree(*lowered(*arguments, **options))["response"]["Query"]
    for name in path:
        assert name in tree, tree
        tree = tree[name]
    assert tree == expected


def test_equal_entities_are_made_once_where_their_key_decides_all() -> None:
    def item(query: str) -> Object:
        _, root = lowered(query, *ITEMS[1:])
        (member,) = root.fields.members
        assert isinstance(member, Child)
        assert isinstance(member.target, Object)
        return member.target

    assert item("{ items { id price } }").once_per is not None
    assert item("{ items { name price } }").once_per is None, "equal entities may have other names"


def test_a_missing_field_is_blamed_on_the_only_fetch_that_may_give_it() -> None:
    _, root = lowered(*ITEMS, for_errors=True)
    target = root.fields.members[0].target
    blames = {member.key: member.blame for member in target.fields.members if isinstance(member, Leaf)}
    assert all(isinstance(blame, Blame) for blame in blames.values())
    price = blames["price"]
    assert price is not None
    assert (price.only.fetch, price.base is target.base[0]) == (1, True)
    assert price.giver is not None
    assert price.giver.needs == [("id", None)], "its representation is made of the item's own id"
    assert target.once_per is None, "equal entities have other paths"
