"""What clients see."""

import pytest

from gateway.composition import Subgraph, compose

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
