"""`compose` as callers use it: its results, the problems that it reports, and bad input."""

import json
import random
from pathlib import Path

import pytest

from botberi_gateway.composition import Location, Subgraph, compose, render
from botberi_gateway.supergraph import read_supergraph
from botberi_gateway.supergraph.compare import differences
from botberi_gateway.supergraph.print import print_supergraph

FED = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [%s])\n'


def fed(*imports: str) -> str:
    return FED % ", ".join(json.dumps(i) for i in imports)


USERS = Subgraph(
    "users",
    fed("@key")
    + 'type Query { me: User }\n"A person."\ntype User @key(fields: "id") { id: ID! name: String @deprecated }',
    "http://users",
)
REVIEWS = Subgraph(
    "reviews",
    fed("@key", "@external", "@requires", "@shareable")
    + 'type User @key(fields: "id") { id: ID! name: String @external '
    + 'greeting(loud: Boolean = false): String @requires(fields: "name") }',
    "http://reviews",
)


def test_joins_say_who_resolves_what() -> None:
    composition = compose([USERS, REVIEWS])
    assert composition.ok, composition.errors
    supergraph = composition.supergraph
    assert supergraph is not None
    assert {g.name: g.url for g in supergraph.graphs.values()} == {"users": "http://users", "reviews": "http://reviews"}
    user = supergraph.types["User"]
    assert [(j.graph, j.key) for j in user.joins] == [("REVIEWS", "id"), ("USERS", "id")]
    assert user.description == "A person."
    greeting = user.fields["greeting"]
    assert [(j.graph, j.requires) for j in greeting.joins] == [("REVIEWS", "name")]
    assert {(j.graph, j.external) for j in user.fields["name"].joins} == {("REVIEWS", True), ("USERS", False)}
    assert user.fields["id"].joins == ()
    assert [d.name.value for d in user.fields["name"].directives] == ["deprecated"]


def test_printed_supergraph_reads_back_and_is_the_same_for_any_order() -> None:
    first, second = compose([USERS, REVIEWS]), compose([REVIEWS, USERS])
    assert first.supergraph_sdl == second.supergraph_sdl
    assert first.supergraph_sdl is not None
    assert first.supergraph is not None
    again = read_supergraph(first.supergraph_sdl)
    assert differences(again, first.supergraph) == []
    assert print_supergraph(again) == first.supergraph_sdl


def test_errors_of_several_subgraphs_come_together() -> None:
    broken = Subgraph("broken", "type Query {\n  a: Int\n")
    wrong = Subgraph("wrong", fed("@key") + 'type Query { a: A }\ntype A @key(fields: "nope") { id: ID! }')
    composition = compose([USERS, broken, wrong])
    assert [(e.code, e.locations) for e in composition.errors] == [
        ("INVALID_GRAPHQL", (Location("broken", 3, 1),)),
        ("KEY_INVALID_FIELDS", (Location("wrong", 3, 8),)),
    ]


def test_rendered_error_shows_the_place() -> None:
    wrong = Subgraph("wrong", fed("@key") + 'type Query { a: A }\ntype A @key(fields: "nope") { id: ID! }')
    text = render(compose([wrong]).errors, [wrong])
    assert text.splitlines()[2:5] == [
        "     --> wrong:3:8",
        '    3 | type A @key(fields: "nope") { id: ID! }',
        "      |        ^^^^",
    ]


def test_unsatisfiable_query_is_shown_with_the_reason_of_each_subgraph() -> None:
    a = Subgraph("a", fed("@key", "@shareable") + "type Query { t: T }\ntype T { id: ID! @shareable }")
    b = Subgraph("b", fed("@key", "@shareable") + "type Query { u: T }\ntype T { id: ID! @shareable size: Int }")
    errors = compose([a, b]).errors
    assert [e.code for e in errors] == ["SATISFIABILITY_ERROR"]
    assert "{ t { size } }" in errors[0].message
    assert '"b" resolves it, but "T" has no resolvable @key there.' in errors[0].message


def test_hints_are_kept_when_composition_fails() -> None:
    a = Subgraph("a", 'type Query { a(x: E): Int }\n"one"\nenum E { A B }')
    b = Subgraph("b", 'type Query { b(x: E): Int c: Nope }\n"two"\nenum E { A }')
    assert compose([a, b]).hints == ()
    c = Subgraph("c", 'type Query { b(x: E): Int a(y: Int!): Int }\n"two"\nenum E { A }')
    composition = compose([a, c])
    assert not composition.ok
    assert "INCONSISTENT_DESCRIPTION" in {h.code for h in composition.hints}
    assert all(h.level != "ERROR" for h in composition.hints)


def test_federation_1_subgraphs_are_upgraded() -> None:
    accounts = Subgraph("accounts", 'type Query { me: User }\ntype User @key(fields: "id") { id: ID! name: String }')
    posts = Subgraph(
        "posts",
        'extend type User @key(fields: "id") { id: ID! @external posts: [Post] }\n'
        "type Post { id: ID! author: User }\nextend type Query { posts: [Post] }",
    )
    composition = compose([accounts, posts])
    assert composition.ok, composition.errors


