"""Contracts: what clients of a variant see, and when there is none."""

import pytest
from graphql import print_schema

from botberi_gateway.composition import Subgraph, compose, contract
from botberi_gateway.planner import build_plan
from botberi_gateway.supergraph import Supergraph

SDL = """
extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@tag", "@inaccessible"])

type Query {
  product(id: ID!, draft: Boolean @tag(name: "internal")): Product @tag(name: "public")
  audit: Audit @tag(name: "internal")
  search(filter: Filter): [Hit!] @tag(name: "public")
}

type Product @key(fields: "id") {
  id: ID! @tag(name: "public")
  name: String @tag(name: "public") @tag(name: "partner")
  cost: Int @tag(name: "internal")
  unit: Unit @tag(name: "public")
}

type Audit @tag(name: "internal") {
  id: ID!
  by: String
}

union Hit = Product | Audit

enum Unit {
  KG
  PALLET @tag(name: "internal")
}

input Filter {
  text: String
  by: String @tag(name: "internal")
}
"""


def graph(sdl: str = SDL) -> Supergraph:
    made = compose([Subgraph("a", sdl, "http://a")])
    assert made.supergraph is not None, made.errors
    return made.supergraph


def api(supergraph: Supergraph | None) -> str:
    assert supergraph is not None
    return "\n\n".join(part for part in print_schema(supergraph.api_schema).split("\n\n") if "directive @" not in part)


def test_excluded_tags_are_hidden() -> None:
    made = contract(graph(), exclude=["internal"])
    assert made.ok, made.errors
    shown = api(made.supergraph)
    assert "type Query {\n  product(id: ID!): Product\n  search(filter: Filter): [Hit!]\n}" in shown
    assert "type Product {\n  id: ID!\n  name: String\n  unit: Unit\n}" in shown
    assert "union Hit = Product\n" in shown + "\n"
    assert "enum Unit {\n  KG\n}" in shown
    assert "input Filter {\n  text: String\n}" in shown
    assert "Audit" not in shown


def test_included_tags_keep_what_has_them_alone() -> None:
    made = contract(graph(), include=["public"])
    assert made.ok, made.errors
    text = api(made.supergraph)
    assert "cost" not in text
    assert "audit" not in text
    assert "type Audit" not in text
    assert "PALLET" in text  # values, arguments and input fields are theirs who stay
    assert "draft" in text


def test_both_together_exclude_first() -> None:
    made = contract(graph(), include=["public", "internal"], exclude=["internal"])
    assert made.ok, made.errors
    assert "draft" not in api(made.supergraph)
    assert "PALLET" not in api(made.supergraph)


def test_a_types_tag_is_its_fields() -> None:
    made = contract(graph(), include=["internal"])
    assert made.ok, made.errors
    assert "type Audit {\n  id: ID!\n  by: String\n}" in api(made.supergraph)


def test_types_that_nothing_leads_to() -> None:
    sdl = SDL.replace("audit: Audit @tag", "audit: String @tag").replace(
        "union Hit = Product | Audit", "union Hit = Product"
    )
    assert "type Audit" in api(contract(graph(sdl), exclude=["secret"]).supergraph)
    assert "type Audit" not in api(contract(graph(sdl), exclude=["secret"], hide_unreachable=True).supergraph)


def test_the_variant_is_a_supergraph_like_any() -> None:
    made = contract(graph(), exclude=["internal"])
    assert made.supergraph_sdl is not None
    again = Supergraph.from_sdl(made.supergraph_sdl)
    assert again.to_sdl() == made.supergraph_sdl
    assert api(again) == api(made.supergraph)
    assert '@link(url: "https://specs.apollo.dev/inaccessible/v0.2", for: SECURITY)' in made.supergraph_sdl
    assert build_plan(again, '{ product(id: "1") { name } }').fetch_count == 1


@pytest.mark.parametrize(
    ("include", "exclude", "code"),
    [
        (["nothing has it"], [], "ONLY_INACCESSIBLE_CHILDREN"),
        ([], ["public", "internal"], "ONLY_INACCESSIBLE_CHILDREN"),
    ],
)
def test_nothing_remains(include: list[str], exclude: list[str], code: str) -> None:
    made = contract(graph(), include=include, exclude=exclude)
    assert made.supergraph is None
    assert {e.code for e in made.errors} == {code}
    assert '"Query"' in made.errors[0].message


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('audit: Audit @tag(name: "internal")', "audit: Audit", "REFERENCED_INACCESSIBLE"),
        ("draft: Boolean @tag", "draft: Boolean! @tag", "REQUIRED_INACCESSIBLE"),
        ("by: String @tag", "by: String! @tag", "REQUIRED_INACCESSIBLE"),
        ("draft: Boolean @tag(name: \"internal\")", "unit: Unit = PALLET", "DEFAULT_VALUE_USES_INACCESSIBLE"),
    ],
)  # fmt: skip
def test_a_reference_would_break(old: str, new: str, code: str) -> None:
    assert old in SDL
    made = contract(graph(SDL.replace(old, new)), exclude=["internal"])
    assert made.supergraph is None
    assert {e.code for e in made.errors} == {code}


def test_an_interface_needs_its_fields() -> None:
    sdl = (
        SDL
        + 'interface Named { name: String }\ntype Shop implements Named { name: String @tag(name: "internal") a: Int }'
    )
    assert {e.code for e in contract(graph(sdl), exclude=["internal"]).errors} == {"IMPLEMENTED_BY_INACCESSIBLE"}


def test_a_renamed_tag() -> None:
    sdl = SDL.replace('"@tag"', '{name: "@tag", as: "@label"}').replace("@tag(", "@label(")
    assert "cost" not in api(contract(graph(sdl), exclude=["internal"]).supergraph)
