"""The ten queries of each large graph -> how long our planner takes for each, on the supergraph that we compose."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.composition.scale import SCALE, subgraphs
from gateway.composition import Subgraph, compose
from gateway.errors import GatewayError
from gateway.operation import prepare
from gateway.planner import build_plan


@dataclass(frozen=True)
class Planned:
    """One query: milliseconds for preparation and plan, number of fetches; or the error's code."""

    graph: str
    query: str
    milliseconds: float
    fetches: int | None
    error: str = ""


def planned(name: str) -> Iterator[Planned]:
    """In the order of the graph's file."""
    services = [Subgraph(**one) for one in json.loads(subgraphs(name).read_text())]
    supergraph = compose(services).supergraph
    assert supergraph is not None
    schema = supergraph.api_schema
    for case in json.loads((SCALE / name / "case.json").read_text())["plans"]:
        operation = prepare(schema, case["query"])
        start = time.perf_counter()
        try:
            fetches, error = build_plan(supergraph, operation).fetch_count, ""
        except GatewayError as failure:
            fetches, error = None, failure.code
        yield Planned(name, case["name"], (time.perf_counter() - start) * 1000, fetches, error)
