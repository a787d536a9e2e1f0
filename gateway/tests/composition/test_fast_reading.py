"""Our reader of SDL and our check of validity beside graphql-core's.

Both read the same documents, and ours accepts none that graphql-core refuses.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import DirectiveDefinitionNode, DocumentNode, GraphQLError, Node, Source, parse

from botberi_gateway.composition.ingest.graphql_rules import errors_by_rules, is_certainly_valid
from botberi_gateway.composition.ingest.vocabulary import vocabulary
from botberi_gateway.federation import read_links
from botberi_gateway.federation.sdl import SdlSource, parse_sdl
from botberi_gateway.federation.versions import FEDERATION, FEDERATION_1, KNOWN_FEDERATION
from gateway.tests.composition.mutants import bases, mutants
from lab.bench.composition.random_sets import random_set

ODDITIES = [
    "",
    "# only a comment",
    "type Query { a: Int } # end",
    "\ufefftype Query{a:Int,b:[Int!]!}",
    "type Query {\r\n  a: Int\r\r\n  b: Int\n\n}",
    'type Query { a(x: String = "\\u0041\\n\\"q\\""): Int }',
    'type Query { a(x: String = """block \\""" more"""): Int }',
    '"""\n  One\n    Two\n"""\ntype Query { "" a: Int """""" b: Int }',
    'type Query { a: [ Int ! ] ! b : Int @ deprecated ( reason : "x" ) }',
    "type Query { a: [[[Int!]!]!]! b: [Int]] }",
    "type Query { a: [Int!!] }",
    "type Query { a(x: Int = -0, y: Float = 1.5e-3, z: Int = 00): Int }",
    "type Query { a(x: Int = 1a): Int }",
    "type Query { a(x: I = {a: [1, {b: null}], c: $x}): Int }",
    "type Query { a(x: I = {a: [1, {b: null}] c: X}): Int }",
    "type Query {}",
    "type Query { a(): Int }",
    "type Query implements & A & B { a: Int }",
    "type Query implements A B { a: Int }",
    "union U = | A | B union V @x extend union V = A",
    "enum E { A B @deprecated true }",
    "extend type Query",
    "extend schema",
    'extend schema @link(url: "u") { query: Q } schema { query: Q mutation: M }',
    "schema @a",
    '"text" schema { query: Q }',
    '"text" extend type A { b: Int }',
    "directive @a(x: Int = 1 @b) repeatable on | FIELD | OBJECT",
    "directive @a on NOWHERE",
    "directive @a FIELD",
    "directive @ a on FIELD",
    "extend directive @a @b",
    "query { a } type Query { a: Int }",
    "type é { a: Int }",
    "type A { é: Int }",
    'type A { a: Int "é\u2028" b: Int }',
    'type A { "\ud800" a: Int }',
    "type A { a: Int \x00 }",
    "input I { a: Int = 1 @x b: [Int] = [1 2 , 3] }",
    'scalar Date @specifiedBy(url: "u") extend scalar Date @x',
    "interface Node { id: ID! } interface B implements Node & C",
    'type A @k(fields: "id") @k(fields: """id""") { id: ID }',
    "type Query { a(x: Int! @deprecated, y: Int! = 1 @deprecated): Int }",
    "input I { a: Int! @deprecated } type Query { a(i: I): Int }",
    "directive @d(a: Int! @deprecated) on FIELD type Query { a: Int }",
    "scalar S @specifiedBy type Query { a: S }",
    'scalar S @specifiedBy(url: "u") @specifiedBy(url: "v") type Query { a: S @deprecated(reason: 1) }',
    "input I @oneOf { a: Int! b: Int } type Query { a(i: I): Int }",
    "type A { type: type input: input } enum on { on }",
]


def sdls() -> Iterator[str]:
    """Oddities, cases with their mutants, and sets of the generator, broken ones too."""
    yield from ODDITIES
    for subgraphs in [*bases()[::2], *mutants(17, 250), *(random_set(seed)[1] for seed in range(15))]:
        for subgraph in subgraphs:
            yield subgraph.sdl


pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return list(dict.fromkeys(sdls()))


def answer(read: Any, text: str) -> DocumentNode | tuple[str, Any]:
    try:
        document: DocumentNode = read(SdlSource(text))
    except GraphQLError as error:
        return error.message, error.locations
    return document


def check_same(ours: Any, theirs: Any) -> None:
    if not isinstance(theirs, Node):
        if isinstance(theirs, tuple):
            assert isinstance(ours, tuple)
            assert len(ours) == len(theirs)
            for one, other in zip(ours, theirs, strict=True):
                check_same(one, other)
        else:
            assert ours == theirs
        return
    assert type(ours) is type(theirs)
    assert ours.loc is None or ours.loc == theirs.loc
    for key in theirs.keys:
        if key != "loc":
            check_same(getattr(ours, key), getattr(theirs, key))


def test_documents_are_those_of_graphql_core(texts: list[str]) -> None:
    for text in texts:
        check_same(answer(parse_sdl, text), answer(parse, text))


def test_what_is_called_valid_has_no_error_by_the_rules(texts: list[str]) -> None:
    sure = doubted = 0
    for text in texts:
        document = answer(parse_sdl, text)
        if not isinstance(document, DocumentNode):
            continue
        links = read_links(document)
        link = links.of(FEDERATION)
        version = link.url.version if link is not None and link.url.version is not None else FEDERATION_1
        if links.faults or (version not in KNOWN_FEDERATION and version != FEDERATION_1):
            continue
        defined = {d.name.value for d in document.definitions if isinstance(d, DirectiveDefinitionNode)}
        words = vocabulary(links, version, defined)
        errors = errors_by_rules(parse(Source(text)), links, words)
        if is_certainly_valid(document, links, words):
            sure += 1
            assert not errors, (text, errors)
        elif not errors:
            doubted += 1
    assert sure > 200  # so it was looked at
    assert doubted < sure / 20  # and nearly all that is valid is known to be so


def test_places_are_those_of_graphql_core() -> None:
    text = '"""\nA\n"""\n# c\ntype Query {\r\n  "b"  a: Int\r  b: Int\n}\n'
    document, source = parse_sdl(SdlSource(text)), SdlSource(text)
    theirs = parse(text)
    for ours, other in zip(document.definitions[0].fields, theirs.definitions[0].fields, strict=True):  # type: ignore[attr-defined]
        assert source.position(ours.loc.start) == (other.loc.start_token.line, other.loc.start_token.column)
