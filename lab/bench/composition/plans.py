"""The ten queries of each large graph -> CPU time and fetches of our plan on our supergraph, beside peers' fetches."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botberi_gateway.composition import Subgraph, compose
from botberi_gateway.errors import GatewayError
from botberi_gateway.operation import prepare
from botberi_gateway.planner import build_plan
from lab.bench.composition.scale import SCALE, subgraphs


@dataclass(frozen=True)
class Planned:
    """One query: CPU milliseconds of a first plan, preparation apart; number of fetches, or the error's code."""

    graph: str
    query: str
    milliseconds: float
    fetches: int | None
    #: The fewest that a peer needed; None where none of them answered.
    peer: int | None
    error: str = ""


def planned(name: str) -> Iterator[Planned]:
    """In the order of the graph's file."""
    services = [Subgraph(**one) for one in json.loads(subgraphs(name).read_text())]
    supergraph = compose(services).supergraph
    assert supergraph is not None
    schema = supergraph.api_schema
    for case in json.loads((SCALE / name / "case.json").read_text())["plans"]:
        operation = prepare(schema, case["query"])
        start = time.process_time()
        try:
            fetches, error = build_plan(supergraph, operation).fetch_count, ""
        except GatewayError as failure:
            fetches, error = None, failure.code
        yield Planned(name, case["name"], (time.process_time() - start) * 1000, fetches, _fewest(case), error)


def _fewest(case: Mapping[str, Any]) -> int | None:
    answers = [case[peer] for peer in ("apollo", "hive") if case.get(peer) and case[peer].get("ok")]
    return min((answer["fetches"] for answer in answers), default=None)