def test_custom_directive_goes_along_where_it_is_composed() -> None:
    sdl = (
        fed("@composeDirective")
        + 'extend schema @link(url: "https://example.com/events/v1.0", import: ["@eventSource"]) '
        + '@composeDirective(name: "@eventSource")\n'
        + "directive @eventSource(topics: [String!]!) on FIELD_DEFINITION\n"
        + 'type Query { a: Int }\ntype Subscription { changed: Int @eventSource(topics: ["a.*"]) }'
    )
    sdl_out = compose([Subgraph("a", sdl)]).supergraph_sdl
    assert sdl_out is not None
    assert 'changed: Int @eventSource(topics: ["a.*"])' in sdl_out
    assert '@link(url: "https://example.com/events/v1.0", import: ["@eventSource"])' in sdl_out


@pytest.mark.parametrize(
    ("subgraphs", "code"),
    [
        ([], "NO_SUBGRAPHS"),
        ([USERS, USERS], "INVALID_SUBGRAPH_NAME"),
        ([Subgraph("", USERS.sdl)], "INVALID_SUBGRAPH_NAME"),
        ([Subgraph("a", "")], "INVALID_GRAPHQL"),
        ([Subgraph("a", "{ a }")], "INVALID_GRAPHQL"),
        ([Subgraph("a", "\x00")], "INVALID_GRAPHQL"),
        ([Subgraph("a", "type Query { a: " + "[" * 5000 + "Int" + "]" * 5000 + " }")], "INVALID_GRAPHQL"),
        ([Subgraph("a", "type Query { a: Int } type __Type { a: Int }")], "INVALID_GRAPHQL"),
        ([Subgraph("a", "type Query { a(b: Int = {}): Int }")], "INVALID_GRAPHQL"),
        (
            [Subgraph("a", fed("@key") + 'type Query { t: T } type T @key(fields: "' + "t {" * 3000 + '") { t: T }')],
            "KEY_INVALID_FIELDS",
        ),
        ([Subgraph("a", "extend schema @link(url: 5) type Query { a: Int }")], "INVALID_LINK_DIRECTIVE_USAGE"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_bad_input_is_an_error_with_a_code(subgraphs: list[Subgraph], code: str) -> None:
    assert code in {e.code for e in compose(subgraphs).errors}


def test_odd_but_fine_input() -> None:
    description = "ü" * 1_000_000
    members = [f"M{i}" for i in range(3_000)]
    sdl = (
        "\ufeff"
        + f'"""{description}"""\r\ntype Query {{\r\n  any: Any\r\n}}\r\nunion Any = {" | ".join(members)}\r\n'
        + "\r\n".join(f"type {m} {{ a: Int }}" for m in members)
    )
    composition = compose([Subgraph("große Straße", sdl)])
    assert composition.ok, composition.errors[:3]
    supergraph = read_supergraph(composition.supergraph_sdl or "")
    assert supergraph.types["Query"].description == description
    assert [g.name for g in supergraph.graphs.values()] == ["große Straße"]


def test_circles_of_requires_and_keys_end() -> None:
    imports = fed("@key", "@external", "@requires")
    a = Subgraph(
        "a",
        imports
        + 'type Query { t: T }\ntype T @key(fields: "id") { id: ID! x: Int @requires(fields: "y") y: Int @external }',
    )
    b = Subgraph("b", imports + 'type T @key(fields: "id") { id: ID! y: Int @requires(fields: "x") x: Int @external }')
    assert {e.code for e in compose([a, b]).errors} == {"SATISFIABILITY_ERROR"}
    c = Subgraph("c", imports + 'type Query { a: A }\ntype A @key(fields: "b { id }") { b: B }\ntype B { id: ID! }')
    d = Subgraph("d", imports + 'type A @key(fields: "b { id }") { b: B n: Int }\ntype B { id: ID! a: A }')
    assert {e.code for e in compose([c, d]).errors} <= {"INVALID_FIELD_SHARING", "SATISFIABILITY_ERROR"}


CASES = sorted((Path(__file__).parent / "cases").glob("*/*.graphql"))


@pytest.mark.parametrize("seed", range(4))
def test_mutants_never_raise(seed: int) -> None:
    """SDLs with tokens dropped, doubled, swapped: errors or a supergraph, no traceback (150 mutants a seed)."""
    dice = random.Random(seed)
    for _ in range(150):
        paths = dice.sample(CASES, 2)
        subgraphs = []
        for name, path in zip("ab", paths, strict=True):
            words = path.read_text().split(" ")
            for _ in range(dice.randint(1, 4)):
                place = dice.randrange(len(words))
                match dice.randrange(4):
                    case 0:
                        del words[place]
                    case 1:
                        words.insert(place, dice.choice(words or ["{"]))
                    case 2:
                        other = dice.randrange(len(words))
                        words[place], words[other] = words[other], words[place]
                    case _:
                        words[place] = dice.choice(
                            ["@key", "ID!", "}", "{", '"id"', "extend", "Query", "@external", "0"]
                        )
                words = words or ["type"]
            subgraphs.append(Subgraph(name, " ".join(words)))
        composition = compose(subgraphs)
        assert composition.ok == (composition.supergraph_sdl is not None)
        if composition.supergraph_sdl is not None:
            read_supergraph(composition.supergraph_sdl)
