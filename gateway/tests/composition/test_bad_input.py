"""Bad and odd input, a table: a clear error with its code, or a supergraph; never a traceback, and never long."""

import time
from collections.abc import Callable

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.composition.report import findings, text
from botberi_gateway.supergraph import read_supergraph
from gateway.tests.composition import mutants


def fed(version: str, *imports: str) -> str:
    names = ", ".join(f'"{name}"' for name in imports)
    return f'extend schema @link(url: "https://specs.apollo.dev/federation/{version}", import: [{names}])\n'


V = "v2.9"
FINE = "type Query { a: Int }"


def one(sdl: str) -> list[Subgraph]:
    return [Subgraph("a", sdl)]


def members(count: int) -> str:
    names = [f"M{i}" for i in range(count)]
    return "\n".join(f"type {n} {{ a: Int }}" for n in names) + f"\nunion Any = {' | '.join(names)}\n"


BAD: dict[str, tuple[Callable[[], list[Subgraph]], str, str]] = {
    "an empty set": (list, "NO_SUBGRAPHS", "empty"),
    "two of one name": (
        lambda: [Subgraph("a", FINE), Subgraph("a", "type Query { b: Int }")],
        "INVALID_SUBGRAPH_NAME",
        '"a"',
    ),
    "a reserved name": (lambda: [Subgraph("_", FINE)], "INVALID_SUBGRAPH_NAME", "reserved"),
    "no name": (lambda: [Subgraph("  ", FINE)], "INVALID_SUBGRAPH_NAME", "no name"),
    "no SDL": (lambda: one(""), "INVALID_GRAPHQL", "<EOF>"),
    "blanks alone": (lambda: one(" \r\n\t\ufeff"), "INVALID_GRAPHQL", "<EOF>"),
    "a comment alone": (lambda: one("# later"), "INVALID_GRAPHQL", "<EOF>"),
    "an operation": (lambda: one("{ a }"), "INVALID_GRAPHQL", ""),
    "JSON": (lambda: one('{"data": {}}'), "INVALID_GRAPHQL", ""),
    "binary": (lambda: one("\x00\x01\x02"), "INVALID_GRAPHQL", ""),
    "half a surrogate": (lambda: one('type Query { "\ud800" a: Int }'), "INVALID_GRAPHQL", ""),
    "an unclosed brace": (lambda: one("type Query {\n  a: Int\n"), "INVALID_GRAPHQL", "<EOF>"),
    "an unclosed string": (lambda: one('type Query { "a'), "INVALID_GRAPHQL", ""),
    "introspection types": (lambda: one(FINE + " type __Type { a: Int }"), "INVALID_GRAPHQL", "__Type"),
    "a type of the join specification": (
        lambda: one("type join__Graph { a: Int } type Query { a: join__Graph }"),
        "INVALID_GRAPHQL",
        "join__",
    ),
    "a reserved field name": (lambda: one("type Query { __a: Int }"), "INVALID_GRAPHQL", "__a"),
    "an unknown type": (lambda: one("type Query { a: Nope }"), "INVALID_GRAPHQL", "Nope"),
    "an unknown directive": (lambda: one("type Query { a: Int @nope }"), "INVALID_GRAPHQL", "@nope"),
    "a type twice": (lambda: one(FINE + " type A { a: Int } type A { b: Int }"), "INVALID_GRAPHQL", "A"),
    "an unknown federation version": (lambda: one(fed("v2.999") + FINE), "UNKNOWN_FEDERATION_LINK_VERSION", "v2.999"),
    "a federation major to come": (lambda: one(fed("v3.0") + FINE), "UNKNOWN_FEDERATION_LINK_VERSION", "v3.0"),
    "no version": (lambda: one(fed("latest") + FINE), "INVALID_LINK_IDENTIFIER", "latest"),
    "an unknown import": (lambda: one(fed(V, "@nope") + FINE), "INVALID_LINK_DIRECTIVE_USAGE", "@nope"),
    "an import without @": (lambda: one(fed(V, "key") + FINE), "INVALID_LINK_DIRECTIVE_USAGE", "@key"),
    "an import to come later": (
        lambda: one(fed("v2.0", "@interfaceObject") + FINE),
        "INVALID_LINK_DIRECTIVE_USAGE",
        "later",
    ),
    "a deep field set": (
        lambda: one(fed(V, "@key") + 'type Query { t: T } type T @key(fields: "' + "t {" * 3000 + '") { t: T }'),
        "KEY_INVALID_FIELDS",
        "",
    ),
    "a field set with a fragment of itself": (
        lambda: one(fed(V, "@key") + 'type Query { t: T } type T @key(fields: "...T") { id: ID }'),
        "KEY_INVALID_FIELDS",
        "fragments",
    ),
    "an operation for a field set": (
        lambda: one(fed(V, "@key") + 'type Query { t: T } type T @key(fields: "id } { id") { id: ID }'),
        "KEY_INVALID_FIELDS",
        "",
    ),
    "a field set of nothing": (
        lambda: one(fed(V, "@key") + 'type Query { t: T } type T @key(fields: "") { id: ID }'),
        "KEY_INVALID_FIELDS",
        "",
    ),
    "a deep type": (
        lambda: one("type Query { a: " + "[" * 5000 + "Int" + "]" * 5000 + " }"),
        "INVALID_GRAPHQL",
        "deep",
    ),
    "a deep value": (
        lambda: one("type Query { a(b: [Int] = " + "[" * 5000 + "]" * 5000 + "): Int }"),
        "INVALID_GRAPHQL",
        "deep",
    ),
    "interfaces in a circle": (
        lambda: one(FINE + " interface A implements B { a: Int } interface B implements A { a: Int }"),
        "INVALID_GRAPHQL",
        "",
    ),
    "an argument that is no input": (lambda: one("type Query { a(n: Query = 3): Int }"), "INVALID_GRAPHQL", "Query"),
    "an extension of another kind": (
        lambda: one(FINE + " extend type Note { a: Int } input Note { b: Int }"),
        "INVALID_GRAPHQL",
        "Note",
    ),
    "an object named as a scalar of GraphQL": (
        lambda: one(FINE + " extend type Int { a: ID }"),
        "INVALID_GRAPHQL",
        "Int",
    ),
    "a field of a federation type": (
        lambda: one("type Query { a: _Service _service: _Service! } type _Service { sdl: String }"),
        "INVALID_GRAPHQL",
        "Query.a",
    ),
    "a client's directive with a federation type": (
        lambda: one(fed(V, "@key") + FINE + " directive @x(a: federation__FieldSet) on FIELD"),
        "INVALID_GRAPHQL",
        "@x",
    ),
    "an input that needs itself": (
        lambda: one("input I { i: I! } type Query { a(i: I): Int }"),
        "INVALID_GRAPHQL",
        "I",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_reported(name: str) -> None:
    make, code, said = BAD[name]
    subgraphs = make()
    errors = compose(subgraphs).errors
    matching = [e for e in errors if e.code == code]
    assert matching, [(e.code, e.message) for e in errors]
    assert any(said in e.message for e in matching), [e.message for e in matching]
    report = text(findings(errors, subgraphs))
    assert code in report
    assert "Traceback" not in report
    assert max(len(line) for line in report.splitlines()) < 20_000


ODD: dict[str, Callable[[], list[Subgraph]]] = {
    "one subgraph": lambda: one(FINE),
    "a BOM": lambda: one("\ufeff" + FINE),
    "CRLF": lambda: one('"""\r\ntext\r\n"""\r\ntype Query {\r\n  a: Int\r\n}\r\n'),
    "CR alone": lambda: one("type Query {\r  a: Int\r}\r"),
    "a description of 1 MB": lambda: one(f'"""{"ü" * 1_000_000}"""\n{FINE}'),
    "1 MB in one line": lambda: one(f'"{"x" * 1_000_000}" {FINE}'),
    "a union of 10,000 members": lambda: one(members(10_000) + "type Query { any: Any }"),
    "an enum of 10,000 values": lambda: one(
        "enum E { " + " ".join(f"V{i}" for i in range(10_000)) + " } type Query { e: E }"
    ),
    "a type of 5,000 fields": lambda: one("type Query { " + " ".join(f"f{i}: Int" for i in range(5_000)) + " }"),
    "Unicode in descriptions": lambda: one('"""日本語 \U0001f600 \u202e ق"""\n' + FINE),
    "a name of any signs": lambda: [Subgraph("große Straße/1 \U0001f600", FINE)],
    "names that are one in join__Graph": lambda: [Subgraph("a-b", FINE), Subgraph("a_b", "type Query { b: Int }")],
    "a key through itself": lambda: one(
        fed(V, "@key") + 'type Query { t: T } type T @key(fields: "t { t { id } }") { id: ID! t: T! }'
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_input_composes(name: str) -> None:
    started = time.process_time()
    made = compose(ODD[name]())
    assert made.ok, [e.message[:200] for e in made.errors[:3]]
    assert made.supergraph_sdl is not None
    assert read_supergraph(made.supergraph_sdl).to_sdl() == made.supergraph_sdl
    assert time.process_time() - started < 20


def test_an_error_in_a_line_of_1_mb_is_shown_in_short() -> None:
    subgraphs = one(f'"{"x" * 1_000_000}" type Query {{ a: Nope }}')
    report = text(findings(compose(subgraphs).errors, subgraphs))
    excerpt, caret = report.splitlines()[3:5]
    assert excerpt[caret.index("^") :].startswith("Nope")
    assert len(report) < 2_000


def test_lines_are_counted_as_editors_do() -> None:
    for end in ("\n", "\r\n", "\r"):
        subgraphs = one(end.join(["\ufeff# first", "type Query {", "\ta: Nope", "}"]))
        (error,) = findings(compose(subgraphs).errors, subgraphs)
        (place,) = error.places
        assert (place.line, place.column) == (3, 5)
        assert (place.excerpt, place.caret) == ("\ta: Nope", "\t   ^^^^")


def test_an_error_of_one_subgraph_hides_none_of_another() -> None:
    subgraphs = [
        Subgraph("a", "type Query {"),
        Subgraph("b", "type Query { b: Nope }"),
        Subgraph("c", fed(V, "@key") + 'type Query { t: T } type T @key(fields: "x") { id: ID }'),
        Subgraph("d", fed("v9.9") + FINE),
    ]
    assert {(e.code, e.locations[0].subgraph) for e in compose(subgraphs).errors} == {
        ("INVALID_GRAPHQL", "a"),
        ("INVALID_GRAPHQL", "b"),
        ("KEY_INVALID_FIELDS", "c"),
        ("UNKNOWN_FEDERATION_LINK_VERSION", "d"),
    }


def test_mutants_are_answered() -> None:
    """The fixed share of `python -m gateway.tests.composition.mutants`, which runs 20,000."""
    seen, raised = mutants.run(seed=4, count=700)
    assert not raised, raised[0]
    assert len(seen) > 40


def test_very_many_errors_are_reported_soon() -> None:
    unknown = "type Query {\n" + "\n".join(f"  f{i}: Nope{i}" for i in range(3_000)) + "\n}"
    unshared = "type Query {\n" + "\n".join(f"  f{i}: Int" for i in range(3_000)) + "\n}"
    started = time.process_time()
    errors = compose(one(unknown)).errors
    assert {e.code for e in errors} == {"INVALID_GRAPHQL"}
    assert 100 <= len(errors) <= 1_000
    subgraphs = [Subgraph(name, fed(V) + unshared) for name in "ab"]
    made = compose(subgraphs)
    assert len(made.errors) == 3_000
    assert all(len(f.patch) == 2 for f in findings(made.errors, subgraphs))
    assert time.process_time() - started < 15
