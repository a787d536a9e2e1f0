"""Supergraphs made by us, loaded by a peer's gateway from npm over real subgraphs.

It answers the audit's cases as expected.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from botberi_gateway.composition import Subgraph, compose
from gateway.tests.support import federation
from lab.bench.peers import ROOT, PeerProcess, PeersMissing, installed

SCRIPT = ROOT / "lab" / "bench" / "composition" / "gateway.mjs"
PACKAGES = {"@apollo/gateway": "2.14.4", "graphql": "16.15.0"}
#: Keys over several subgraphs with @requires and @provides; interfaces and @interfaceObject; unions.
SUITES = ("simple-requires-provides", "simple-interface-object", "union-intersection")

pytestmark = [
    federation.needs_suites("answered by a peer's gateway on supergraphs that we compose"),
    pytest.mark.timeout(60),
]


@pytest.fixture(scope="module")
def packages() -> Path:
    try:
        return installed(PACKAGES, timeout=40)
    except PeersMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def peer(packages: Path) -> Iterator[PeerProcess]:
    with PeerProcess(SCRIPT, packages) as process:
        yield process


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with federation.served() as url:
        yield url


@pytest.mark.parametrize("name", SUITES)
def test_a_peer_gateway_answers_over_our_supergraph(name: str, peer: PeerProcess, base_url: str) -> None:
    suite = federation.suite(name)
    composition = compose([Subgraph(s, sdl, f"{base_url}/{name}/{s}") for s, sdl in suite.subgraphs.items()])
    assert composition.ok, [e.message for e in composition.errors]
    question = {"supergraph": composition.supergraph_sdl, "queries": [case.query for case in suite.cases]}
    answer = peer.ask(question, timeout=30)
    assert "crash" not in answer, answer
    for case, response in zip(suite.cases, answer["responses"], strict=True):
        case.check(response)
