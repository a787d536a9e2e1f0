"""What clients see."""

import pytest

from botberi_gateway.composition import Subgraph, compose

LINK = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: [%s])\n'


@pytest.mark.parametrize(
    ("imported", "directive"),
    [
        ('"@inaccessible"', "@inaccessible"),
        ('{name: "@inaccessible", as: "@hide"}', "@hide"),
        ("", "@federation__inaccessible"),
    ],
)
def test_inaccessible_hides_under_any_name(imported: str, directive: str) -> None:
    sdl = LINK % imported + f"type Query {{ a: Int b: T {directive} }}\ntype T {directive} {{ c: Int }}"
    supergraph = compose([Subgraph("a", sdl)]).supergraph
    assert supergraph is not None
    api = supergraph.api_schema
    assert api.query_type is not None
    assert list(api.query_type.fields) == ["a"]
    assert "T" not in api.type_map
    assert "T" in supergraph.schema.type_map


def test_types_of_linked_specifications_are_hidden() -> None:
    """`context__ContextFieldValue` is hidden; a type that only has the name of a specification (`tag`) is not."""
    imports = '"@key", "@context", "@fromContext"'
    sdl = LINK % imports + (
        "type Query { a: A tag: tag }\ntype tag { x: Int }\n"
        'type A @key(fields: "id") @context(name: "c") { id: ID! label: String b: B }\n'
        'type B @key(fields: "id") { id: ID! f(x: String @fromContext(field: "$c { label }")): Int }'
    )
    supergraph = compose([Subgraph("a", sdl)]).supergraph
    assert supergraph is not None
    shown = {name for name in supergraph.api_schema.type_map if not name.startswith("__")}
    assert shown == {"Query", "A", "B", "tag", "ID", "String", "Int", "Boolean"}
