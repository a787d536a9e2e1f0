"""Supergraphs that nothing can be made of: what is wrong, with its line, instead of a failure later."""

import pytest

from botberi_gateway.errors import SupergraphError
from botberi_gateway.supergraph import read_supergraph

SUPERGRAPH = """schema @link(url: "https://specs.apollo.dev/link/v1.0") \
@link(url: "https://specs.apollo.dev/join/v0.5", for: EXECUTION) {
  query: Query
}
enum join__Graph { A @join__graph(name: "a", url: "http://a/") }
scalar join__FieldSet
type Query @join__type(graph: A) {
  product(by: By): Product
}
interface Node @join__type(graph: A) { id: ID! }
type Product implements Node @join__implements(graph: A, interface: "Node") @join__type(graph: A, key: "id") {
  id: ID!
  size: Size @join__field(graph: A)
}
union Any @join__type(graph: A) @join__unionMember(graph: A, member: "Product") = Product
enum Size { SMALL @join__enumValue(graph: A) }
input By { id: ID }
"""  # fmt: skip


def test_the_supergraph_as_it_is_can_be_read() -> None:
    assert read_supergraph(SUPERGRAPH).api_schema.query_type is not None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("product(by: By): Product", "product: Prodct", 'line 7: "Query.product" is of the type "Prodct"'),
        ("by: By", "by: Bi", 'line 7: "Query.product(by:)" is of the type "Bi"'),
        ("by: By", "by: [Product!]!", 'line 7: "Query.product(by:)" is of the type "Product", which is an object'),
        ("size: Size", "size: By", 'line 12: "Product.size" is of the type "By", which is an input object'),
        ("input By { id: ID }", "input By { id: Nope }", 'line 16: "By.id" is of the type "Nope"'),
        ("size: Size", "size: join__FieldSet", 'line 12: "Product.size" is of the type "join__FieldSet"'),
        ("query: Query", "query: Qury", 'line 2: The query root is the type "Qury"'),
        ("query: Query", "query: Query mutation: Size", 'line 2: The mutation root "Size" is an enum'),
        ("implements Node", "implements Nodes", 'line 10: "Product" implements "Nodes"'),
        ("implements Node", "implements Any", 'line 10: "Product" implements "Any", which is a union'),
        ("= Product", "= Product | Nope", 'line 14: "Any" has the member "Nope"'),
        ("(graph: A, key", "(graph: B, key", 'line 10: @join__type of "Product" has the argument "graph"'),
        ("(graph: A, key", "(key", 'line 10: @join__type of "Product" lacks the argument "graph"'),
        ('key: "id"', 'key: "id {"', 'line 10: @join__type of "Product" has the argument "key"'),
        ('key: "id"', "key: [id]", 'line 10: @join__type of "Product" has the argument "key", which is no string'),
        ("@join__field(graph: A)", '@join__field(graph: A, type: "[")', "line 12: @join__field"),
        ("@join__field(graph: A)", "@join__field(graph: A, contextArguments: [{name: 1}])", "line 12: @join__field"),
        (', member: "Product"', "", 'line 14: @join__unionMember of "Any" lacks the argument "member"'),
        ('name: "a", ', "", 'line 4: @join__graph of "join__Graph.A" lacks the argument "name"'),
        ("input By", "input Size", 'line 16: "Size" is defined twice'),
        ("  id: ID!\n", "  id: ID!\n  id: Int\n", 'line 12: "Product.id" is defined twice'),
        ("query: Query", "query: {", "can't be parsed: Syntax Error: Expected Name, found '{'. (line 2, column 10)"),
        ("id: ID }", "id: " + "[" * 3000 + "ID" + "]" * 3000 + " }", "nested too deep"),
        ("enum join__Graph", "enum Graph", "no supergraph"),
    ],
)
def test_what_is_malformed_is_reported_with_its_line(old: str, new: str, message: str) -> None:
    assert SUPERGRAPH.count(old) == 1
    with pytest.raises(SupergraphError) as raised:
        _ = read_supergraph(SUPERGRAPH.replace(old, new)).api_schema
    assert message in raised.value.message
