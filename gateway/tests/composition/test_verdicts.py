"""Small sets of subgraphs with the codes (or "ok") that the reference composer gives, `@apollo/composition` 2.14.4.

A folder is a case, within one for its area: `subgraphs/*.graphql`, and `expected` with the codes, which that composer
gave. Its supergraph was compared by meaning where both compose.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.federation import Version
from botberi_gateway.supergraph import read_supergraph
from botberi_gateway.supergraph.compare import differences

FOLDER = Path(__file__).parent / "verdicts"
#: Sets on which the reference crashes or answers otherwise; docs/reference/composition-differences.md says why.
OWN = Path(__file__).parent / "own_verdicts"


def cases(folder: Path) -> Iterator[object]:
    for expected in sorted(folder.glob("*/*/expected")):
        case = expected.parent
        files = sorted((case / "subgraphs").glob("*.graphql"))
        subgraphs = [Subgraph(file.stem, file.read_text("utf-8")) for file in files]
        yield pytest.param(subgraphs, expected.read_text("utf-8").strip(), id=f"{case.parent.name}-{case.name}")


@pytest.mark.parametrize(("subgraphs", "codes"), list(cases(FOLDER)))
def test_the_verdict_is_the_references(subgraphs: list[Subgraph], codes: str) -> None:
    check(subgraphs, codes)


@pytest.mark.parametrize(("subgraphs", "codes"), list(cases(OWN)))
def test_the_verdict_is_our_own(subgraphs: list[Subgraph], codes: str) -> None:
    check(subgraphs, codes)


def check(subgraphs: list[Subgraph], codes: str) -> None:
    made = compose(subgraphs)
    assert ", ".join(sorted({e.code for e in made.errors})) == ("" if codes == "ok" else codes), made.errors
    if made.supergraph is not None and made.supergraph_sdl is not None:
        assert not differences(made.supergraph, read_supergraph(made.supergraph_sdl))


def test_cache_tags_say_which_subgraph_has_them() -> None:
    head = 'extend schema @link(url: "https://specs.apollo.dev/federation/v2.12", import: ["@key", "@cacheTag"])\n'
    tagged = 'type A @key(fields: "id") @cacheTag(format: "a-{$key.id}")'
    made = compose(
        [
            Subgraph("a", f'{head}{tagged} {{ id: ID! }} type Query {{ a: A @cacheTag(format: "q") }}'),
            Subgraph("b", f'{head}{tagged} @cacheTag(format: "b") {{ id: ID! n: Int }}'),
        ]
    )
    assert made.supergraph_sdl is not None
    for text in (
        '@link(url: "https://specs.apollo.dev/cacheTag/v0.1", for: EXECUTION)',
        '@join__directive(graphs: [A, B], name: "federation__cacheTag", args: { format: "a-{$key.id}" })',
        '@join__directive(graphs: [B], name: "federation__cacheTag", args: { format: "b" })',
        "a: A @join__field(graph: A) "
        '@join__directive(graphs: [A], name: "federation__cacheTag", args: { format: "q" })',
    ):
        assert text in made.supergraph_sdl
    assert made.supergraph is not None
    assert "join__directive" not in made.supergraph.to_sdl(Version(0, 3))  # which has no such directive
