"""Values that are the same in several subgraphs, however they are written: what of them comes into the supergraph."""

import pytest

from botberi_gateway.composition import Subgraph, compose

FED = (
    'extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", '
    'import: ["@shareable", "@requiresScopes", "@policy", "@listSize", "@key", "@interfaceObject", '
    '"@composeDirective"])\n'
)
OWN = (
    'extend schema @link(url: "https://x.example/w/v1.0", import: ["@w"]) @composeDirective(name: "@w")\n'
    "directive @w(a: Float = 1, l: [Int], o: J) repeatable on FIELD_DEFINITION\nscalar J\n"
)


@pytest.mark.parametrize(
    ("before", "first", "second", "merged"),
    [
        (
            "",
            '@requiresScopes(scopes: "ab")',
            '@requiresScopes(scopes: "cd")',
            '@requiresScopes(scopes: [["ab", "cd"]])',
        ),
        ("", '@requiresScopes(scopes: ["ab"])', '@requiresScopes(scopes: "ab")', '@requiresScopes(scopes: [["ab"]])'),
        ("", '@policy(policies: "ab")', '@policy(policies: [["ab"]])', '@policy(policies: [["ab"]])'),
        (
            "",
            '@listSize(slicingArguments: "n")',
            '@listSize(slicingArguments: ["n"])',
            '@listSize(slicingArguments: ["n"])',
        ),
        (
            "",
            '@listSize(slicingArguments: "n")',
            '@listSize(slicingArguments: "m")',
            '@listSize(requireOneSlicingArgument: true, slicingArguments: ["n", "m"])',
        ),
        ("", "@deprecated", '@deprecated(reason: "No longer supported")', "@deprecated"),
        ("", '@deprecated(reason: """x""")', '@deprecated(reason: "x")', '@deprecated(reason: """x""")'),
        (
            "",
            "@listSize(assumedSize: 5)",
            "@listSize(assumedSize: 5, requireOneSlicingArgument: true)",
            "@listSize(assumedSize: 5)",
        ),
        (OWN, "@w", "@w(a: 1.0)", "@w"),
        (OWN, "@w(l: 1, o: {a: 1, b: [2]})", "@w(o: {b: [2.0], a: 1}, l: [1])", "@w(l: [1], o: { a: 1, b: [2] })"),
    ],
)  # fmt: skip
def test_one_application_where_arguments_are_equal(before: str, first: str, second: str, merged: str) -> None:
    field = "type Query {{ q(n: Int, m: Int): [Int] @shareable {} }}"
    made = compose([Subgraph(n, FED + before + field.format(text)) for n, text in (("a", first), ("b", second))])
    assert made.ok, made.errors
    assert made.supergraph is not None
    assert made.supergraph_sdl is not None
    assert f" {merged}\n" in made.supergraph_sdl
    codes = {h.code for h in made.hints}
    differ = '"cd"' in second or '"m"' in second
    assert ("MERGED_NON_REPEATABLE_DIRECTIVE_ARGUMENTS" in codes) is differ
    assert "INCONSISTENT_NON_REPEATABLE_DIRECTIVE_ARGUMENTS" not in codes


def test_scopes_of_one_implementation_are_not_its_siblings() -> None:
    made = compose(
        [
            Subgraph(
                "a",
                FED
                + 'type I @interfaceObject @key(fields: "id") '
                + '{ id: ID! s: String @shareable @requiresScopes(scopes: [["S1"]]) }',
            ),
            Subgraph(
                "b",
                FED
                + 'type Query { i: I }\ninterface I @key(fields: "id") { id: ID! }\n'
                + 'type T implements I @key(fields: "id") { id: ID! }\n'
                + 'type U implements I @key(fields: "id") { id: ID! }',
            ),
            Subgraph(
                "c", FED + 'type T @key(fields: "id") { id: ID! s: String @shareable @requiresScopes(scopes: "S2") }'
            ),
        ]
    )
    assert made.supergraph_sdl is not None
    types = {text.split()[1]: text for text in made.supergraph_sdl.split("\n\n")}
    assert '@requiresScopes(scopes: [["S1"]])' in types["U"]
    assert '@requiresScopes(scopes: [["S1", "S2"]])' in types["T"]
    assert '@requiresScopes(scopes: [["S1", "S2"]])' in types["I"]


def test_one_of_and_empty_descriptions_are_kept() -> None:
    sdl = '""\ninput Pick @oneOf { "" id: ID name: String }\n""\ntype Query { "" q("" by: Pick): Int }'
    made = compose([Subgraph("a", sdl), Subgraph("b", "input Pick @oneOf { id: ID } type Query { r(by: Pick): Int }")])
    assert made.supergraph is not None
    pick = made.supergraph.types["Pick"]
    assert pick.description == ""
    assert [d.name.value for d in pick.directives] == ["oneOf"]
    assert made.supergraph.api_schema.type_map["Pick"].is_one_of  # type: ignore[attr-defined]
    query = made.supergraph.api_schema.query_type
    assert query is not None
    assert (query.description, query.fields["q"].description, query.fields["q"].args["by"].description) == ("", "", "")


def test_a_field_that_an_interface_object_gives_may_be_external() -> None:
    a = Subgraph("a", FED + 'type I @interfaceObject @key(fields: "id") { id: ID! age(x: Int): Int @deprecated }')
    b = Subgraph(
        "b",
        FED.replace('"@key"', '"@key", "@external"')
        + 'type Query { i: I }\ninterface I @key(fields: "id") { id: ID! age(x: Int): Int }\n'
        + 'type T implements I @key(fields: "id") { id: ID! age(x: Int): Int @external }',
    )
    made = compose([a, b])
    assert made.supergraph_sdl is not None
    assert "age(x: Int): Int @join__field(graph: B, external: true) @deprecated" in made.supergraph_sdl
