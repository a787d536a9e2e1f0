"""Sets of subgraphs with what they compose to.

That is facts of the supergraph and of what clients see, or errors with places; and the hints.
"""

from collections.abc import Sequence

import pytest
from graphql import print_schema

from botberi_gateway.composition import Composition, Problem, Subgraph, compose
from botberi_gateway.supergraph import read_supergraph
from botberi_gateway.supergraph.compare import differences
from gateway.tests.conformance.facts import missing, present
from gateway.tests.conformance.folders import Folder, folders


def composed(folder: Folder) -> Composition:
    """The case's subgraphs, composed. The order in which they are given changes nothing."""
    subgraphs = [Subgraph(name, sdl) for name, sdl in folder.subgraphs.items()]
    forward, backward = compose(subgraphs), compose(subgraphs[::-1])
    assert forward.supergraph_sdl == backward.supergraph_sdl
    assert lines(forward.errors) == lines(backward.errors)
    assert lines(forward.hints) == lines(backward.hints)
    return forward


def lines(problems: Sequence[Problem]) -> list[str]:
    """A line a problem: its code, and its places as subgraph:line:column."""
    return sorted(
        " ".join([p.code, *sorted(f"{at.subgraph}:{at.line}:{at.column}" for at in p.locations)]) for p in problems
    )


@pytest.mark.parametrize("folder", folders("composition"), ids=str)
def test_case(folder: Folder) -> None:
    composition = composed(folder)
    errors, hints = folder.text("errors.txt"), folder.text("hints.txt")
    assert lines(composition.errors) == (errors or "").splitlines(), composition.errors
    assert lines(composition.hints) == (hints or "").splitlines(), composition.hints
    supergraph, api = folder.text("supergraph.graphql"), folder.text("api.graphql")
    if errors is not None:
        assert composition.supergraph_sdl is None
        assert supergraph is api is None
        return
    assert supergraph or api or hints or folder.words("Absent"), "the case expects nothing"
    sdl = composition.supergraph_sdl
    assert sdl is not None
    assert composition.supergraph is not None
    assert missing(supergraph or "type Query", sdl) == []
    assert missing(api or "type Query", print_schema(composition.supergraph.api_schema)) == []
    assert present(folder.words("Absent"), sdl) == []
    assert present(folder.words("Hidden"), print_schema(composition.supergraph.api_schema)) == []
    assert not differences(composition.supergraph, read_supergraph(sdl)), "reading the printed supergraph changes it"
