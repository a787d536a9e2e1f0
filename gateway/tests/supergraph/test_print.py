"""Supergraph -> SDL -> supergraph: nothing is lost, whichever composer wrote it and in whichever join version."""

from pathlib import Path

import pytest

from botberi_gateway.errors import SupergraphError
from botberi_gateway.federation import Version
from botberi_gateway.supergraph import read_supergraph
from botberi_gateway.supergraph.compare import differences
from botberi_gateway.supergraph.print import print_supergraph
from gateway.tests.support.shared import SHARED, needs

RICH = '''
"""
The whole.

  Indented.
"""
schema
  @link(url: "https://specs.apollo.dev/link/v1.0")
  @link(url: "https://specs.apollo.dev/join/v0.5", for: EXECUTION)
  @link(url: "https://specs.apollo.dev/tag/v0.3")
{
  query: Query
  mutation: Change
}
directive @tag(name: String!) repeatable on FIELD_DEFINITION | OBJECT | ARGUMENT_DEFINITION | ENUM_VALUE
enum join__Graph {
  A @join__graph(name: "a \\"quoted\\"", url: "http://a/?x=1&y=\\\\")
  B @join__graph(name: "b", url: "")
}
type Query @join__type(graph: A) @join__type(graph: B) {
  "one line"
  thing(
    "which"
    id: ID! = "x" @tag(name: "t")
    filter: Filter = {kind: ONE, list: [1, 2]}
  ): Thing @join__field(graph: A, provides: "name") @join__field(graph: B, override: "a", overrideLabel: "percent(5)")
  node: Node @join__field(graph: A) @deprecated(reason: "old")
}
type Change @join__type(graph: A) { go: Boolean }
interface Node @join__type(graph: A, key: "id") @join__type(graph: B, key: "id", isInterfaceObject: true) {
  id: ID!
  extra: Int @join__field(graph: B)
}
type Thing implements Node @join__implements(graph: A, interface: "Node")
  @join__type(graph: A, key: "id") @join__type(graph: A, key: "sku { code }", resolvable: false)
  @join__type(graph: B, key: "id", extension: true) @tag(name: "public") {
  id: ID!
  sku: Sku @join__field(graph: A, type: "Sku!") @join__field(graph: B, external: true, usedOverridden: true)
  name: String @join__field(graph: A, external: true) @join__field(graph: B)
  label: String @join__field(graph: B, requires: "name", \
contextArguments: [{context: "b__c", name: "l", type: "String", selection: "{ x }"}])
  extra: Int @join__field
}
type Sku @join__type(graph: A) \
@join__directive(graphs: [A], name: "connect", args: {http: {GET: "/x"}}) { code: String }
union Any @join__type(graph: A) @join__unionMember(graph: A, member: "Thing") = Thing
enum Kind @join__type(graph: A) { ONE @join__enumValue(graph: A) @tag(name: "x") }
input Filter @join__type(graph: A) @join__type(graph: B) {
  """
  ends in a backslash \\\\
  """
  kind: Kind = ONE @join__field(graph: A, type: "Kind!") @join__field(graph: B)
  list: [Int!]
}
scalar Date @join__type(graph: B) @specifiedBy(url: "https://example.com/date")
'''


def test_everything_survives() -> None:
    supergraph = read_supergraph(RICH)
    printed = print_supergraph(supergraph)
    again = read_supergraph(printed)
    assert differences(supergraph, again) == []
    assert print_supergraph(again) == printed
    assert again.description == "The whole.\n\n  Indented."
    assert [g.name for g in again.graphs.values()] == ['a "quoted"', "b"]
    assert again.graphs["A"].url == "http://a/?x=1&y=\\"


@pytest.mark.parametrize(
    "text", ["a", "  led by spaces", "two\nlines", '"""', 'ends in "', "\\", "\ttab", "ü\u2028", "", " ", "a\n"]
)
def test_descriptions_survive_letter_by_letter(text: str) -> None:
    from dataclasses import replace

    supergraph = replace(read_supergraph(RICH), description=text)
    assert read_supergraph(print_supergraph(supergraph)).description == text


def test_join_versions() -> None:
    supergraph = read_supergraph(RICH)
    older = print_supergraph(supergraph, Version(0, 4))
    assert "join/v0.4" in older
    assert "contextArguments: [join__ContextArgument!]" not in older
    with pytest.raises(ValueError, match=r"not v0\.1"):
        print_supergraph(supergraph, Version(0, 1))


V0_1 = """
schema @core(feature: "https://specs.apollo.dev/core/v0.1") \
@core(feature: "https://specs.apollo.dev/join/v0.1") { query: Query }
directive @core(feature: String!) repeatable on SCHEMA
scalar join__FieldSet
enum join__Graph {
  USERS @join__graph(name: "users" url: "http://users")
  POSTS @join__graph(name: "posts" url: "http://posts")
}
type Query { me: User @join__field(graph: USERS) posts: [Post] @join__field(graph: POSTS) }
type User @join__owner(graph: USERS) @join__type(graph: USERS, key: "id") @join__type(graph: POSTS, key: "id") {
  id: ID! @join__field(graph: USERS)
  name: String
  posts: [Post] @join__field(graph: POSTS, requires: "id")
}
type Post { title: String }
"""


def test_federation_1_supergraph_is_read() -> None:
    supergraph = read_supergraph(V0_1)
    user = supergraph.types["User"]
    assert [j.graph for j in user.fields["name"].joins] == ["USERS"]
    assert [(j.graph, j.requires) for j in user.fields["posts"].joins] == [("POSTS", "id")]
    assert {j.graph for j in supergraph.types["Post"].joins} == {"USERS", "POSTS"}
    again = read_supergraph(print_supergraph(supergraph))
    assert differences(supergraph, again) == []


def test_what_is_no_supergraph_is_refused() -> None:
    for text in ("type Query { a: Int }", "type Query {", ""):
        with pytest.raises(SupergraphError):
            read_supergraph(text)


def _given() -> list[Path]:
    return sorted([*SHARED.glob("federation/*/supergraph.graphql"), *SHARED.glob("planner/supergraphs/*.graphql")])


@needs(SHARED, "supergraphs that other composers made, read and printed again")
@pytest.mark.parametrize("path", _given(), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_supergraphs_of_other_composers_survive(path: Path) -> None:
    supergraph = read_supergraph(path.read_text())
    printed = print_supergraph(supergraph)
    again = read_supergraph(printed)
    assert differences(supergraph, again) == []
    assert print_supergraph(again) == printed
