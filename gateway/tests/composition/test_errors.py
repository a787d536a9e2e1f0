"""One broken set of subgraphs for each error code: it is found, described in a sentence, and has a place."""

from pathlib import Path

import pytest

from botberi_gateway.composition import Subgraph, compose

CASES = sorted(p for p in (Path(__file__).parent / "cases").iterdir() if p.is_dir())
#: What comes with the code by its nature: each is wrong in two ways at once.
COMPANIONS = {
    "REQUIRES_UNSUPPORTED_ON_INTERFACE": {"REQUIRES_FIELDS_MISSING_EXTERNAL"},
}
#: About the whole, or about what no text stands for.
PLACELESS = {"NO_SUBGRAPHS", "NO_QUERIES", "INVALID_SUBGRAPH_NAME", "DISALLOWED_INACCESSIBLE"}


def load(case: Path) -> list[Subgraph]:
    return [Subgraph(p.stem, p.read_text()) for p in sorted(case.glob("*.graphql"))]


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_code(case: Path) -> None:
    subgraphs = load(case)
    composition = compose(subgraphs)
    assert not composition.ok
    assert composition.supergraph is None
    assert composition.supergraph_sdl is None
    assert {e.code for e in composition.errors} == {case.name} | COMPANIONS.get(case.name, set())
    sdls = {s.name: s.sdl.splitlines() for s in subgraphs}
    for error in composition.errors:
        assert len(error.message) > 20
        assert error.level == "ERROR"
        assert error.locations or case.name in PLACELESS
        for location in error.locations:
            line = [*sdls[location.subgraph], ""][location.line - 1]  # the end of the text is a place too
            assert 1 <= location.column <= len(line) + 1


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.name)
def test_order_of_subgraphs_does_not_matter(case: Path) -> None:
    subgraphs = load(case)
    forward, backward = compose(subgraphs), compose(subgraphs[::-1])
    assert [e.as_dict() for e in forward.errors] == [e.as_dict() for e in backward.errors]
